"""The policy table says what is written here, for every action and every kind of person; and nothing has no row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from asyncssh.packet import Boolean, String, UInt32
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from policy_subjects import BOUND, OWNER, PEOPLE, PORT, SCOPED, TERMINAL, WORKSPACE
from starlette.routing import WebSocketRoute

from nixos_workspaces.auth.operations import CHANNELS, OPEN_OPERATIONS, OPERATIONS, SSH_ACTIONS
from nixos_workspaces.auth.policy import RULES, Action, Principal, Role, Scope, authorise, enter, knows, may, relation
from nixos_workspaces.cli.main import app as cli
from nixos_workspaces.errors import Forbidden, NotFound
from nixos_workspaces.events import Event
from nixos_workspaces.gateway import connections, relay
from nixos_workspaces.metering.watchers import Topic, Watcher
from nixos_workspaces.model.access.shares import Access, Grant, Part, PartKind, Recipient, Relation, read_part
from nixos_workspaces.model.terminals import Mode
from nixos_workspaces.web import app as web
from nixos_workspaces.web.routes.terminals.terminals import most_of

ALL = "owner editor group reader viewer guest typist watcher visitor auditor admin"
OWNERS, EDITORS = "owner admin", "owner editor group admin"
VIEWERS = "owner editor group reader viewer guest admin"
EXPECTED: dict[Action, str] = {
    Action.READ: ALL,
    Action.READ_USAGE: f"{VIEWERS} auditor",
    **dict.fromkeys(
        [Action.READ_LOGS, Action.READ_JOURNAL, Action.READ_PROGRAMS, Action.READ_NETWORK, Action.LIST_PORTS], VIEWERS
    ),
    **dict.fromkeys([Action.LIST_TERMINALS, Action.ARRANGE_TERMINALS], VIEWERS),
    Action.READ_FILES: "owner editor group reader admin",
    **dict.fromkeys([Action.START, Action.STOP, Action.RESTART, Action.PAUSE, Action.RESUME], EDITORS),
    **dict.fromkeys([Action.RESIZE, Action.REBUILD, Action.CLONE, Action.READ_REPOSITORIES], EDITORS),
    **dict.fromkeys([Action.CHANGE_AUTOSCALE, Action.BOOST], EDITORS),
    **dict.fromkeys([Action.CHANGE_IDLE, Action.HOLD, Action.CHANGE_SCHEDULE], EDITORS),
    **dict.fromkeys([Action.WRITE_FILES, Action.OPEN_TERMINAL, Action.CHANGE_TERMINAL, Action.OPEN_SSH], EDITORS),
    **dict.fromkeys([Action.PROPOSE_NETWORK, Action.OPEN_TUNNEL, Action.FORWARD_SSH], EDITORS),
    Action.READ_PORT: f"{VIEWERS} visitor",
    **dict.fromkeys((Action.REACH_TERMINALS, Action.WATCH_TERMINAL), f"{VIEWERS} typist watcher"),
    Action.USE_TERMINAL: f"{EDITORS} typist",
    Action.READ_RECORDINGS: EDITORS,
    **dict.fromkeys([Action.MODERATE_TERMINAL, Action.CHOOSE_TERMINALS, Action.DELETE_RECORDING], OWNERS),
    Action.OPEN_PORT: f"{EDITORS} visitor",
    **dict.fromkeys([Action.RENAME, Action.DELETE, Action.SHARE, Action.TRANSFER, Action.SHARE_PORT], OWNERS),
    **dict.fromkeys([Action.CHANGE_NETWORK, Action.LEARN_NETWORK, Action.APPROVE_NETWORK], OWNERS),
    **dict.fromkeys([Action.REJECT_NETWORK, Action.READ_WORKSPACE_SECRETS, Action.CHANGE_WORKSPACE_SECRETS], OWNERS),
    **dict.fromkeys([Action.READ_SSH_KEY, Action.DELIVER_PERSONAL_SECRETS], "owner"),
}
"""Who of ``PEOPLE`` may do what to a workspace; written by hand, to be compared with the table."""
PARTS: dict[Action, Part] = {
    Action.WATCH_TERMINAL: TERMINAL,
    Action.USE_TERMINAL: TERMINAL,
    Action.OPEN_PORT: PORT,
    Action.READ_PORT: PORT,
}
ROLES, ADMINS = frozenset(Role), frozenset({Role.ADMIN})
MEMBERS, PERSONS = frozenset({Role.ADMIN, Role.MEMBER}), ROLES - {Role.GUEST}
IN_SERVICE: dict[Action, frozenset[Role]] = {
    **dict.fromkeys([Action.READ_SESSION, Action.LIST, Action.JOIN], ROLES),
    **dict.fromkeys([Action.BROWSE, Action.READ_HEALTH, Action.READ_PROFILE], PERSONS),
    **dict.fromkeys([Action.READ_QUOTAS, Action.MANAGE_CREDENTIALS], PERSONS),
    **dict.fromkeys([Action.CREATE, Action.CHANGE_PROFILE, Action.SIGN_SSH_KEY], MEMBERS),
    **dict.fromkeys([Action.READ_TRANSFERS, Action.ACCEPT_TRANSFER, Action.REFUSE_TRANSFER], MEMBERS),
    **dict.fromkeys([Action.READ_SECRETS, Action.SET_SECRET, Action.DELETE_SECRET], MEMBERS),
    **dict.fromkeys([Action.READ_AUDIT, Action.READ_METRICS, Action.READ_PEOPLE], ROLES - {Role.GUEST, Role.MEMBER}),
    **dict.fromkeys([Action.MANAGE_PEOPLE, Action.COLLECT_GARBAGE, Action.READ_SUPPORT], ADMINS),
    Action.READ_COSTS: PERSONS,
    **dict.fromkeys([Action.SET_PRICES, Action.MANAGE_BUDGETS], ADMINS),
}
"""The roles that may do what concerns no workspace."""


def test_every_action_has_a_row_and_an_expectation() -> None:
    assert set(RULES) == set(Action) == {*EXPECTED, *IN_SERVICE}
    assert {one for one in Action if RULES[one].is_of_workspace} == set(EXPECTED)


@pytest.mark.parametrize("action", EXPECTED)
@pytest.mark.parametrize("who", PEOPLE)
def test_who_may_do_what_with_a_workspace(action: Action, who: str) -> None:
    """A stranger is told that there is none; who knows of it, that they may not."""
    principal, part = PEOPLE[who], PARTS.get(action)
    if who in EXPECTED[action].split():
        authorise(principal, action, WORKSPACE, part)
        assert enter(principal, action, WORKSPACE, part) == WORKSPACE.id
        return
    with pytest.raises(NotFound if who == "stranger" else Forbidden):
        authorise(principal, action, WORKSPACE, part)


@pytest.mark.parametrize("action", IN_SERVICE)
@pytest.mark.parametrize("role", Role)
def test_who_may_do_what_in_the_service(action: Action, role: Role) -> None:
    principal = Principal("ann", "ann", role)
    if role in IN_SERVICE[action]:
        authorise(principal, action)
        return
    with pytest.raises(Forbidden):
        authorise(principal, action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("who", SCOPED)
def test_a_scope_takes_away_and_never_gives(action: Action, who: str) -> None:
    """A credential may do what its scope says and its user may."""
    principal = SCOPED[who]
    held = next(iter(principal.scopes or ()))
    needed, workspace = RULES[action].scope, WORKSPACE if RULES[action].is_of_workspace else None
    contained = {
        Scope.ADMIN: set(Scope),
        Scope.WORKSPACES_WRITE: {Scope.WORKSPACES_READ, Scope.WORKSPACES_WRITE},
        Scope.FILES_WRITE: {Scope.FILES_READ, Scope.FILES_WRITE},
    }
    may_otherwise = _may(OWNER, action, workspace is not None)
    expected = may_otherwise and (needed is None or needed in contained.get(held, {held}))
    assert _may(principal, action, workspace is not None) is expected


def _may(principal: Principal, action: Action, is_of_workspace: bool) -> bool:  # noqa: FBT001
    try:
        authorise(principal, action, WORKSPACE if is_of_workspace else None)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize("action", EXPECTED)
def test_a_credential_of_certain_workspaces_knows_no_other(action: Action) -> None:
    """Not even an administrator's."""
    assert may(BOUND["owner of only this"], action, WORKSPACE) is may(OWNER, action, WORKSPACE)
    for who in ("owner of only another", "admin of only another"):
        with pytest.raises(NotFound):
            authorise(BOUND[who], action, WORKSPACE)


