"""The OCI configuration: pure, and the same promises for every workspace."""

from __future__ import annotations

import re
from pathlib import Path

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
GROUND = HostContext(Path("/run/store"), {"defaultAction": "SCMP_ACT_ERRNO"}, 4096, limits_swap=True)


def container(wanted: Resources) -> Container:
    return Container("ws-1", "demo", 3, "/nix/store/x-system", wanted, 1_000_000, Path("/run/root"), "/nixws-a/ws-1")


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
    assert all("path" not in space for space in linux["namespaces"])
    assert linux["uidMappings"] == linux["gidMappings"] == [{"containerID": 0, "hostID": 1_000_000, "size": 65536}]
    binds = [mount for mount in config["mounts"] if mount["type"] == "bind"]
    assert [(bind["source"], bind["destination"]) for bind in binds] == [("/run/store", "/nix/store")]
    assert {"ro", "nosuid", "nodev"} <= set(binds[0]["options"])
    assert linux["seccomp"] == GROUND.seccomp


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
    found = limits(wanted, swap=swap)
    assert found["memory"] == {"limit": wanted.memory_bytes} | ({"swap": wanted.memory_bytes} if swap else {})
    assert found["cpu"]["quota"] / found["cpu"]["period"] == pytest.approx(wanted.cpu, abs=1e-5)
    assert 2 <= found["cpu"]["shares"] <= 262_144
    assert 512 <= found["pids"]["limit"] <= 32_768


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
    assert [rule["names"] for rule in found["syscalls"]] == [["read"], ["bpf"], ["old"], ["clone"]]
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
    assert all(re.fullmatch(r"\w+", name) for name in allowed)
