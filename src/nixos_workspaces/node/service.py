"""The node's methods: each request of its socket, one change at a time per workspace, few boots at once."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import Any, ParamSpec, TypeVar

from nixos_workspaces.errors import Conflict, InvalidInput, NotFound, Unavailable
from nixos_workspaces.logs.recent import RECENT
from nixos_workspaces.model.machine import MachineState
from nixos_workspaces.model.names import HIGHEST_PORT, LOWEST_PORT
from nixos_workspaces.model.reach.ports import SSH_PORT
from nixos_workspaces.node import protocol
from nixos_workspaces.node.egress.wire import moment_from_wire, reports_to_wire, rules_from_wire
from nixos_workspaces.node.machines import devices, observing, records, volumes
from nixos_workspaces.node.machines.fleet import Fleet
from nixos_workspaces.node.machines.machines import NOT_RUNNING, Machine, NodeContext, absent, authorise
from nixos_workspaces.node.machines.ports.connecting import connect_port
from nixos_workspaces.node.machines.ports.listening import Listening
from nixos_workspaces.node.machines.runs import Run, connect_holder, connect_sshd
from nixos_workspaces.node.machines.usage.figures import figures
from nixos_workspaces.node.machines.usage.programs import Look
from nixos_workspaces.node.machines.working.evidence import activity
from nixos_workspaces.node.rpc import Answer

_LONGEST_GRACE = 600.0
_LOOK_SECONDS = 0.5
"""Time between the two looks of a rate of programs."""
_P = ParamSpec("_P")
_T = TypeVar("_T")
_Method = Callable[[dict[str, Any]], Awaitable[Answer]]


class Service:
    """The methods of the node's socket; ``answer`` is the handler that ``rpc`` wants."""

    def __init__(self, context: NodeContext, boots: int, stop: asyncio.Event) -> None:
        """Admit ``boots`` boots at once; ``stop`` is set when the node is asked to end."""
        self._tools = context
        self._fleet = Fleet(context)
        self._boots = asyncio.Semaphore(boots)
        self._stop = stop
        self._locks: dict[str, asyncio.Lock] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(64, "machine")
        self._lookers: dict[str, tuple[Listening, asyncio.Lock]] = {}
        self._methods: dict[str, _Method] = {
            "info": self._info,
            "create": self._create,
            "start": self._start,
            "stop": self._stop_machine,
            "delete": self._delete,
            "observe": self._observe,
            "list": self._list,
            "resize": self._resize,
            "open_ports": self._open_ports,
            "set_egress": self._set_egress,
            "denied": partial(self._reports, observed=False),
            "observed": partial(self._reports, observed=True),
            "authorise": self._authorise,
            "usage": self._usage,
            "usage_all": self._usage_all,
            "programs": self._programs,
            "activity": self._activity,
            "connect": self._connect,
            "connect_holder": self._connect_holder,
            "listening": self._listening,
            "pause": self._pause,
            "resume": self._resume,
            "boot_log": self._boot_log,
            "log": self._log,
            "shutdown": self._shutdown,
        }

    async def open(self) -> None:
        """Take up what is there; where that fails, nothing of this service is left in the process."""
        try:
            await self._in_thread(self._fleet.adopt)
        except BaseException:
            self._threads.shutdown()
            raise
        for machine in self._fleet.all():
            self._watch(machine)

    async def answer(self, method: str, parameters: dict[str, Any]) -> Answer:
        """Perform one call; raises ``InvalidInput`` for a method that there is not."""
        perform = self._methods.get(method)
        if perform is None:
            raise InvalidInput(f"The node has no method {method!r}.", field="method")
        return await perform(parameters)

    def leave(self) -> None:
        """End the calls that wait for boots; the boots go on."""
        self._tools.leaving.set()
        for machine in self._fleet.all():
            machine.given_up.set()

    async def close(self) -> bool:
        """Let go of everything; returns whether nothing runs and this computer is as it was before."""
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        clean = await self._in_thread(self._fleet.close)
        self._threads.shutdown()
        return clean

    async def _info(self, _: dict[str, Any]) -> Answer:
        space = volumes.space(self._tools.home.kept)
        if space.free:
            records.keep_ballast(self._tools.home.kept)
        info = {
            "engine": self._tools.engine.name,
            "encryption": volumes.ENCRYPTION,
            "live_storage_growth": False,
            "cpu_total": float(len(os.sched_getaffinity(0))),
            "memory_total_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "storage_total_bytes": space.total,
            "storage_free_bytes": space.free,
            "flaw": devices.flaw(self._tools.null_device),
            "limits_unseen": self._tools.lxcfs.trouble,
        }
        info["uplink"], info["uplink_trouble"] = self._tools.network.way_out.facts
        return Answer(info)

    async def _create(self, parameters: dict[str, Any]) -> Answer:
        spec = protocol.spec_from_wire(parameters)
        async with self._changing(spec.workspace_id) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            await self._in_thread(machine.create, spec, lambda: self._fleet.claim_index(spec.workspace_id))
        return Answer()

    async def _start(self, parameters: dict[str, Any]) -> Answer:
        spec = protocol.spec_from_wire(parameters)
        async with self._changing(spec.workspace_id) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            if machine.state is not MachineState.RUNNING:
                async with self._boots:
                    if self._tools.leaving.is_set():
                        raise Unavailable("The node is being stopped; try again.", code="node_stopping")
                    with self._fleet.admitted(spec.workspace_id, 0 if machine.run else spec.resources.memory_bytes):
                        await self._in_thread(machine.start, spec)
            seen = observing.observe(machine)
        return Answer(protocol.observed_to_wire(seen))

    async def _stop_machine(self, parameters: dict[str, Any]) -> Answer:
        grace = protocol.number_from(parameters.get("grace_seconds"), "grace_seconds", 0, _LONGEST_GRACE)
        async with self._changing(_id(parameters), interrupting=True) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            await self._in_thread(machine.stop, grace)
        return Answer()

    async def _delete(self, parameters: dict[str, Any]) -> Answer:
        async with self._changing(_id(parameters), interrupting=True) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            await self._in_thread(machine.delete)
            self._lookers.pop(machine.workspace_id, None)
        return Answer()

    async def _resize(self, parameters: dict[str, Any]) -> Answer:
        resources = protocol.resources_from_wire(parameters.get("resources"))
        async with self._changing(_id(parameters)) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            with self._fleet.admitted(machine.workspace_id, resources.memory_bytes if machine.run else 0):
                await self._in_thread(machine.resize, resources)
        return Answer()

    async def _open_ports(self, parameters: dict[str, Any]) -> Answer:
        ports = protocol.ports_from_wire(parameters.get("ports"))
        async with self._changing(_id(parameters)) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            await self._in_thread(machine.open_ports, ports)
        return Answer()

    async def _set_egress(self, parameters: dict[str, Any]) -> Answer:
        wanted = rules_from_wire(parameters.get("rules"))
        async with self._changing(_id(parameters)) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            await self._in_thread(machine.set_egress, wanted)
        return Answer()

    async def _reports(self, parameters: dict[str, Any], *, observed: bool) -> Answer:
        since = moment_from_wire(parameters.get("since"))
        record = self._look(parameters).record
        if record is None:
            raise absent(_id(parameters))
        told = self._tools.network.way_out.reported.told(record.index, observed=observed, since=since)
        return Answer(reports_to_wire(told))

    async def _authorise(self, parameters: dict[str, Any]) -> Answer:
        keys = protocol.keys_from_wire(parameters.get("authorized_keys"))
        certificate = protocol.certificate_from_wire(parameters.get("host_certificate"))
        async with self._changing(_id(parameters)) as machine:
            await self._in_thread(self._fleet.require_adopted, machine)
            await self._in_thread(authorise, machine, keys, certificate)
        return Answer()

    async def _pause(self, parameters: dict[str, Any]) -> Answer:
        async with self._changing(_id(parameters)) as machine:
            await self._in_thread(lambda: machine.freeze(frozen=True))
        return Answer()

    async def _resume(self, parameters: dict[str, Any]) -> Answer:
        async with self._changing(_id(parameters)) as machine:
            await self._in_thread(lambda: machine.freeze(frozen=False))
        return Answer()

    async def _observe(self, parameters: dict[str, Any]) -> Answer:
        return Answer(protocol.observed_to_wire(observing.observe(self._look(parameters))))

    async def _list(self, parameters: dict[str, Any]) -> Answer:
        machines = {machine.workspace_id: machine for machine in self._fleet.all()}
        chosen, last = protocol.page_of(machines, str(parameters.get("after", "")))
        seen = [observing.observe(machines[one]) for one in chosen]
        told = [protocol.observed_to_wire(one) for one in seen if one.state is not MachineState.ABSENT]
        return Answer({"machines": told, "next": last})

    async def _usage(self, parameters: dict[str, Any]) -> Answer:
        machine = self._look(parameters)
        counters = self._tools.network.way_out.rules.counters
        seen = await self._in_thread(lambda: figures(machine, counters.denied()))
        return Answer(protocol.usage_to_wire(seen))

    async def _usage_all(self, parameters: dict[str, Any]) -> Answer:
        machines = {machine.workspace_id: machine for machine in self._fleet.all()}
        chosen, last = protocol.page_of(machines, str(parameters.get("after", "")))
        told = await self._in_thread(self._figures, [machines[one] for one in chosen])
        return Answer({"usage": told, "next": last})

    async def _programs(self, parameters: dict[str, Any]) -> Answer:
        machine = self._look(parameters)
        if machine.state not in {MachineState.RUNNING, MachineState.PAUSED}:
            raise Conflict(NOT_RUNNING, code="not_running")
        tools, path = self._tools, f"{self._tools.group}/{machine.workspace_id}"
        before = await self._in_thread(Look, tools.cgroups, path)
        await asyncio.sleep(_LOOK_SECONDS)
        after = await self._in_thread(Look, tools.cgroups, path)
        found = await self._in_thread(after.since, before)
        return Answer([asdict(one) for one in found])

    def _figures(self, machines: Sequence[Machine]) -> dict[str, Any]:
        """Return the figures of those that run or are paused; 200 take some hundredths of a second."""
        denied = self._tools.network.way_out.rules.counters.denied()
        told: dict[str, Any] = {}
        for one in machines:
            if one.state in {MachineState.RUNNING, MachineState.PAUSED}:
                with suppress(Conflict, NotFound):
                    told[one.workspace_id] = protocol.usage_to_wire(figures(one, denied))
        return told

    async def _activity(self, parameters: dict[str, Any]) -> Answer:
        machine = self._look(parameters)
        return Answer(protocol.activity_to_wire(await self._in_thread(activity, machine)))

    async def _boot_log(self, parameters: dict[str, Any]) -> Answer:
        offset = int(protocol.number_from(parameters.get("offset"), "offset", 0, 1 << 53))
        return Answer(base64.b64encode(observing.log(self._look(parameters), offset)).decode())

    async def _log(self, _: dict[str, Any]) -> Answer:
        return Answer([*RECENT.lines()])

    async def _connect(self, parameters: dict[str, Any]) -> Answer:
        port = int(protocol.number_from(parameters.get("port"), "port", LOWEST_PORT, HIGHEST_PORT))
        _, run = self._live(parameters)
        connection = connect_sshd(run) if port == SSH_PORT else None
        return Answer(handed_over=connection or await connect_port(run, port))

    async def _connect_holder(self, parameters: dict[str, Any]) -> Answer:
        machine, run = self._live(parameters)
        return Answer(handed_over=connect_holder(run, machine.users))

    async def _listening(self, parameters: dict[str, Any]) -> Answer:
        machine, run = self._live(parameters)
        looker, turn = self._lookers.get(machine.workspace_id, (None, None))
        if looker is None or turn is None or looker.run is not run:
            looker, turn = self._lookers[machine.workspace_id] = Listening(run), asyncio.Lock()
        async with turn:
            found = await self._in_thread(looker.look)
        return Answer([protocol.listener_to_wire(one) for one in found])

    async def _shutdown(self, parameters: dict[str, Any]) -> Answer:
        if parameters.get("stop_machines") is True:
            grace = {"grace_seconds": 10.0}
            running = [machine for machine in self._fleet.all() if machine.run is not None]
            calls = [self._stop_machine(grace | {"workspace_id": machine.workspace_id}) for machine in running]
            await asyncio.gather(*calls)
        self._stop.set()
        return Answer()

    def _look(self, parameters: dict[str, Any]) -> Machine:
        """Return a machine to look at, which may be absent and is then not remembered."""
        workspace_id = _id(parameters)
        machine = self._fleet.find(workspace_id)
        if workspace_id not in self._locks:
            self._fleet.forget(workspace_id)
        return machine

    def _live(self, parameters: dict[str, Any]) -> tuple[Machine, Run]:
        """Return a machine that can be connected to; raises ``Conflict``."""
        machine = self._look(parameters)
        run, state = machine.run, machine.state
        if state is MachineState.PAUSED:
            raise Conflict("The workspace is paused; resume it first.", code="paused")
        if run is None or state not in {MachineState.RUNNING, MachineState.BOOTING}:
            raise Conflict(NOT_RUNNING, code="not_running")
        return machine, run

    @asynccontextmanager
    async def _changing(self, workspace_id: str, *, interrupting: bool = False) -> AsyncIterator[Machine]:
        """Hold the only right to change a machine; ``interrupting`` ends a boot that holds it."""
        lock = self._locks.setdefault(workspace_id, asyncio.Lock())
        if interrupting:
            self._fleet.find(workspace_id).given_up.set()
        async with lock:
            machine = self._fleet.find(workspace_id)
            if not self._tools.leaving.is_set():
                machine.given_up.clear()
            self._unwatch(workspace_id)
            try:
                yield machine
            finally:
                self._watch(machine)
                self._fleet.forget(workspace_id)

    def _watch(self, machine: Machine) -> None:
        """See to it that the end of a machine that nobody stopped is noted."""
        if machine.run is not None:
            watch = asyncio.create_task(self._settle_at_end(machine, machine.run))
            self._watches[machine.workspace_id] = watch

    def _unwatch(self, workspace_id: str) -> None:
        watch = self._watches.pop(workspace_id, None)
        if watch is not None and watch is not asyncio.current_task():
            watch.cancel()

    async def _settle_at_end(self, machine: Machine, run: Run) -> None:
        descriptor = run.watch()
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        async with self._changing(machine.workspace_id):
            await self._in_thread(machine.settle)

    async def _in_thread(self, function: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*arguments, **named))


def _id(parameters: dict[str, Any]) -> str:
    return protocol.workspace_id_from(parameters.get("workspace_id"))