@pytest.mark.parametrize("action", [Action.CREATE, Action.MANAGE_CREDENTIALS, Action.SET_SECRET, Action.JOIN])
def test_a_credential_of_certain_workspaces_makes_nothing_beyond_them(action: Action) -> None:
    """No token, no secret for all workspaces, no other workspace."""
    with pytest.raises(Forbidden) as refused:
        authorise(BOUND["owner of only this"], action)
    assert refused.value.code == "beyond_credential"


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("owner", Relation.OWNER),
        ("group", Relation.EDITOR),
        ("reader", Relation.READER),
        ("guest", Relation.VIEWER),
        ("visitor", Relation.VISITOR),
        ("admin", Relation.NONE),
        ("stranger", Relation.NONE),
    ],
)
def test_relations(who: str, expected: Relation) -> None:
    assert relation(PEOPLE[who], WORKSPACE) is expected


def test_a_part_is_that_part_alone() -> None:
    other = Part(PartKind.TERMINAL, "t-2")
    assert not may(PEOPLE["typist"], Action.USE_TERMINAL, WORKSPACE, other)
    assert not may(PEOPLE["watcher"], Action.WATCH_TERMINAL, WORKSPACE, other)
    assert not may(PEOPLE["visitor"], Action.OPEN_PORT, WORKSPACE, Part(PartKind.PORT, "3001"))
    assert may(PEOPLE["editor"], Action.USE_TERMINAL, WORKSPACE, other)


