"""One workspace's machine on this node: the order of steps that make, boot, stop and remove it.

Every method may be called again after a crash at any line of it: what is there is looked at, what is half made is
removed first. Calls that change a machine are made one at a time (``service`` sees to it) and block; looking at it
is possible at any time.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from nixos_workspaces.errors import Conflict, NotFound, RuntimeFailed, Unavailable, WorkspacesError
from nixos_workspaces.model.machine import MachineSpec, MachineState, Resources
from nixos_workspaces.model.network import EgressRules
from nixos_workspaces.node.home import PASSABLE, Home
from nixos_workspaces.node.kernel.cgroups import ControlGroup, Hierarchies, reclaimed
from nixos_workspaces.node.kernel.mounts import mount_points, wait_until_detached
from nixos_workspaces.node.kernel.namespaces import user_namespace
from nixos_workspaces.node.lxcfs import Lxcfs
from nixos_workspaces.node.machines import console, devices, records, volumes
from nixos_workspaces.node.machines.bundle import Container, HostContext, configuration, limits
from nixos_workspaces.node.machines.containers import Engine, ports_at_boot
from nixos_workspaces.node.machines.network import Network
from nixos_workspaces.node.machines.records import MachineRecord, RunRecord, Stage
from nixos_workspaces.node.machines.runs import Run, wait_for_sshd
from nixos_workspaces.process import CommandFailed

_log = logging.getLogger(__name__)
_LOG_TAIL = 1500
_CROWDED_SECONDS = 0.3
"""So long a machine may have no room for another process before it is not waited for any more when it is to stop."""
_JOURNAL = ("/run/current-system/sw/bin/journalctl", "--boot", "--no-pager", "--quiet", "--lines=30", "--output=cat")
_RELEASE_SECONDS = 10.0
NOT_RUNNING = "The workspace is not running; start it first."


@dataclass(frozen=True, slots=True)
class NodeContext:
    """Parts that all machines of a node share."""

    home: Home
    engine: Engine
    network: Network
    cgroups: Hierarchies
    host: HostContext
    lxcfs: Lxcfs
    id_base: int
    boot_timeout: float
    memory_bytes: int
    """Bytes that the memory limits of all running machines may add up to."""
    leaving: threading.Event
    """Set when the node's process is to end: boots go on, waiting for them does not."""
    null_device: Path
    """This computer's."""

    @property
    def group(self) -> str:
        """The parent of all the node's control groups."""
        return f"/nixws-{self.home.tag}"


