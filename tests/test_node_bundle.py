"""The OCI configuration: pure, and the same promises for every workspace."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nixos_workspaces.model.machine import Resources
from nixos_workspaces.node.machines.bundle import (
    CAPABILITIES,
    Container,
    HostContext,
    configuration,
    limits,
    seccomp_profile,
)
from nixos_workspaces.node.machines.containers import load_seccomp

MIB = 1 << 20
resources = st.builds(
    Resources,
    cpu=st.floats(0.01, 512),
    memory_bytes=st.integers(32 * MIB, 1 << 44),
    storage_bytes=st.integers(32 * MIB, 1 << 44),
)
SEEN = (Path("/sys/devices/system/cpu"),)
GROUND = HostContext(
    Path("/run/store"), {"defaultAction": "SCMP_ACT_ERRNO"}, limits_swap=True, weighs_io=True, system=SEEN
)


def container(wanted: Resources) -> Container:
    paths = (Path("/proc/7/fd/9"), Path("/run/root"), Path("/run/devices"), Path("/run/resolv.conf"))
    return Container("ws-1", "demo", 3, "/nix/store/x-system", wanted, 1_000_000, *paths, "/nixws-a/ws-1")


@given(resources)
def test_no_configuration_grants_more_than_another(wanted: Resources) -> None:
    config = configuration(container(wanted), GROUND)
    process, linux = config["process"], config["linux"]
    assert {tuple(names) for names in process["capabilities"].values()} == {CAPABILITIES}
    forbidden = {f"CAP_{name}" for name in ("SYS_MODULE", "SYS_RAWIO", "MKNOD", "SYS_PTRACE", "NET_RAW", "SYS_BOOT")}
    assert not forbidden & set(CAPABILITIES)
    assert linux["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
    assert {space["type"] for space in linux["namespaces"]} == {
        *("pid", "network", "ipc", "uts", "mount", "cgroup", "user"),
    }
    assert [space for space in linux["namespaces"] if "path" in space] == [{"type": "user", "path": "/proc/7/fd/9"}]
    assert linux["uidMappings"] == linux["gidMappings"] == [{"containerID": 0, "hostID": 1_000_000, "size": 65536}]
    binds = [mount for mount in config["mounts"] if mount["type"] == "bind"]
    assert [(bind["source"], bind["destination"]) for bind in binds] == [
        ("/run/devices", "/dev"),
        *((str(path), str(path)) for path in SEEN),
        ("/run/store", "/nix/store"),
        ("/run/resolv.conf", "/etc/resolv.conf"),
    ]
    assert all({"ro", "nosuid", "nodev"} <= set(bind["options"]) for bind in binds[1:])
    # The kernel lets the workspace's root mount another sysfs only where there is one.
    assert "sysfs" not in {mount["type"] for mount in config["mounts"]}
    assert linux["seccomp"] == GROUND.seccomp
    assert process["oomScoreAdj"] > 0


@given(resources)
def test_files_in_memory_take_at_most_half_of_it(wanted: Resources) -> None:
    sizes = [
        option.removeprefix("size=")
        for mount in configuration(container(wanted), GROUND)["mounts"]
        for option in mount["options"]
        if option.startswith("size=")
    ]
    total = sum(int(size.removesuffix("k")) * (1024 if size.endswith("k") else 1) for size in sizes)
    assert len(sizes) == sum(mount["type"] == "tmpfs" for mount in configuration(container(wanted), GROUND)["mounts"])
    assert total <= wanted.memory_bytes / 2 + 64 * 1024


@given(resources, st.booleans())
def test_limits_follow_what_was_asked_for(wanted: Resources, swap: bool) -> None:  # noqa: FBT001 - Hypothesis gives it
    found = limits(wanted, replace(GROUND, limits_swap=swap, weighs_io=swap))
    assert found["memory"] == {"limit": wanted.memory_bytes} | ({"swap": wanted.memory_bytes} if swap else {})
    assert found["cpu"]["quota"] / found["cpu"]["period"] == pytest.approx(wanted.cpu, abs=1e-5)
    assert 2 <= found["cpu"]["shares"] <= 262_144
    assert 512 <= found["pids"]["limit"] <= 32_768
    assert ("blockIO" in found) is swap
    assert not swap or 10 <= found["blockIO"]["weight"] <= 1000


PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": None, "includes": {}, "excludes": {}},
        {"names": ["bpf"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_PTRACE"]}},
        {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["arm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm"]}},
        {"names": ["new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "9.1"}},
        {"names": ["old"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ", "comment": "x"}],
        },
    ],
}


def test_a_seccomp_profile_keeps_what_applies_here() -> None:
    found = seccomp_profile(PROFILE, "x86_64", (6, 1))
    names = [rule["names"] for rule in found["syscalls"] if not rule["names"][0].startswith("socket")]
    assert names == [["read"], ["bpf"], ["old"], ["clone"]]
    assert found["syscalls"][3]["args"] == [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]
    assert found["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert found["defaultErrnoRet"] == 38


def test_the_profile_of_this_distribution_refuses_what_it_should() -> None:
    allowed = {
        name
        for rule in load_seccomp()["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for name in rule["names"]
    }
    assert {"read", "openat2", "mount", "clone3", "unshare"} <= allowed
    assert not {"kexec_load", "init_module", "finit_module", "delete_module"} & allowed
    # These make sockets, or run other calls, past every rule about arguments.
    assert not {"socket", "socketpair", "socketcall", "io_uring_setup"} & allowed
    assert all(re.fullmatch(r"\w+", name) for name in allowed)


def decided(syscall: str, *arguments: int) -> set[tuple[str, int | None]]:
    """Return what the rules of this distribution's profile and ours say to a call, one entry each."""
    holds = {
        "SCMP_CMP_EQ": lambda given, wanted: given == wanted,
        "SCMP_CMP_NE": lambda given, wanted: given != wanted,
        "SCMP_CMP_GT": lambda given, wanted: given > wanted,
    }
    found: set[tuple[str, int | None]] = set()
    for rule in load_seccomp()["syscalls"]:
        compared: list[dict[str, Any]] = rule.get("args") or []
        if syscall in rule["names"] and all(
            holds[one["op"]](arguments[one["index"]], one["value"]) for one in compared
        ):
            found.add((rule["action"], rule.get("errnoRet")))
    return found


@given(st.one_of(st.integers(0, 64), st.integers(0, (1 << 64) - 1)), st.integers(0, 20))
def test_sockets_of_four_families_only(family: int, protocol: int) -> None:
    refused = {("SCMP_ACT_ERRNO", 97)}
    wanted = {("SCMP_ACT_ALLOW", None)} if family in {1, 2, 10, 16} else refused
    if (family, protocol) == (16, 9):
        wanted = {("SCMP_ACT_ERRNO", 22)}
    assert decided("socket", family, 1, protocol) == wanted
    assert decided("socketpair", family, 1, protocol) == ({("SCMP_ACT_ALLOW", None)} if family == 1 else refused)


def test_the_old_call_for_sockets_is_refused_whatever_its_arguments() -> None:
    """A rule with arguments, or none at all, would let libseccomp derive a permission of every family on x86."""
    rules = [rule for rule in load_seccomp()["syscalls"] if "socketcall" in rule["names"]]
    assert rules == [{"names": ["socketcall"], "action": "SCMP_ACT_ERRNO", "errnoRet": 97}]