_grants = st.lists(
    st.builds(
        Grant,
        st.sampled_from(Recipient),
        st.sampled_from(["ann", "bob", "grp-1", "grp-2", ""]),
        st.sampled_from(Access),
        st.sampled_from([None, TERMINAL, PORT]),
        st.booleans(),
    ),
    max_size=4,
)
_principals = st.builds(
    Principal,
    st.sampled_from(["ann", "grp-1", "owner"]),
    st.just("ann"),
    st.sampled_from([Role.MEMBER, Role.GUEST]),
    st.frozensets(st.sampled_from(["grp-1", "grp-2", "ann"])),
    st.none() | st.frozensets(st.sampled_from(Scope)),
    st.none() | st.frozensets(st.sampled_from([WORKSPACE.id, "ws-000000000002"])),
)


@given(_principals, _grants, st.sampled_from(sorted(EXPECTED)), st.sampled_from([None, TERMINAL, PORT]))
def test_nobody_may_what_no_share_says(
    principal: Principal, grants: list[Grant], action: Action, part: Part | None
) -> None:
    """Who neither owns it nor has a share, in person or by a group of theirs, does not know of it."""
    workspace = replace(WORKSPACE, grants=tuple(grants))
    mine = [
        one
        for one in grants
        if (one.recipient in {Recipient.USER, Recipient.GUEST} and one.subject == principal.id)
        or (one.recipient is Recipient.GROUP and one.subject in principal.groups)
    ]
    reaches = principal.workspaces is None or workspace.id in principal.workspaces
    assert knows(principal, workspace) is (reaches and (principal.id == "owner" or bool(mine)))
    if may(principal, action, workspace, part):
        assert knows(principal, workspace)
        # Taking away a scope's bounds, or adding a share, takes nothing away.
        assert may(replace(principal, scopes=None), action, workspace, part)
        more = replace(workspace, grants=(*grants, Grant(Recipient.GROUP, "grp-9", Access.VIEWER)))
        assert may(principal, action, more, part)