class Machine:
    """One workspace's machine, present or not."""

    def __init__(self, workspace_id: str, context: NodeContext, record: MachineRecord | None) -> None:
        """Know a machine by its kept record; None while there is no volume."""
        self.workspace_id = workspace_id
        self.record = record
        self.run: Run | None = None
        self.given_up = threading.Event()
        """Set to end a boot that is under way."""
        self.run_record: RunRecord | None = None
        self.quarantine = ""
        """Why this machine could not be taken up or cleared away, and is left as it is until a call tries again."""
        self.traffic = (0, 0)
        """Bytes received and sent, as last seen."""
        self.tools = context
        self._kept = context.home.kept / "machines" / workspace_id
        self.live = context.home.machines / workspace_id
        self.console = self.live / "console"
        """Where what the machine prints is kept."""

    def adopt(self) -> None:
        """Take up what an earlier process of this node left; whatever goes wrong concerns this machine only.

        What is half made is undone, what runs is held on to. A machine where that fails is put into quarantine.
        """
        try:
            self._adopt()
        except Exception as failed:  # noqa: BLE001 - whatever a workspace has made, the others go on
            _log.exception("%s could not be taken up; its next call tries again", self.workspace_id)
            self.quarantine = f"The node could not take the machine up: {str(failed) or type(failed).__name__}"
        else:
            self.quarantine = ""

    def _adopt(self) -> None:
        if self.run is not None:
            self.run.close()
        self.run = self.run_record = None
        record = self.record = records.read_machine(self._kept / "machine.json")
        match record.stage if record else None:
            case None | Stage.MAKING | Stage.DELETING:
                self.delete()
            case Stage.READY:
                with _step("adopt"):
                    self._adopt_run()
            case other:
                assert_never(other)

    def create(self, spec: MachineSpec, claim: Callable[[], int]) -> None:
        """Make the volume; ``claim`` gives a free index. Does nothing when there is one."""
        if self.record is not None and self.record.stage is Stage.READY:
            return
        if self.record is not None:
            self.delete()
        with _step("create"), ExitStack() as undo:
            undo.callback(self._undo_create)
            self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = f"{secrets.token_hex(12)}.img"
            self._keep(MachineRecord(self.workspace_id, claim(), name, Stage.MAKING, spec.resources))
            self.live.mkdir(exist_ok=True)
            scratch = self.live / "raw"
            scratch.mkdir(mode=0o000, exist_ok=True)
            volumes.create(self._image, spec.resources.storage_bytes, spec.volume_key, scratch)
            self._change(stage=Stage.READY)
            undo.pop_all()

    def start(self, spec: MachineSpec) -> None:
        """Boot the system of ``spec`` and return when sshd answers; returns at once when it runs."""
        if self.record is not None and self.record.stage is not Stage.READY:
            message = "The machine was not made or removed to the end. Delete the workspace again, then make it anew."
            raise RuntimeFailed(message, code="machine_incomplete")
        match self.state:
            case MachineState.ABSENT:
                raise absent(self.workspace_id)
            case MachineState.RUNNING:
                return
            case MachineState.PAUSED:
                self.freeze(frozen=False)
                return
            case MachineState.STOPPED:
                self._boot(spec)
            case MachineState.BOOTING:
                pass
            case other:
                assert_never(other)
        run, seen = self.run, self.run_record
        assert run is not None
        assert seen is not None
        reason = wait_for_sshd(run, self.tools.boot_timeout, self.given_up)
        if reason and self.tools.leaving.is_set() and not run.ended():
            raise Unavailable("The node is being stopped; the workspace goes on booting.", code="node_stopping")
        if reason:
            log = self._log_tail()
            self.stop(0.0)
            message = f"The workspace was stopped again: {reason}. Last lines of its boot log: {log or '(none)'}"
            raise RuntimeFailed(message, code="boot_failed")
        self._note_run(replace(seen, ready=True))

    def stop(self, grace: float) -> None:
        """Shut the machine down, by force after ``grace`` seconds."""
        if self.record is None:
            raise absent(self.workspace_id)
        run = self.run
        if run is None:
            return
        with _step("stop"):
            if run.frozen():
                run.group.freeze(frozen=False)
            if grace > 0:
                run.shut_down(grace, _CROWDED_SECONDS)
            self._clear(keep_log=True)
            self._change(expected=False, exit_reason="", oom_kills=0)

    def settle(self) -> None:
        """Note how a machine that has ended by itself did so, and clear up after it."""
        run = self.run
        if run is None or not run.ended():
            return
        kills = run.oom_kills()
        reason = run.status()
        if kills and (not reason or "SIGKILL" in reason):
            reason = "out of memory: PID 1 was killed; give the workspace more memory or run less in it"
        with _step("stop"):
            self._clear(keep_log=True)
            self._change(expected=False, exit_reason=reason or "PID 1 ended while nobody watched", oom_kills=kills)

    def delete(self) -> None:
        """Stop by force and remove everything of this workspace."""
        with _step("delete"):
            if self.record is not None:
                self._change(stage=Stage.DELETING)
            self._clear()
            if self.record is not None and self._image.exists():
                if not wait_until_detached(self._image, _RELEASE_SECONDS):
                    raise RuntimeFailed("The volume is still in use; delete again in a minute.", code="volume_busy")
                self._image.unlink()
            for directory in (self.live, self._kept):  # the record goes last, and only when all else has gone
                _remove_directory(directory)
            if self.record is not None:
                self.tools.network.way_out.reported.drop(self.record.index)
            self.record = None
            self.quarantine = ""

    def _undo_create(self) -> None:
        """Remove what was half made; where that fails, say so as long as it is there."""
        try:
            self.delete()
        except WorkspacesError as failed:
            self.quarantine = f"The machine could not be made, nor what was made of it be removed: {failed}"
            raise

    def freeze(self, *, frozen: bool) -> None:
        """Freeze or thaw every process; raises ``Conflict`` when there is none, or not all of it has booted."""
        run = self.running
        if frozen and self.state is MachineState.BOOTING:
            raise Conflict("The workspace is booting; pause it when it runs.", code="booting")
        with _step("pause"):
            run.group.freeze(frozen=frozen)

    def resize(self, resources: Resources) -> None:
        """Change the limits at once; the volume grows only while the machine is stopped."""
        record = self.record
        if record is None:
            raise absent(self.workspace_id)
        more = resources.storage_bytes - record.resources.storage_bytes
        if more < 0:
            message = "Storage cannot become smaller. Make a new workspace and copy what is to be kept."
            raise Conflict(message, code="storage_shrink", field="storage")
        if more > 0 and self.run is not None:
            message = "Storage grows only while the workspace is stopped: stop it, change it, start it."
            raise Conflict(message, code="storage_in_use", field="storage")
        with _step("resize"):
            if self.run is not None:
                with reclaimed(self.run.group.unified, resources.memory_bytes):
                    self.tools.engine.update(self.workspace_id, limits(resources, self.tools.host))
            elif more > 0:
                volumes.grow(self._image, resources.storage_bytes)
            self._change(resources=resources)

    def open_ports(self, wanted: Sequence[int]) -> None:
        """Open these TCP ports in the running machine's own firewall, and no others."""
        run = self.running
        record = self.record
        assert record is not None
        if run.frozen():
            raise Conflict("The workspace is paused; its ports change when it goes on.", code="paused")
        with _step("ports"):
            self.tools.engine.open_ports(self.workspace_id, record.toplevel, wanted)
            self._change(ports=tuple(wanted))

    def set_egress(self, rules: EgressRules) -> None:
        """Let the machine reach this and nothing else, from now on and after each start."""
        record = self.record
        if record is None:
            raise absent(self.workspace_id)
        with _step("egress"):
            self._change(egress=rules)
            self.tools.network.way_out.rules.change(record.index, rules)

    @property
    def state(self) -> MachineState:
        """The state that it is in now."""
        record, run, seen = self.record, self.run, self.run_record
        if not self.quarantine and (record is None or record.stage is Stage.MAKING):
            return MachineState.ABSENT
        if run is None or seen is None or run.ended():
            return MachineState.STOPPED
        if run.frozen():
            return MachineState.PAUSED
        return MachineState.RUNNING if seen.ready else MachineState.BOOTING

    def _boot(self, spec: MachineSpec) -> None:
        record = self.record
        assert record is not None
        with _step("boot"), ExitStack() as undo:
            undo.callback(self._change, expected=False)
            undo.callback(self._clear, keep_log=True)
            self._clear()
            size = max(spec.resources.storage_bytes, record.resources.storage_bytes)
            volumes.grow(self._image, size)
            resources = replace(spec.resources, storage_bytes=size)
            run = self._assemble(spec, resources)
            now = datetime.now(UTC)
            changes = {"resources": resources, "generation": spec.generation, "toplevel": spec.toplevel}
            self._change(**changes, ports=ports_at_boot(spec), expected=True, exit_reason="", oom_kills=0)
            self.tools.engine.start(self.workspace_id)
            before = volumes.transferred(self.live / "rootfs", run.group.files)
            self._note_run(RunRecord(run.pid, run.born, now, ready=False, disk_before=before))
            self.run = run
            undo.pop_all()

    @property
    def users(self) -> range:
        """The ids of this machine that are the workspace's 0, 1, 2 and so on; it must have a volume."""
        assert self.record is not None
        first_id = self.tools.id_base + self.record.index * volumes.IDS_PER_WORKSPACE
        return range(first_id, first_id + volumes.IDS_PER_WORKSPACE)

    def _assemble(self, spec: MachineSpec, resources: Resources) -> Run:
        """Make everything up to a PID 1 that waits to be started."""
        record, tools = self.record, self.tools
        assert record is not None
        first_id = self.users.start
        identity = {
            "ssh_host_ed25519_key": (0o600, spec.host_key.strip().encode() + b"\n"),
            **_public_identity(spec.authorized_keys, spec.host_certificate),
            "ports": (0o644, "".join(f"{port}\n" for port in spec.ports).encode()),
        }
        self.live.mkdir(exist_ok=True)
        self.live.chmod(PASSABLE)
        devices.furnish(self._devices, first_id)
        bundle = self.live / "bundle"
        bundle.mkdir(mode=0o700)
        name_servers = self.live / "resolv.conf"
        name_servers.write_text(f"nameserver {tools.network.gateway}\n")
        with user_namespace(first_id, volumes.IDS_PER_WORKSPACE) as users, console.opened(self.console) as output:
            rootfs = volumes.attach(self._image, spec.volume_key, users, self.live, identity)
            container = Container(
                self.workspace_id,
                spec.hostname,
                spec.generation,
                spec.toplevel,
                resources,
                first_id,
                Path(f"/proc/{os.getpid()}/fd/{users}"),
                rootfs,
                self._devices,
                name_servers,
                self._group_path,
            )
            (bundle / "config.json").write_text(json.dumps(configuration(container, tools.host)))
            pid = tools.engine.create(self.workspace_id, bundle, output)
        group = ControlGroup(tools.cgroups, self._group_path)
        group.hand_over(first_id)
        run = Run(pid, None, group)
        tools.lxcfs.cover(run.pid, run.born, self._group_path)
        tools.network.attach(record.index, run.network, record.egress)
        return run

    def _clear(self, *, keep_log: bool = False) -> None:
        """Remove everything of a run, whole or half made; the volume stays."""
        run, tools = self.run, self.tools
        self.run_record = None
        if run is not None:
            run.kill()
            run.close()
            self.run = None
        group = ControlGroup(tools.cgroups, self._group_path)
        try:
            group.kill()
        except RuntimeFailed:
            tools.lxcfs.kill()  # a process that waits for an answer of it does not end
            group.kill()
        tools.engine.delete(self.workspace_id)
        if self.record is not None:
            tools.network.detach(self.record.index)
        volumes.detach(self.live)
        devices.remove(self._devices)
        _remove_directory(self.live / "bundle")
        self._run_file.unlink(missing_ok=True)
        if not keep_log:
            console.remove(self.console)

    def _adopt_run(self) -> None:
        """Hold on to a run of an earlier process of this node, or note that it has ended."""
        record, seen = self.record, records.read_run(self._run_file)
        assert record is not None
        group = ControlGroup(self.tools.cgroups, self._group_path)
        if seen is not None:
            with suppress(ProcessLookupError):
                self.run = Run(seen.pid, seen.born, group)
                self.run_record = seen
                self.tools.lxcfs.cover(seen.pid, seen.born, self._group_path)
                return
        kills = 0
        with suppress(OSError):
            kills = group.oom_kills()
        group.close()
        self._clear(keep_log=True)
        if record.expected:
            reason = "out of memory" if kills else "it ended while the node or the machine was not running"
            self._change(expected=False, exit_reason=reason, oom_kills=kills)

    @property
    def running(self) -> Run:
        """The run; raises ``NotFound`` or ``Conflict`` when there is none."""
        run = self.run
        if self.record is None and not self.quarantine:
            raise absent(self.workspace_id)
        if run is None:
            raise Conflict(NOT_RUNNING, code="not_running")
        return run

    def _log_tail(self) -> str:
        """Return the last of what the machine printed and of its journal, as far as that answers."""
        printed = console.read(self.console, 0)[-_LOG_TAIL:].decode(errors="replace").strip()
        if self.run is None or self.run.ended():
            return printed
        _, journal = self.tools.engine.output(self.workspace_id, _JOURNAL)
        return f"{printed}\n{journal[-_LOG_TAIL:]}".strip()

    def _keep(self, record: MachineRecord) -> None:
        records.write(self._kept / "machine.json", record, ballast=self.tools.home.kept)
        self.record = record

    def _change(self, **changes: Any) -> None:
        assert self.record is not None
        changed = replace(self.record, **changes)
        if changed != self.record:
            self._keep(changed)

    def _note_run(self, seen: RunRecord) -> None:
        records.write(self._run_file, seen)
        self.run_record = seen

    @property
    def _image(self) -> Path:
        assert self.record is not None
        return self.tools.home.kept / "volumes" / self.record.volume

    @property
    def null_device(self) -> Path:
        """The machine's ``/dev/null``, as the node sees it."""
        return self._devices / "null"

    @property
    def _devices(self) -> Path:
        return self.live / "devices"

    @property
    def _run_file(self) -> Path:
        return self.live / "run.json"

    @property
    def _group_path(self) -> str:
        return f"{self.tools.group}/{self.workspace_id}"


