"""After any events in any order a workspace gets where it is wanted, or into ``error``, and can be deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

from nixos_workspaces.errors import BuildFailed, Conflict, InsufficientResources, RuntimeFailed, Unavailable
from nixos_workspaces.model.environment import Environment, Generation
from nixos_workspaces.model.machine import Address, MachineState, Observed, Resources
from nixos_workspaces.model.workspace import Desire, Status, Workspace
from nixos_workspaces.workspaces import lifecycle
from nixos_workspaces.workspaces.lifecycle import Done, Observation, Step, StepKind, Verb, Wait

GB = 1 << 30
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAULTS = (
    RuntimeFailed("failed"),
    Unavailable("silent"),
    BuildFailed("does not build"),
    InsufficientResources("full"),
)
REACHED = {
    Desire.RUNNING: {MachineState.RUNNING},
    Desire.PAUSED: {MachineState.PAUSED},
    Desire.STOPPED: {MachineState.STOPPED, MachineState.ABSENT},
}


class Life(RuleBasedStateMachine):
    """A workspace, its machine, and everything that may go wrong between them."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.stored = Workspace(
            id="ws-a",
            name="a",
            owner_id="ann",
            hostname="a",
            created_at=NOW,
            last_accessed=NOW,
            desire=Desire.RUNNING,
            resources=Resources(1.0, GB, GB),
            environment=Environment("minimal"),
        )
        self.machine = Observed("ws-a", MachineState.ABSENT)
        self.has_keys = False
        self.lost = False
        self.gone = False

    # -- what people do

    @rule(verb=st.sampled_from(Verb), number=st.integers(1, 3))
    def ask(self, verb: Verb, number: int) -> None:
        if self.gone:
            return
        try:
            wanted = lifecycle.asked(self.stored, verb)
        except Conflict:
            assert self.stored.status not in lifecycle.ALLOWED[verb] or self.stored.desire is Desire.DELETED
            return
        if verb is Verb.RESIZE:
            storage = max(self.stored.resources.storage_bytes, number * GB)
            wanted = replace(wanted, resources=Resources(float(number), number * GB, storage))
        if verb is Verb.REBUILD:
            packages = (f"p{number}",)
            wanted = replace(wanted, revision=wanted.revision + 1, environment=Environment("minimal", packages))
        self.store(wanted)

    # -- what the world does

    @rule(seconds=st.sampled_from([0, 1, 3, 70, -5, -100000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.machine.state in (MachineState.RUNNING, MachineState.PAUSED))
    @rule(reason=st.sampled_from(["", "PID 1 was killed"]))
    def dies(self, reason: str) -> None:
        self.machine = replace(self.machine, state=MachineState.STOPPED, address=None, exit_reason=reason)

    @precondition(lambda self: self.machine.state is MachineState.STOPPED and not self.lost)
    @rule()
    def volume_is_lost(self) -> None:
        self.machine = Observed("ws-a", MachineState.ABSENT)
        # One that was made just before a crash is not known yet. It was never started, so it may be made again.
        self.lost = self.stored.volume_bytes > 0

    # -- what the reconciler does

    def store(self, workspace: Workspace) -> None:
        """Keep a new value; only the transitions of the table may show."""
        before, after = self.stored.status, workspace.status
        assert after is before or after in lifecycle.TRANSITIONS[before], (before, after)
        self.stored = workspace

    def look(self) -> tuple[lifecycle.Decision, Workspace]:
        seen = Observation(self.machine, self.has_keys)
        fresh = lifecycle.seen_now(self.stored, seen, self.now)
        return lifecycle.next_step(fresh, seen, self.now), fresh

    @rule(
        fault=st.sampled_from([None, None, None, *FAULTS]),
        crash=st.sampled_from(["no", "no", "no", "before", "after"]),
        meanwhile=st.sampled_from([None, None, Verb.START, Verb.STOP, Verb.DELETE]),
    )
    def a_round(self, fault: Exception | None, crash: str, meanwhile: Verb | None) -> None:
        self.one_round(fault, crash, meanwhile)

    def one_round(self, fault: Exception | None = None, crash: str = "no", meanwhile: Verb | None = None) -> bool:
        """One round of the reconciler; True if nothing is left to do now."""
        if self.gone:
            return True
        decision, fresh = self.look()
        match decision:
            case Done(status) | Wait(_, status):
                progress = None if isinstance(decision, Done) else fresh.progress
                self.store(replace(fresh, status=status, progress=progress))
                return isinstance(decision, Done)
            case Step(kind):
                begun = lifecycle.begun(fresh, decision)
                self.store(begun)
        if crash == "before":
            return False
        built = None if fault else self.perform(kind, begun)
        if crash == "after" or self.gone:
            return False
        if isinstance(fault, RuntimeFailed | Unavailable | BuildFailed | InsufficientResources):
            after = lifecycle.failed(begun, kind, fault, self.now)
        else:
            after = lifecycle.succeeded(begun, kind, built)
        if meanwhile is not None:
            self.ask(meanwhile, 1)
        self.save_seen(after)
        return False

    def save_seen(self, after: Workspace) -> None:
        """Store as the database does: never what a verb wrote since, nor a status of an earlier intent."""
        current = self.stored
        same = current.intent == after.intent
        self.store(
            replace(
                after,
                desire=current.desire,
                resources=current.resources,
                environment=current.environment,
                intent=current.intent,
                revision=current.revision,
                restarts=current.restarts,
                status=after.status if same else current.status,
                progress=after.progress if same else current.progress,
            )
        )

    def perform(self, kind: StepKind, wanted: Workspace) -> Generation | None:  # noqa: C901  one case per kind
        """Do what the step does to the world."""
        state = self.machine.state
        match kind:
            case StepKind.BUILD | StepKind.SELECT:
                return Generation(wanted.revision, f"/{wanted.environment.packages}", wanted.environment, self.now)
            case StepKind.CREATE:
                assert state is MachineState.ABSENT
                assert not self.lost, "a lost volume was replaced by an empty one"
                self.has_keys = True
                self.machine = Observed("ws-a", MachineState.STOPPED, resources=wanted.resources)
            case StepKind.START:
                assert self.has_keys
                assert wanted.toplevel
                assert wanted.volume_bytes > 0, "the loss of a volume that is not known would go unnoticed"
                self.machine = Observed(
                    "ws-a",
                    MachineState.RUNNING,
                    toplevel=wanted.toplevel,
                    resources=wanted.resources,
                    address=Address("127.0.0.1", 1),
                    started_at=self.now,
                )
            case StepKind.STOP:
                self.machine = replace(self.machine, state=MachineState.STOPPED, address=None, exit_reason="")
            case StepKind.PAUSE:
                assert state is MachineState.RUNNING
                self.machine = replace(self.machine, state=MachineState.PAUSED)
            case StepKind.RESUME:
                assert state is MachineState.PAUSED
                self.machine = replace(self.machine, state=MachineState.RUNNING)
            case StepKind.RESIZE:
                held = self.machine.resources
                assert held is not None
                assert state is MachineState.STOPPED or held.storage_bytes == wanted.resources.storage_bytes
                self.machine = replace(self.machine, resources=wanted.resources)
            case StepKind.DESTROY_KEYS:
                assert wanted.desire is Desire.DELETED
                self.has_keys = False
            case StepKind.DELETE_MACHINE:
                assert not self.has_keys, "the machine went before its keys"
                self.machine = Observed("ws-a", MachineState.ABSENT)
            case StepKind.FORGET:
                assert state is MachineState.ABSENT
            case StepKind.DELETE_RECORD:
                assert state is MachineState.ABSENT
                assert not self.has_keys
                self.gone = True
        return None

    # -- what must hold

    @invariant()
    def looking_twice_changes_nothing(self) -> None:
        if self.gone:
            return
        seen = Observation(self.machine, self.has_keys)
        once = lifecycle.seen_now(self.stored, seen, self.now)
        assert lifecycle.seen_now(once, seen, self.now) == once

    @invariant()
    def an_error_says_why(self) -> None:
        if self.stored.status is Status.ERROR:
            assert self.stored.fault is not None

    @rule()
    def left_alone_it_settles(self) -> None:
        """Without further faults it reaches what is wanted, or an error that says why; a deletion always ends."""
        for _ in range(60):
            if self.gone or self.one_round():
                break
            self.now += timedelta(seconds=11)
        else:
            raise AssertionError(f"it never settles: {self.look()}")
        if self.stored.desire is Desire.DELETED:
            assert self.gone
        elif self.stored.status is not Status.ERROR:
            assert self.machine.state in REACHED[self.stored.desire]

    @rule()
    def asked_to_start_it_runs(self) -> None:
        """Start leaves every state, unless the volume is lost."""
        if self.gone or self.lost or self.stored.desire is Desire.DELETED:
            return
        self.ask(Verb.START, 1)
        self.left_alone_it_settles()
        assert self.stored.status is Status.RUNNING
        assert self.machine.state is MachineState.RUNNING

    @override
    def teardown(self) -> None:
        """Deletion ends from wherever this life has got to."""
        if not self.gone:
            self.ask(Verb.DELETE, 1)
        self.left_alone_it_settles()
        assert self.gone


Life.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLife = Life.TestCase
