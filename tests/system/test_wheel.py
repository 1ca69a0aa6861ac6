"""The wheel is whole: installed by pip in an empty environment, ``nixws up`` alone makes a workspace."""

import os
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed_wheel import ROOT, build, install, reinstall
from system.service import Service, free_port

pytestmark = pytest.mark.system
DEBIAN_SET = Path("/var/cache/nixws/debian-set")


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory outside the checkout that the service's own user can reach."""
    with tempfile.TemporaryDirectory(prefix="nixws-wheel-", dir="/var/tmp", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def wheel(directory: Path) -> Path:
    return build(directory)


def test_it_carries_what_the_checkout_has_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {
            name.removeprefix("nixos_workspaces/shipped/")
            for name in archive.namelist()
            if name.startswith("nixos_workspaces/shipped/")
        }
    tracked = subprocess.run(
        ["git", "ls-files", "nix", "agent/*.c", "agent/*.h", "agent/*.nix"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    sources = {name if name.startswith("nix/") else f"nix/{name}" for name in tracked if "/fuzz/" not in name}
    built = {f"ui/{path.relative_to(ROOT / 'ui/dist')}" for path in (ROOT / "ui/dist").rglob("*") if path.is_file()}
    assert names == (sources - {"nix/agent"}) | built


@pytest.mark.timeout(600)
def test_nixws_up_alone_makes_a_workspace(wheel: Path, directory: Path) -> None:
    program = install(wheel, directory) / "nixws"
    # A package set of its own, made by the wheel's generator; what was downloaded for it is not downloaded again.
    own_set = directory / "debian-set"
    (own_set / "packages").mkdir(parents=True)
    for package in (DEBIAN_SET / "packages").iterdir():
        os.link(package, own_set / "packages" / package.name)
    service = Service(directory / "data", free_port(), settings={"NIXWS_DEBIAN_SET": str(own_set)}, program=program)
    try:
        service.start()
        page = service.http.get(f"{service.url}/", headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert '<div id="root">' in page.text
        assert (own_set / "reference").read_text() != ""
        made = service.create("from-wheel")
        try:
            assert service.ssh(made, "systemctl is-system-running; hostname").split() == ["running", "from-wheel"]
            assert str(ROOT) not in Path(f"/proc/{service.pid_of('serve')}/maps").read_text()
            booted = service.ssh(made, "stat -c %Y /proc/1; systemctl show -P UserspaceTimestampMonotonic")
            service.stop()
            reinstall(wheel, program.parent)
            service.start()
            assert service.show(made["id"])["status"] == "running"
            again = service.ssh(made, "stat -c %Y /proc/1; systemctl show -P UserspaceTimestampMonotonic")
            assert again == booted, "an upgrade lets workspaces run on"
        finally:
            service.delete(made["id"])
    finally:
        service.stop()
        service.http.close()