@pytest.mark.parametrize(
    "text", ["terminal:", "port:0", "port:70000", "port:03", "port:٣", "x:1", "terminal:a b", ":", "port:1\n"]
)
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_part(text)


# ---- nothing without a row


@pytest.fixture(scope="module")
def routes() -> list[APIRoute | WebSocketRoute]:
    made = FastAPI()
    for router in web._ROUTERS:
        made.include_router(router)
    found = [*made.routes]
    for one in found:
        # Included routers are made when they are first asked for.
        one.matches({"type": "http", "method": "GET", "path": "", "root_path": "", "headers": []})
    return [one for router in web._ROUTERS for one in router.routes if isinstance(one, APIRoute | WebSocketRoute)]


def test_every_operation_has_a_row(routes: list[APIRoute | WebSocketRoute]) -> None:
    """Every request below /api and every WebSocket; and no row is of nothing."""
    named = {one.name for one in routes if one.path.startswith(("/api/", "/ws/"))}
    assert named - OPEN_OPERATIONS == set(OPERATIONS)
    sockets = {one.name for one in routes if isinstance(one, WebSocketRoute)}
    assert sockets == {"events", "terminal", "tunnel"}


@pytest.mark.parametrize("who", PEOPLE)
def test_what_is_found_inside_is_told_to_who_may_look_inside(who: str) -> None:
    """An auditor reads figures; the ports and the number of terminals are no figures."""
    watcher = Watcher(PEOPLE[who], lambda *_: None)
    watcher.want(Topic.USAGE, frozenset({WORKSPACE.id}))
    for kind in ("workspace.usage", "workspace.open"):
        watcher.offer(Topic.USAGE, WORKSPACE, Event(kind, WORKSPACE.id, {}))
    told = {one.kind for one in watcher._pending.values()}
    reads, looks = (who in EXPECTED[one].split() for one in (Action.READ_USAGE, Action.LIST_PORTS))
    assert told == {kind for kind, may_be in (("workspace.usage", reads), ("workspace.open", looks)) if may_be}


@pytest.mark.parametrize("who", [one for one in PEOPLE if one in EXPECTED[Action.WATCH_TERMINAL].split()])
def test_a_terminal_is_moderated_by_owners_and_typed_in_by_who_may(who: str) -> None:
    most = most_of(PEOPLE[who], WORKSPACE, TERMINAL)
    assert (most is Mode.MODERATOR) == (who in EXPECTED[Action.MODERATE_TERMINAL].split())
    assert (most is Mode.OBSERVER) == (who not in EXPECTED[Action.USE_TERMINAL].split())


def test_every_channel_of_ssh_has_a_row() -> None:
    """Those that decide nothing are named here."""
    neutral = {
        *(b"session", b"env", b"window-change", b"xon-xoff", b"signal", b"break", b"subsystem"),
        *(b"eow@openssh.com", b"keepalive@openssh.com"),
    }
    carried = {
        *(*relay.FROM_CLIENT, *relay.FROM_WORKSPACE, *relay._REQUESTS, *relay._SUBSYSTEMS),
        *connections._FORWARDING,
    }
    assert carried - neutral == set(CHANNELS)
    assert set(CHANNELS.values()) == set(SSH_ACTIONS)