def authorise(machine: Machine, keys: Sequence[str], certificate: str) -> None:
    """Let these keys in, and no others of ours, and show this host certificate, from the next connection on."""
    machine.running  # noqa: B018  it raises where there is none
    try:
        volumes.rewrite(machine.live / "rootfs", machine.users.start, _public_identity(keys, certificate))
    except OSError as refused:
        message = f"The workspace's SSH keys could not be changed: {refused.strerror}. Its next start does it as well."
        raise RuntimeFailed(message, code="keys_refused") from refused


def _public_identity(keys: Sequence[str], certificate: str) -> dict[str, tuple[int, bytes]]:
    """Return the files of who is let in and of the host certificate, as they lie in ``/etc/nixws``."""
    return {
        "authorized_keys": (0o644, "".join(f"{key}\n" for key in keys).encode()),
        "ssh_host_ed25519_key-cert.pub": (0o644, f"{certificate}\n".encode() if certificate else b""),
    }


def absent(workspace_id: str) -> NotFound:
    """Return the error for a machine that does not exist."""
    return NotFound(f"There is no machine {workspace_id}; create it first.", code="machine_absent")


def _remove_directory(path: Path) -> None:
    """Remove a directory of the node's with all that is in it; raises ``OSError`` when anything is left.

    A file system that is still mounted below is a reason to stop: it holds what a workspace has made.
    """
    if mount_points(path):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Turn what the system refuses within a step into ``RuntimeFailed`` that names the step."""
    try:
        yield
    except (OSError, CommandFailed) as failed:
        message = f"Step {name} failed: {failed}. Try again; if it fails again, look at the node's log."
        raise RuntimeFailed(message, code=f"{name}_failed") from failed
