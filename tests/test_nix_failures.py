"""Messages that Nix 2.26 really printed (store hashes and paths as they were), and what people are told."""

from __future__ import annotations

import pytest

from nixos_workspaces.errors import BuildFailed, Unavailable
from nixos_workspaces.model.environment import environment
from nixos_workspaces.nix.reports.failures import explain

DATA = environment("minimal", ["broken", "curl", "python3Packages.requests", "source", "nosuchthing"])

UNKNOWN_PACKAGE = """\
error:
       … while calling the 'derivationStrict' builtin
         at <nix/derivation-internal.nix>:37:12:
           36|
           37|   strict = derivationStrict drvAttrs;
             |            ^
           38|

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: workspace.json: the package `nosuchthing' does not exist in this package set"""
UNKNOWN_OPTION = """\
error:
       … while evaluating a branch condition
         at /nix/store/96p31d6ynxsp382ar6kz5s6blz8kq1l7-source/nixos/modules.nix:261:11:
          260|         if first != null then
          261|           throw "The option `${showLocation first.loc}' does not exist. Definition values"
             |           ^

       error: The option `services.nosuch' does not exist. Definition values:
       - In `/nix/store/96p31d6ynxsp382ar6kz5s6blz8kq1l7-source/workspace.nix': { enable = ...; }"""
OPTION_TYPE = """\
error: A definition for option `services.openssh.enable' is not of type `boolean'. Definition values:
       - In `/nix/store/96p31d6ynxsp382ar6kz5s6blz8kq1l7-source/templates/python.nix': "yes\""""
BUILDER = """\
error: builder for '/nix/store/77z3s7z2vja51dqjswq07k7crb7hyzqh-broken-1.0.drv' failed with exit code 7;
       last 3 log lines:
       > one
       > compiling two
       > fatal: three is wrong
       For full logs, run:
         nix log /nix/store/77z3s7z2vja51dqjswq07k7crb7hyzqh-broken-1.0.drv
error: 1 dependencies of derivation '/nix/store/q0zcyqv00z1dx25a6cvq1a11li2g5wcw-system.drv' failed to build"""
BUILDER_EVENTS = (
    "\x1b[31;1merror:\x1b[0m builder for '\x1b[35;1m/nix/store/77z3s7z2vja51dqjswq07k7crb7hyzqh-broken-1.0.drv\x1b[0m' "
    "failed with exit code 7\n\x1b[31;1merror:\x1b[0m \x1b[35;1m1\x1b[0m dependencies of derivation "
    "'\x1b[35;1m/nix/store/q0zcyqv00z1dx25a6cvq1a11li2g5wcw-system.drv\x1b[0m' failed to build"
)
NO_OUTPUT = (
    "error: builder for '/nix/store/hqgl8j5w1ld778bcf3j19mfaa6dih5q1-killed-1.drv' failed to produce output path for "
    "output 'out' at '/nix/store/hqgl8j5w1ld778bcf3j19mfaa6dih5q1-killed-1.drv.chroot/root/nix/store/kf3q-killed-1'"
)
HASH = """\
error: hash mismatch in fixed-output derivation '/nix/store/bchls9jaz3qkavj4la8rkzra2jvgng69-source-1.tar.drv':
         specified: sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
            got:    sha256-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM="""
DISK = """\
error: builder for '/nix/store/1g4kbk7597i7wdm60pfkqynclzv5rq3b-full-1.drv' failed with exit code 1;
       last 3 log lines:
       > dd: error writing '/nix/store/mxdan2kk1b4ya3y9px41mb7g400iavd2-full-1': No space left on device
       > 78766+0 records in
       > 78765+0 records out
       For full logs, run:
         nix log /nix/store/1g4kbk7597i7wdm60pfkqynclzv5rq3b-full-1.drv
       note: build failure may have been caused by lack of free disk space"""
DISK_EVALUATION = """\
error:
       … while calling the 'toFile' builtin
         at «string»:1:1:
            1| builtins.toFile "x" (builtins.concatStringsSep "" [ ])
             | ^

       … writing file '/tmp/small/nix/store/libxb70j4nrvvs1x3xfwv0s0x8x78a55-x'

       error: writing to file: No space left on device"""
MEMORY = """\
GC Warning: Out of Memory!  Trying to continue...
GC Warning: Out of Memory! Heap size: 384 MiB. Returning NULL!
error: out of memory"""
NIX_TIMEOUT = (
    "error: building of '/nix/store/9j78a9w3spbw8xghpj84zzv22vcyj5w5-slow-1.drv^out' from .drv file "
    "timed out after 1 seconds"
)
DAEMON = """\
error:
       … while fetching the input 'file:///var/cache/set.tar.gz'

       error: cannot connect to socket at '/tmp/nosuch.sock': No such file or directory"""
DOWNLOAD = """\
warning: error: unable to download 'https://example.org/a': Could not resolve hostname (6); retrying in 279 ms
error:
       … while calling the 'fetchurl' builtin
         at /tmp/e1.nix:10:14:
            9|   missing = pkgs.nosuch;
             |              ^

       error: unable to download 'file:///nonexistent/file.deb': Could not read a file (37) Couldn't open file"""
