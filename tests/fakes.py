"""A world without containers and Nix, for tests of what stands above them.

``World`` is what survives a crash of the control plane: machines, volumes, store. ``FakeRuntime`` and
``FakeEnvironments`` obey the contracts of the real parts over it; the slow, broken and silent ones derive from them.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from argon2 import PasswordHasher
from migrated_database import put_migrated
from typing_extensions import override

from nixos_workspaces.auth.people.passwords import Passwords
from nixos_workspaces.errors import (
    BuildFailed,
    Conflict,
    InsufficientResources,
    InvalidInput,
    NotFound,
    RuntimeFailed,
    Unavailable,
    WorkspacesError,
)
from nixos_workspaces.model.automation.activity import Activity
from nixos_workspaces.model.closures.paths import StorePath
from nixos_workspaces.model.environment import Environment, Generation, Package, Template
from nixos_workspaces.model.machine import (
    BYTES_PER_GB,
    Address,
    Capabilities,
    MachineSpec,
    MachineState,
    Observed,
    Resources,
    Usage,
)
from nixos_workspaces.model.network import DeniedConnection, EgressRules
from nixos_workspaces.model.reach.ports import Listener
from nixos_workspaces.model.service import Sentence
from nixos_workspaces.model.usage import Program
from nixos_workspaces.model.workspace import Phase, Progress
from nixos_workspaces.services import DATABASE, Backends, Services, open_services
from nixos_workspaces.settings import Settings
from nixos_workspaces.workspaces.reconciler import Timing

TEMPLATES = {
    "minimal": Template("minimal", "Minimal", "Nothing but a shell.", "❄️"),
    "development": Template("development", "Development", "Compilers and tools.", "🛠️", ("git", "gcc")),
    "python": Template("python", "Python", "Python and its tools.", "🐍", ("python3",)),
    "nodejs": Template("nodejs", "Node.js", "Node and npm.", "🟩", ("nodejs",)),
}
PACKAGES = {
    name: Package(name, "1.0", f"The program {name}.")
    for name in ("git", "python3", "nodejs", "gcc", "ripgrep", "jq", "vim", "broken", "slow", "hello")
}
FAST = Timing(observe=0.05, look=0.02, lease=1.0)


@dataclass
class World:
    """Everything that is there whether a control plane runs or not."""

    machines: dict[str, Observed] = field(default_factory=dict)
    volume_keys: dict[str, bytes] = field(default_factory=dict)
    host_keys: dict[str, str] = field(default_factory=dict)
    consoles: dict[str, bytes] = field(default_factory=dict)
    admitted: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    """The public keys and the host certificate that each machine was told last."""
    generations: dict[str, list[Generation]] = field(default_factory=dict)
    selected: dict[str, int] = field(default_factory=dict)
    storage_bytes: int = 1000 * BYTES_PER_GB
    calls: list[tuple[str, str]] = field(default_factory=list)
    unbootable: set[str] = field(default_factory=set)
    """Toplevels whose sshd never answers."""
    listeners: dict[str, list[Listener]] = field(default_factory=dict)
    servers: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    """Addresses of this machine that stand for ports of workspaces."""
    limits_unseen: str = ""
    log: list[str] = field(default_factory=list)
    """The lines that the engine has logged."""
    activities: dict[str, Activity] = field(default_factory=dict)
    """The evidence of work in machines; nothing works in others."""
    egress: dict[str, EgressRules] = field(default_factory=dict)
    denied: dict[str, list[DeniedConnection]] = field(default_factory=dict)
    observed: dict[str, list[DeniedConnection]] = field(default_factory=dict)

    def used_bytes(self) -> int:
        """Return what volumes take."""
        return sum(machine.resources.storage_bytes for machine in self.machines.values() if machine.resources)

    def kill(self, workspace_id: str, reason: str = "PID 1 was killed") -> None:
        """Let a machine die by itself."""
        machine = self.machines[workspace_id]
        self.machines[workspace_id] = replace(
            machine, state=MachineState.STOPPED, address=None, started_at=None, exit_reason=reason
        )


class FakeRuntime:
    """An engine whose machines are values."""

    def __init__(self, world: World, *, live_growth: bool = False) -> None:
        self._world = world
        self._live_growth = live_growth
        self._cpu: dict[str, float] = {}

    async def _called(self, what: str, workspace_id: str = "") -> None:
        """Note a call; derived engines misbehave here."""
        self._world.calls.append((what, workspace_id))
        await asyncio.sleep(0)

    def _machine(self, workspace_id: str) -> Observed:
        try:
            return self._world.machines[workspace_id]
        except KeyError:
            raise NotFound(f"no machine {workspace_id}") from None

    def _put(self, machine: Observed) -> Observed:
        self._world.machines[machine.workspace_id] = machine
        return machine

    async def capabilities(self) -> Capabilities:
        await self._called("capabilities")
        total = self._world.storage_bytes
        free = total - self._world.used_bytes()
        memory, unseen = 64 * BYTES_PER_GB, self._world.limits_unseen
        return Capabilities("fake", "fscrypt", self._live_growth, 16.0, memory, total, free, limits_unseen=unseen)

    async def create(self, spec: MachineSpec) -> None:
        await self._called("create", spec.workspace_id)
        if spec.workspace_id in self._world.machines:
            return
        if self._world.used_bytes() + spec.resources.storage_bytes > self._world.storage_bytes:
            raise InsufficientResources("The disk is full.")
        self._world.volume_keys[spec.workspace_id] = spec.volume_key
        self._put(Observed(spec.workspace_id, MachineState.STOPPED, resources=spec.resources, encryption="fscrypt"))

    async def start(self, spec: MachineSpec) -> Observed:
        await self._called("start", spec.workspace_id)
        machine = self._machine(spec.workspace_id)
        if self._world.volume_keys[spec.workspace_id] != spec.volume_key:
            raise RuntimeFailed("The volume does not open with this key.")
        if machine.state is MachineState.RUNNING:
            return machine
        if machine.state is MachineState.PAUSED:
            return self._put(replace(machine, state=MachineState.RUNNING))
        if spec.toplevel in self._world.unbootable:
            raise RuntimeFailed("sshd did not answer; the last lines of the boot log: panic.", code="boot_failed")
        self._world.host_keys[spec.workspace_id] = spec.host_key
        self._world.admitted[spec.workspace_id] = (spec.authorized_keys, spec.host_certificate)
        self._world.consoles[spec.workspace_id] = b"Welcome to NixOS\nsshd is up\n"
        self._cpu[spec.workspace_id] = 0.0
        return self._put(
            replace(
                machine,
                state=MachineState.RUNNING,
                generation=spec.generation,
                toplevel=spec.toplevel,
                resources=spec.resources,
                ports=spec.ports,
                address=Address("127.0.0.1", 2222),
                started_at=datetime.now(UTC),
                exit_reason="",
                oom_kills=0,
            )
        )

    async def stop(self, workspace_id: str, grace_seconds: float = 10.0) -> None:
        del grace_seconds
        await self._called("stop", workspace_id)
        machine = self._machine(workspace_id)
        self._put(replace(machine, state=MachineState.STOPPED, address=None, started_at=None, exit_reason=""))

    async def delete(self, workspace_id: str) -> None:
        await self._called("delete", workspace_id)
        self._world.machines.pop(workspace_id, None)
        self._world.volume_keys.pop(workspace_id, None)
        self._world.host_keys.pop(workspace_id, None)
        self._world.consoles.pop(workspace_id, None)

    async def observe(self, workspace_id: str) -> Observed:
        await self._called("observe", workspace_id)
        return self._world.machines.get(workspace_id, Observed(workspace_id, MachineState.ABSENT))

    async def list(self) -> Sequence[Observed]:
        await self._called("list")
        return tuple(self._world.machines.values())

    async def resize(self, workspace_id: str, resources: Resources) -> None:
        await self._called("resize", workspace_id)
        machine = self._machine(workspace_id)
        held = machine.resources or resources
        if resources.storage_bytes < held.storage_bytes:
            raise Conflict("smaller")
        larger = resources.storage_bytes > held.storage_bytes
        if larger and machine.state is MachineState.RUNNING and not self._live_growth:
            raise Conflict("larger while running")
        self._put(replace(machine, resources=resources))

    async def usage(self, workspace_id: str) -> Usage:
        await self._called("usage", workspace_id)
        machine = self._machine(workspace_id)
        if machine.state not in (MachineState.RUNNING, MachineState.PAUSED) or machine.resources is None:
            raise Conflict("not running")
        now = asyncio.get_running_loop().time()
        memory, storage = machine.resources.memory_bytes, machine.resources.storage_bytes
        run = machine.started_at.isoformat() if machine.started_at else ""
        return Usage(now * machine.resources.cpu / 2, memory // 4, storage // 10, storage, 9, 0, 0, now, run)

    async def usage_all(self) -> Mapping[str, Usage]:
        up = {MachineState.RUNNING, MachineState.PAUSED}
        running = [one for one, machine in self._world.machines.items() if machine.state in up]
        return {one: await self.usage(one) for one in running}

    async def activity(self, workspace_id: str) -> Activity:
        await self._called("activity", workspace_id)
        machine = self._machine(workspace_id)
        if machine.state not in (MachineState.RUNNING, MachineState.PAUSED):
            raise Conflict("not running", code="not_running")
        seen = self._world.activities.get(workspace_id, Activity(0.0, "run", 0.0, 0))
        return replace(seen, taken_at=asyncio.get_running_loop().time())

    async def connect(self, workspace_id: str, port: int) -> socket.socket:
        address = self._world.servers.get((workspace_id, port))
        if address is None:
            raise Unavailable(f"nothing listens on port {port} of {workspace_id}", code="port_closed")
        if self._machine(workspace_id).state is not MachineState.RUNNING:
            raise Conflict("not running", code="not_running")
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, address)
        except OSError:
            connection.close()
            raise Unavailable(f"nothing listens on port {port} of {workspace_id}", code="port_closed") from None
        return connection

    async def programs(self, workspace_id: str) -> Sequence[Program]:
        await self._called("programs", workspace_id)
        if self._machine(workspace_id).state is not MachineState.RUNNING:
            raise Conflict("not running", code="not_running")
        return (Program("backup.service", 0.5, 64 << 20, 2), Program("init.scope", 0.0, 12 << 20, 1))

    async def listening(self, workspace_id: str) -> Sequence[Listener]:
        await self._called("listening", workspace_id)
        if self._machine(workspace_id).state is not MachineState.RUNNING:
            raise Conflict("not running", code="not_running")
        return tuple(self._world.listeners.get(workspace_id, ()))

    async def connect_holder(self, workspace_id: str) -> socket.socket | None:
        raise Unavailable(f"nothing listens in {workspace_id}")

    async def open_ports(self, workspace_id: str, ports: Sequence[int]) -> None:
        await self._called("open_ports", workspace_id)
        machine = self._machine(workspace_id)
        if machine.state not in (MachineState.RUNNING, MachineState.PAUSED):
            raise Conflict("not running")
        self._put(replace(machine, ports=tuple(ports)))

    async def authorise(self, workspace_id: str, keys: Sequence[str], host_certificate: str) -> None:
        await self._called("authorise", workspace_id)
        machine = self._machine(workspace_id)
        if machine.state not in (MachineState.RUNNING, MachineState.PAUSED):
            raise Conflict("not running")
        self._world.admitted[workspace_id] = (tuple(keys), host_certificate)

    async def pause(self, workspace_id: str) -> None:
        await self._called("pause", workspace_id)
        machine = self._machine(workspace_id)
        if machine.state is MachineState.STOPPED:
            raise Conflict("not running")
        self._put(replace(machine, state=MachineState.PAUSED))

    async def resume(self, workspace_id: str) -> None:
        await self._called("resume", workspace_id)
        machine = self._machine(workspace_id)
        if machine.state is MachineState.STOPPED:
            raise Conflict("not running")
        self._put(replace(machine, state=MachineState.RUNNING))

    async def boot_log(self, workspace_id: str, offset: int = 0) -> bytes:
        return self._world.consoles.get(workspace_id, b"")[offset:]

    async def log(self) -> Sequence[str]:
        return self._world.log

    async def set_egress(self, workspace_id: str, rules: EgressRules) -> None:
        await self._called("set_egress", workspace_id)
        self._machine(workspace_id)
        self._world.egress[workspace_id] = rules

    async def denied(self, workspace_id: str, since: datetime | None = None) -> Sequence[DeniedConnection]:
        return self._since(self._world.denied, workspace_id, since)

    async def observed(self, workspace_id: str, since: datetime | None = None) -> Sequence[DeniedConnection]:
        return self._since(self._world.observed, workspace_id, since)

    def _since(
        self, found: Mapping[str, Sequence[DeniedConnection]], workspace_id: str, since: datetime | None
    ) -> Sequence[DeniedConnection]:
        self._machine(workspace_id)
        return [one for one in found.get(workspace_id, []) if since is None or one.at > since]

    async def close(self) -> None:
        pass


class FakeClosures:
    """Of each toplevel itself and a path for each package, whose version is the length of its name."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def of(self, toplevel: str) -> Sequence[StorePath]:
        built = (one for held in self._world.generations.values() for one in held)
        packages = next(one.environment.packages for one in built if one.toplevel == toplevel)
        parts = [f"/nix/store/{'0' * 32}-{name}-{len(name)}" for name in packages]
        return (StorePath(toplevel, 1 << 20, tuple(parts)), *(StorePath(path, 1 << 21) for path in parts))