SSH_EXPECTED = {
    **dict.fromkeys([b"shell", b"exec", b"pty-req", b"direct-streamlocal@openssh.com"], "terminals:attach"),
    **dict.fromkeys([b"auth-agent-req@openssh.com", b"auth-agent@openssh.com"], "terminals:attach"),
    b"sftp": "files:write",
    **dict.fromkeys([b"direct-tcpip", b"tcpip-forward", b"cancel-tcpip-forward", b"forwarded-tcpip"], "network"),
    **dict.fromkeys([b"streamlocal-forward@openssh.com", b"cancel-streamlocal-forward@openssh.com"], "network"),
    b"forwarded-streamlocal@openssh.com": "network",
}
"""The scope that each channel, request and subsystem of SSH needs, by hand; those who edit have all of them."""


@pytest.mark.parametrize("kind", CHANNELS)
def test_a_channel_of_ssh_passes_for_who_may_have_it(kind: bytes) -> None:
    """By the function that the gateway asks for each, for every subject, and every scope of the owner's."""
    wanted = SSH_EXPECTED[kind]
    subjects = {**PEOPLE, **SCOPED, **BOUND}
    expected = {*EDITORS.split(), f"owner with {wanted}", "owner with admin", "owner of only this"}
    source: Any = SimpleNamespace(_channels={})
    passing = set()
    for who, principal in subjects.items():
        actions = frozenset(one for one in SSH_ACTIONS if may(principal, one, WORKSPACE))
        if kind in relay._SUBSYSTEMS:
            request = String(b"subsystem") + Boolean(value=True) + String(kind)
            passes = relay.filtered_request(request, actions) == request
        elif kind in relay._REQUESTS:
            request = String(kind) + Boolean(value=True)
            passes = relay.filtered_request(request, actions) == request
        elif kind in connections._FORWARDING:
            passes = CHANNELS[kind] in actions
        else:
            allowed = relay.FROM_CLIENT | relay.FROM_WORKSPACE
            rest = String(b"localhost") + UInt32(80) + String(b"127.0.0.1") + UInt32(1)
            passes = relay._refusal(source, kind, rest, allowed, actions) is None
        if passes:
            passing.add(who)
    assert passing == expected