ENDLESS = """\
error: infinite recursion encountered
       at /tmp/e1.nix:6:18:
            6|   rec1 = let x = x + 1; in x;
             |                  ^"""
DEEP = "error: stack overflow; max-call-depth exceeded\n       at /tmp/e1.nix:7:25:"
THROW = """\
error:
       … while calling the 'throw' builtin
         at /tmp/e1.nix:11:14:
           11|   throwing = throw "this template is broken";
             |              ^

       error: this template is broken"""
MISSING = """\
error: attribute 'nosuch' missing
       at /tmp/nixdoor/e1.nix:9:13:
            8|   type = "a" + 1;
             |             ^"""
SYNTAX = """\
error: syntax error, unexpected end of file, expecting INHERIT
       at /nix/store/wgy862pz15ndm06rrli0m09kwb2c8yjm-source/flake.nix:2:1:"""
TEMPLATE = "error: path '/nix/store/wgy862pz15ndm06rrli0m09kwb2c8yjm-source/templates/nosuch.nix' does not exist"
NEWER_NIX = """\
error: Cannot build '/nix/store/77z3s7z2vja51dqjswq07k7crb7hyzqh-broken-1.0.drv'.
       Reason: builder failed with exit code 1.
       Output paths:
         /nix/store/kf3qm5ci2qfgpx1pg5i8mm0872456nqd-broken-1.0"""


@pytest.mark.parametrize(
    ("text", "code", "field", "words"),
    [
        pytest.param(UNKNOWN_PACKAGE, "unknown_package", "packages.2", ["nosuchthing"], id="unknown package"),
        pytest.param(UNKNOWN_OPTION, "build_failed", "template", ["services.nosuch", "workspace.nix"], id="option"),
        pytest.param(
            OPTION_TYPE,
            "build_failed",
            "template",
            ["services.openssh.enable", "boolean", "templates/python.nix"],
            id="type",
        ),
        pytest.param(
            BUILDER,
            "build_failed",
            "packages.0",
            ["broken-1.0", "exit code 7", "one / compiling two / fatal: three is wrong"],
            id="builder",
        ),
        pytest.param(BUILDER_EVENTS, "build_failed", "packages.0", ["broken-1.0", "last words"], id="builder, events"),
        pytest.param(
            NEWER_NIX, "build_failed", "packages.0", ["broken-1.0", "failed with exit code 1"], id="newer Nix"
        ),
        pytest.param(NO_OUTPUT, "build_failed", None, ["killed-1", "failed to produce output path"], id="no output"),
        pytest.param(HASH, "build_failed", "packages.4", ["source-1.tar", "hash mismatch", "sha256-WJG1"], id="hash"),
        pytest.param(DISK, "disk_full", None, ["disk is full"], id="disk, builder"),
        pytest.param(DISK_EVALUATION, "disk_full", None, ["disk is full"], id="disk, evaluation"),
        pytest.param(MEMORY, "evaluation_memory", None, ["memory"], id="memory"),
        pytest.param(NIX_TIMEOUT, "build_timeout", None, ["slow-1", "1 seconds"], id="timeout of Nix"),
        pytest.param(
            DOWNLOAD, "download_failed", None, ["file:///nonexistent/file.deb", "Couldn't open"], id="download"
        ),
        pytest.param(ENDLESS, "build_failed", None, ["infinite recursion"], id="recursion"),
        pytest.param(DEEP, "build_failed", None, ["without end"], id="depth"),
        pytest.param(THROW, "build_failed", None, ["this template is broken"], id="throw"),
        pytest.param(MISSING, "build_failed", None, ["attribute 'nosuch' missing"], id="attribute"),
        pytest.param(SYNTAX, "build_failed", None, ["syntax error", "INHERIT"], id="syntax"),
        pytest.param(TEMPLATE, "unknown_template", "template", ["nosuch"], id="template"),
        pytest.param("", "build_failed", None, ["no reason"], id="nothing"),
    ],
)
def test_message_is_translated(text: str, code: str, field: str | None, words: list[str]) -> None:
    error = explain(text, environment=DATA, tails={"broken-1.0": ["", "last words", ""]} if "\x1b" in text else {})
    assert isinstance(error, BuildFailed)
    assert (error.code, error.field) == (code, field)
    for word in words:
        assert word in error.message
    assert "\x1b" not in error.message
    assert "\n" not in error.message
    assert "/nix/store/" not in error.message or "/nix/store/" in "".join(words)


def test_missing_daemon_is_not_the_environments_fault() -> None:
    error = explain(DAEMON, environment=DATA)
    assert isinstance(error, Unavailable)
    assert error.code == "nix_daemon_unavailable"
    assert "/tmp/nosuch.sock" in error.message


def test_stopped_build_tells_the_limit() -> None:
    error = explain(BUILDER, timeout=90.0)
    assert error.code == "build_timeout"
    assert "90 seconds" in error.message