class FakeEnvironments:
    """Nix whose store paths are hashes of environments; package ``broken`` never builds."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def package_set(self) -> str:
        return "fake packages"

    @property
    def closures(self) -> FakeClosures:
        return FakeClosures(self._world)

    async def _called(self, what: str, workspace_id: str = "") -> None:
        """Note a call; derived ones misbehave here."""
        self._world.calls.append((what, workspace_id))
        await asyncio.sleep(0)

    async def templates(self) -> Sequence[Template]:
        return tuple(TEMPLATES.values())

    async def search(self, query: str, limit: int) -> Sequence[Package]:
        return tuple(package for name, package in sorted(PACKAGES.items()) if query in name)[:limit]

    async def check(self, environment: Environment) -> None:
        await self._called("check")
        if environment.template not in TEMPLATES:
            raise InvalidInput(f"There is no template {environment.template!r}.", field="template")
        for package in environment.packages:
            if package not in PACKAGES:
                raise InvalidInput(f"There is no package {package!r}.", field="packages")

    async def build(
        self,
        workspace_id: str,
        environment: Environment,
        on_progress: Callable[[Progress], None],
        on_log: Callable[[str], None],
    ) -> Generation:
        await self._called("build", workspace_id)
        on_log(f"evaluating {environment.template}")
        if "broken" in environment.packages:
            raise BuildFailed("Package broken does not build.")
        on_progress(Progress(Phase.BUILD, 0.5, Sentence("progress.build", {"name": "building"})))
        on_log("built")
        digest = hashlib.sha256(repr(replace(environment, ports=())).encode()).hexdigest()[:32]
        return self._take(workspace_id, f"/nix/store/{digest}-nixos-system", environment)

    def _take(self, workspace_id: str, toplevel: str, environment: Environment) -> Generation:
        """Make a toplevel the present generation; the same one again makes no new generation."""
        held = self._world.generations.setdefault(workspace_id, [])
        selected = self._world.selected.get(workspace_id)
        for generation in held:
            if generation.number == selected and generation.toplevel == toplevel:
                held[held.index(generation)] = noted = replace(generation, environment=environment)
                return noted
        made = Generation(len(held) + 1, toplevel, environment, datetime.now(UTC))
        held.append(made)
        self._world.selected[workspace_id] = made.number
        return made

    async def generations(self, workspace_id: str) -> Sequence[Generation]:
        return tuple(self._world.generations.get(workspace_id, ()))

    async def select(self, workspace_id: str, number: int) -> Generation:
        await self._called("select", workspace_id)
        for generation in self._world.generations.get(workspace_id, ()):
            if generation.number == number:
                self._world.selected[workspace_id] = number
                return generation
        raise NotFound(f"no generation {number}")

    async def note_ports(self, workspace_id: str, ports: tuple[int, ...]) -> None:
        await self._called("note_ports", workspace_id)
        held = self._world.generations.get(workspace_id, [])
        for index, generation in enumerate(held):
            if generation.number == self._world.selected.get(workspace_id):
                held[index] = replace(generation, environment=replace(generation.environment, ports=ports))

    async def forget(self, workspace_id: str) -> None:
        await self._called("forget", workspace_id)
        self._world.generations.pop(workspace_id, None)
        self._world.selected.pop(workspace_id, None)

    async def collect_garbage(self) -> int:
        await self._called("collect_garbage")
        return 0


class BrokenRuntime(FakeRuntime):
    """An engine that refuses chosen calls, each a number of times."""

    def __init__(self, world: World, faults: dict[str, tuple[int, WorkspacesError | Exception]]) -> None:
        super().__init__(world)
        self.faults = faults

    @override
    async def _called(self, what: str, workspace_id: str = "") -> None:
        await super()._called(what, workspace_id)
        times, error = self.faults.get(what, (0, RuntimeFailed("")))
        if times:
            self.faults[what] = (times - 1, error)
            raise error


class SlowRuntime(FakeRuntime):
    """An engine that finishes chosen calls when it is told to; never told, it never answers."""

    def __init__(self, world: World, slow: frozenset[str]) -> None:
        super().__init__(world)
        self._slow = slow
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()

    @override
    async def _called(self, what: str, workspace_id: str = "") -> None:
        await super()._called(what, workspace_id)
        if what in self._slow:
            self.entered.set()
            await self.go_on.wait()


class SlowEnvironments(FakeEnvironments):
    """Nix that finishes chosen calls when it is told to, and notes which were cancelled."""

    def __init__(self, world: World, slow: frozenset[str] = frozenset({"build"})) -> None:
        super().__init__(world)
        self._slow = slow
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cancelled = 0

    @override
    async def _called(self, what: str, workspace_id: str = "") -> None:
        await super()._called(what, workspace_id)
        if what in self._slow:
            self.entered.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise


def outside(
    runtime: FakeRuntime, environments: FakeEnvironments
) -> Callable[[Settings], AbstractAsyncContextManager[Backends]]:
    """Return how ``open_services`` opens these backends."""

    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncIterator[Backends]:
        yield Backends(environments, runtime, environments.package_set)

    return opened


_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Those of the service take a fifth of a second each; ``test_people`` looks at them."""


@asynccontextmanager
async def fake_services(
    data: Path,
    *,
    world: World | None = None,
    runtime: FakeRuntime | None = None,
    environments: FakeEnvironments | None = None,
    settings: Settings | None = None,
    timing: Timing = FAST,
) -> AsyncIterator[Services]:
    """Yield real services over a fake world."""
    world = world or World()
    backends = outside(runtime or FakeRuntime(world), environments or FakeEnvironments(world))
    settings = settings or Settings(data=data)
    put_migrated(settings.data / DATABASE)
    passwords = Passwords(_HASHER, _HASHER.hash("of nobody"))
    async with open_services(settings, backends=backends, timing=timing, passwords=passwords) as services:
        yield services


async def eventually(ask: Callable[[], Awaitable[object]], seconds: float = 60.0) -> None:
    """Return soon after ``ask`` gives something true; fail after ``seconds``.

    Asked less and less often: dozens that wait for something would take a core with their questions.
    """
    pause = 0.005
    async with asyncio.timeout(seconds):
        while not await ask():
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.08)