LOCAL = frozenset({"up", "serve", "node", "login-link", "doctor"})
"""Verbs that act on this computer's data directory, or only look, and do not go through the API."""
_CONNECT = "get_tunnel_access tunnel get_ssh_key"
_LISTS = "list_workspaces get_workspace"
VERBS: dict[str, str] = {
    "admit": "list_shares admit_guest",
    "advise": "list_workspaces get_workspace get_advice apply_advice",
    "audit checkpoint": "get_audit_checkpoint",
    "audit export": "export_audit",
    "audit proof": "get_audit_checkpoint prove_audit_entry get_audit_entry",
    "audit tail": "list_audit_entries",
    "audit verify": "get_audit_checkpoint prove_audit_consistency",
    "autoscale": "get_workspace get_autoscale put_autoscale delete_autoscale",
    "boost": "get_workspace boost_workspace end_boost",
    "cat": "download_file",
    "code": f"{_CONNECT} add_ssh_key",
    "collect-garbage": "collect_garbage",
    "config-ssh": f"{_LISTS} add_ssh_key list_ssh_keys remove_ssh_key",
    "cp": "download_file write_file list_files begin_upload upload_progress continue_upload abandon_upload",
    "create": "create_workspace get_workspace get_logs estimate_costs",
    "delete": "delete_workspace get_workspace",
    "diff": "get_workspace list_generations compare_generations",
    "dotfiles": "get_profile put_profile apply_dotfiles",
    "edit": "download_file write_file",
    "find": "list_file_names",
    "forward": _CONNECT,
    "generations": "list_generations",
    "git": "list_repositories clone_repository",
    "grep": "search_files",
    "hold": "hold_workspace release_workspace",
    "idle": "get_idle put_idle reset_idle",
    "join": "join_share",
    "leave": "leave_workspace",
    "list": "list_workspaces",
    "logs": "get_logs get_journal",
    "ls": "list_files",
    "network": "get_network put_network list_denied list_network_proposals propose_network approve_network_proposal "
    "reject_network_proposal learn_network finish_learning cancel_learning",
    "metrics": "get_workspace get_metrics list_programs",
    "open": "get_port open_preview",
    "packages search": "search_packages",
    "pause": "pause_workspace",
    "ports": "list_ports",
    "rebuild": "rebuild_workspace plan_change",
    "recordings choose": "get_terminal_choices put_terminal_choices",
    "recordings get": "get_recording_cast",
    "recordings list": "list_recordings",
    "recordings remove": "delete_recording",
    "recordings typed": "get_recording_typed",
    "rename": "change_workspace",
    "resize": "change_workspace plan_change",
    "restart": "restart_workspace",
    "resume": "resume_workspace",
    "rm": "delete_file",
    "schedule": "get_schedule put_schedule",
    "secret list": "list_secrets list_workspace_secrets",
    "secret rm": "delete_secret delete_workspace_secret",
    "secret set": "put_secret put_workspace_secret",
    "share": "add_share list_terminals",
    "share-port": "put_port",
    "shares": "list_shares",
    "show": "get_workspace",
    "ssh": _CONNECT,
    "ssh-key add": "add_ssh_key",
    "ssh-key certify": "sign_ssh_key",
    "ssh-key list": "list_ssh_keys",
    "ssh-key remove": "list_ssh_keys remove_ssh_key",
    "start": "start_workspace",
    "stop": "stop_workspace",
    "sync": "list_files download_file write_file",
    "templates": "list_templates",
    "terminal attach": "get_terminal_access open_terminal terminal",
    "terminal kill": "list_terminals close_terminal",
    "terminal list": "list_terminals",
    "transfer": "transfer_workspace",
    "transfers accept": "list_transfers accept_transfer",
    "transfers deliver-secrets": "put_personal_secrets",
    "transfers list": "list_transfers",
    "transfers refuse": "list_transfers refuse_transfer",
    "transfers withdraw": "withdraw_transfer",
    "unshare": "list_shares remove_share",
    "login": "begin_device_login claim_device_token",
    "logout": "logout",
    "token create": "create_token",
    "token list": "list_tokens",
    "token revoke": "revoke_token",
    "session list": "list_sessions",
    "session end": "end_session end_other_sessions",
    "user list": "list_users",
    "support": "support_bundle",
    "why": "explain_workspace get_workspace",
    "user create": "create_user",
    "user link": "invite_user",
    "user set": "change_user",
    "user suspend": "change_user",
    "user activate": "change_user",
    "group list": "list_groups",
    "group create": "create_group",
    "group delete": "remove_group",
    "group add": "join_group",
    "group remove": "leave_group",
    "quota list": "list_quotas",
    "usage show": "get_costs",
    "usage verify": "verify_usage",
    "costs": "get_costs export_costs",
    "budget list": "list_budgets",
    "budget set": "put_budget",
    "budget remove": "delete_budget",
    "prices show": "get_prices",
    "prices set": "put_prices",
    "quota set": "set_user_quota set_group_quota",
    "quota show": "get_own_quotas",
}
"""The operations that each verb of the command line asks for; what they may do is theirs."""


def verbs(command: object, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every verb of the command line, with those of its groups."""
    inner: dict[str, object] = getattr(command, "commands", {})
    for name, one in inner.items():
        yield from verbs(one, (*path, name))
    if not inner:
        yield " ".join(path)


def test_every_verb_of_the_command_line_has_its_operations() -> None:
    found = set(verbs(typer.main.get_command(cli)))
    assert found - LOCAL == set(VERBS)
    assert {one for several in VERBS.values() for one in several.split()} <= {*OPERATIONS, *OPEN_OPERATIONS}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_does_what_is_asked_of_every_subject(verb: str) -> None:
    """Each of its operations does an action that is compared above for every subject, and by requests in the matrix."""
    for operation in VERBS[verb].split():
        assert operation in OPEN_OPERATIONS or OPERATIONS[operation] in {*EXPECTED, *IN_SERVICE}, operation
