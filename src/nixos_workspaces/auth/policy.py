"""The one point of authorisation: a principal, an action, a workspace.

Everything that reads or changes a workspace asks ``authorise``, below the web layer, so that HTTP, WebSocket, SSH and
command line cannot differ. ``RULES`` has a row for each action and decides alone (decision 45); which requests and
channels do which action stands in ``auth.operations``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from typing_extensions import override

from nixos_workspaces.errors import Forbidden, NotFound
from nixos_workspaces.model.access.shares import Access, Grant, Part, PartKind, Recipient
from nixos_workspaces.model.access.shares import Relation as Relation  # noqa: PLC0414  others find it here
from nixos_workspaces.model.workspace import AuthorisedId, Workspace


class Role(StrEnum):
    """A principal's role in the whole service."""

    ADMIN = "admin"
    """Administers the service and everybody's workspaces."""
    MEMBER = "member"
    """Has workspaces of their own; older databases say ``user``."""
    AUDITOR = "auditor"
    """Reads everybody's audit and usage, and no content."""
    GUEST = "guest"
    """Came by a link and has no account: reaches what was shared with them and nothing else."""

    @classmethod
    @override
    def _missing_(cls, value: object) -> Role | None:
        return cls.MEMBER if value == "user" else None


class Scope(StrEnum):
    """A part of what a person may do, for tokens that may do less."""

    WORKSPACES_READ = "workspaces:read"
    WORKSPACES_WRITE = "workspaces:write"
    TERMINALS_ATTACH = "terminals:attach"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    NETWORK = "network"
    SECRETS = "secrets"
    AUDIT_READ = "audit:read"
    METRICS_READ = "metrics:read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, and what they came with."""

    id: str
    """Stable, of the user; ``admin`` is the first administrator's. In ``Workspace.owner_id`` and in audit entries."""
    name: str
    """The user's handle."""
    role: Role = Role.MEMBER
    groups: frozenset[str] = frozenset()
    """Ids of the groups that the user is in."""
    scopes: frozenset[Scope] | None = None
    """The credential may do no more than this; None: all that the user may do."""
    workspaces: frozenset[str] | None = None
    """The credential reaches only the workspaces of these ids; None: all that the user reaches."""
    actor: tuple[str, ...] = field(default=(), compare=False)
    """How they came, for the audit: ids of token, session, share."""


ADMIN = Principal("admin", "admin", Role.ADMIN)
"""The principal with access to the data directory: owner of the tokens that ``nixws token create`` makes."""

BY_ITSELF = Principal("system", "system", Role.ADMIN)
"""The principal of what the service does by itself; no credential makes it."""


class Action(StrEnum):
    """An action that needs authorisation; audit entries carry its value."""

    # Of workspaces.
    READ = "read"
    READ_USAGE = "read-usage"
    READ_LOGS = "read-logs"
    READ_JOURNAL = "read-journal"
    READ_PROGRAMS = "read-programs"
    READ_NETWORK = "read-network"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    PAUSE = "pause"
    RESUME = "resume"
    CHANGE_IDLE = "change-idle"
    HOLD = "hold"
    CHANGE_SCHEDULE = "change-schedule"
    RESIZE = "resize"
    REBUILD = "rebuild"
    READ_REPOSITORIES = "read-repositories"
    CLONE = "clone"
    CHANGE_AUTOSCALE = "change-autoscale"
    BOOST = "boost"
    RENAME = "rename"
    DELETE = "delete"
    SHARE = "share"
    TRANSFER = "transfer"
    DELIVER_PERSONAL_SECRETS = "deliver-personal-secrets"
    READ_SSH_KEY = "read-ssh-key"
    CHANGE_NETWORK = "change-network"
    LEARN_NETWORK = "learn-network"
    PROPOSE_NETWORK = "propose-network"
    APPROVE_NETWORK = "approve-network"
    REJECT_NETWORK = "reject-network"
    READ_WORKSPACE_SECRETS = "read-workspace-secrets"
    CHANGE_WORKSPACE_SECRETS = "change-workspace-secrets"
    LIST_TERMINALS = "list-terminals"
    REACH_TERMINALS = "reach-terminals"
    WATCH_TERMINAL = "watch-terminal"
    USE_TERMINAL = "use-terminal"
    OPEN_TERMINAL = "open-terminal"
    CHANGE_TERMINAL = "change-terminal"
    ARRANGE_TERMINALS = "arrange-terminals"
    MODERATE_TERMINAL = "moderate-terminal"
    CHOOSE_TERMINALS = "choose-terminals"
    READ_RECORDINGS = "read-recordings"
    DELETE_RECORDING = "delete-recording"
    READ_FILES = "read-files"
    WRITE_FILES = "write-files"
    LIST_PORTS = "list-ports"
    READ_PORT = "read-port"
    OPEN_PORT = "open-port"
    SHARE_PORT = "share-port"
    OPEN_TUNNEL = "open-tunnel"
    OPEN_SSH = "open-ssh"
    FORWARD_SSH = "forward-ssh"
    # Of the service.
    READ_SESSION = "read-session"
    LIST = "list"
    CREATE = "create"
    JOIN = "join"
    READ_TRANSFERS = "read-transfers"
    ACCEPT_TRANSFER = "accept-transfer"
    REFUSE_TRANSFER = "refuse-transfer"
    BROWSE = "browse"
    READ_HEALTH = "read-health"
    READ_SECRETS = "read-secrets"
    SET_SECRET = "set-secret"  # noqa: S105 - the name of an action
    DELETE_SECRET = "delete-secret"  # noqa: S105
    READ_PROFILE = "read-profile"
    CHANGE_PROFILE = "change-profile"
    SIGN_SSH_KEY = "sign-ssh-key"
    MANAGE_CREDENTIALS = "manage-credentials"
    READ_QUOTAS = "read-quotas"
    READ_PEOPLE = "read-people"
    MANAGE_PEOPLE = "manage-people"
    READ_AUDIT = "read-audit"
    READ_METRICS = "read-metrics"
    COLLECT_GARBAGE = "collect-garbage"
    READ_COSTS = "read-costs"
    SET_PRICES = "set-prices"
    MANAGE_BUDGETS = "manage-budgets"
    READ_SUPPORT = "read-support"


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the policy: those who may do an action, and the scope that a restricted credential needs for it."""

    scope: Scope | None
    """None: every credential has it."""
    relations: frozenset[Relation]
    """Empty for an action of the service."""
    roles: frozenset[Role]
    """Roles that may do it to every workspace, or, without ``relations``, in the service."""

    @property
    def is_of_workspace(self) -> bool:
        """Whether the action is done to a workspace."""
        return bool(self.relations)


def _rows(
    scope: Scope | None, relations: Iterable[Relation], roles: Iterable[Role], *actions: Action
) -> dict[Action, Rule]:
    """Return the same rule for several actions."""
    return dict.fromkeys(actions, Rule(scope, frozenset(relations), frozenset(roles)))


_OWNER = (Relation.OWNER,)
_EDITOR = (*_OWNER, Relation.EDITOR)
_READER = (*_EDITOR, Relation.READER)
_VIEWER = (*_READER, Relation.VIEWER)
_TYPIST = (*_EDITOR, Relation.TYPIST)
_WATCHER = (*_VIEWER, Relation.TYPIST, Relation.WATCHER)
_VISITOR = (*_EDITOR, Relation.VISITOR)
_EVERY = tuple(one for one in Relation if one is not Relation.NONE)
_SERVICE: tuple[Relation, ...] = ()
_ADMIN = (Role.ADMIN,)
_AUDITOR = (Role.ADMIN, Role.AUDITOR)
_MEMBER = (Role.ADMIN, Role.MEMBER)
_PERSON = (Role.ADMIN, Role.MEMBER, Role.AUDITOR)
_ALL = tuple(Role)

RULES: Mapping[Action, Rule] = MappingProxyType(
    _rows(Scope.WORKSPACES_READ, _EVERY, _AUDITOR, Action.READ)
    | _rows(Scope.WORKSPACES_READ, _VIEWER, _AUDITOR, Action.READ_USAGE)
    | _rows(
        *(Scope.WORKSPACES_READ, _VIEWER, _ADMIN),
        *(Action.READ_LOGS, Action.READ_JOURNAL, Action.READ_PROGRAMS, Action.LIST_PORTS),
    )
    | _rows(Scope.NETWORK, _VIEWER, _ADMIN, Action.READ_NETWORK)
    | _rows(Scope.WORKSPACES_READ, _EDITOR, _ADMIN, Action.READ_REPOSITORIES)
    | _rows(
        *(Scope.WORKSPACES_WRITE, _EDITOR, _ADMIN),
        *(Action.START, Action.STOP, Action.RESTART, Action.PAUSE, Action.RESUME),
        *(Action.RESIZE, Action.REBUILD, Action.CLONE, Action.CHANGE_AUTOSCALE, Action.BOOST),
        *(Action.CHANGE_IDLE, Action.HOLD, Action.CHANGE_SCHEDULE),
    )
    | _rows(
        *(Scope.WORKSPACES_WRITE, _OWNER, _ADMIN),
        *(Action.RENAME, Action.DELETE, Action.SHARE, Action.TRANSFER),
    )
    | _rows(Scope.SECRETS, _OWNER, (), Action.READ_SSH_KEY, Action.DELIVER_PERSONAL_SECRETS)
    | _rows(Scope.SECRETS, _OWNER, _ADMIN, Action.READ_WORKSPACE_SECRETS, Action.CHANGE_WORKSPACE_SECRETS)
    | _rows(Scope.NETWORK, _EDITOR, _ADMIN, Action.PROPOSE_NETWORK, Action.OPEN_TUNNEL, Action.FORWARD_SSH)
    | _rows(Scope.WORKSPACES_READ, (*_VIEWER, Relation.VISITOR), _ADMIN, Action.READ_PORT)
    | _rows(Scope.NETWORK, _VISITOR, _ADMIN, Action.OPEN_PORT)
    | _rows(
        *(Scope.NETWORK, _OWNER, _ADMIN, Action.SHARE_PORT, Action.CHANGE_NETWORK, Action.LEARN_NETWORK),
        *(Action.APPROVE_NETWORK, Action.REJECT_NETWORK),
    )
    | _rows(Scope.TERMINALS_ATTACH, _VIEWER, _ADMIN, Action.LIST_TERMINALS, Action.ARRANGE_TERMINALS)
    | _rows(Scope.TERMINALS_ATTACH, _WATCHER, _ADMIN, Action.REACH_TERMINALS, Action.WATCH_TERMINAL)
    | _rows(Scope.TERMINALS_ATTACH, _TYPIST, _ADMIN, Action.USE_TERMINAL)
    | _rows(
        *(Scope.TERMINALS_ATTACH, _EDITOR, _ADMIN, Action.OPEN_TERMINAL, Action.CHANGE_TERMINAL, Action.OPEN_SSH),
        Action.READ_RECORDINGS,
    )
    | _rows(Scope.TERMINALS_ATTACH, _OWNER, _ADMIN, Action.MODERATE_TERMINAL)
    | _rows(Scope.WORKSPACES_WRITE, _OWNER, _ADMIN, Action.CHOOSE_TERMINALS, Action.DELETE_RECORDING)
    | _rows(Scope.FILES_READ, _READER, _ADMIN, Action.READ_FILES)
    | _rows(Scope.FILES_WRITE, _EDITOR, _ADMIN, Action.WRITE_FILES)
    | _rows(None, _SERVICE, _ALL, Action.READ_SESSION)
    | _rows(Scope.WORKSPACES_READ, _SERVICE, _ALL, Action.LIST)
    | _rows(Scope.WORKSPACES_WRITE, _SERVICE, _ALL, Action.JOIN)
    | _rows(
        *(Scope.WORKSPACES_READ, _SERVICE, _PERSON, Action.BROWSE, Action.READ_HEALTH, Action.READ_PROFILE),
        *(Action.READ_QUOTAS, Action.READ_COSTS),
    )
    | _rows(Scope.WORKSPACES_READ, _SERVICE, _MEMBER, Action.READ_TRANSFERS)
    | _rows(
        *(Scope.WORKSPACES_WRITE, _SERVICE, _MEMBER, Action.CREATE, Action.CHANGE_PROFILE),
        *(Action.ACCEPT_TRANSFER, Action.REFUSE_TRANSFER),
    )
    | _rows(Scope.SECRETS, _SERVICE, _MEMBER, Action.READ_SECRETS, Action.SET_SECRET, Action.DELETE_SECRET)
    | _rows(Scope.TERMINALS_ATTACH, _SERVICE, _MEMBER, Action.SIGN_SSH_KEY)
    | _rows(Scope.ADMIN, _SERVICE, _PERSON, Action.MANAGE_CREDENTIALS)
    | _rows(Scope.AUDIT_READ, _SERVICE, _AUDITOR, Action.READ_AUDIT)
    | _rows(Scope.METRICS_READ, _SERVICE, _AUDITOR, Action.READ_METRICS)
    | _rows(Scope.ADMIN, _SERVICE, _AUDITOR, Action.READ_PEOPLE)
    | _rows(Scope.ADMIN, _SERVICE, _ADMIN, Action.MANAGE_PEOPLE, Action.COLLECT_GARBAGE, Action.READ_SUPPORT)
    | _rows(Scope.ADMIN, _SERVICE, _ADMIN, Action.SET_PRICES, Action.MANAGE_BUDGETS)
)
"""The policy: a row for every action."""

_WITHIN: Mapping[Scope, frozenset[Scope]] = {
    Scope.ADMIN: frozenset(Scope),
    Scope.WORKSPACES_WRITE: frozenset({Scope.WORKSPACES_READ}),
    Scope.FILES_WRITE: frozenset({Scope.FILES_READ}),
}
"""The scopes that another one contains."""


_OWNED = frozenset({Relation.OWNER})
_STRENGTH = {one: place for place, one in enumerate(Relation)}
"""Smaller for stronger relations."""


def not_found(reference: str) -> NotFound:
    """Return the error for a workspace that does not exist, or that the principal may not know of."""
    return NotFound(f"There is no workspace {reference!r}.", code="workspace_not_found", field="workspace_id")


def relations(principal: Principal, workspace: Workspace, part: Part | None = None) -> frozenset[Relation]:
    """Return every relation that a principal has to a workspace, as it was read; empty for a stranger.

    With a ``part``, shares of other parts do not count.
    """
    if principal.workspaces is not None and workspace.id not in principal.workspaces:
        return frozenset()
    if principal.id == workspace.owner_id:
        return _OWNED
    return frozenset(
        _granted(one)
        for one in workspace.grants
        if _is_for(one, principal) and (part is None or one.part in {None, part})
    )


def relation(principal: Principal, workspace: Workspace) -> Relation:
    """Return the strongest relation of a principal to a workspace."""
    if not workspace.grants and principal.id != workspace.owner_id:
        return Relation.NONE  # most of what an administrator's list shows
    return min(relations(principal, workspace), key=_STRENGTH.__getitem__, default=Relation.NONE)


def _is_for(grant: Grant, principal: Principal) -> bool:
    match grant.recipient:
        case Recipient.GROUP:
            return grant.subject in principal.groups
        case Recipient.USER | Recipient.GUEST:
            return grant.subject == principal.id
        case Recipient.LINK:
            return False


def _granted(grant: Grant) -> Relation:
    """Return the relation that a share makes."""
    edits = grant.access is Access.EDITOR
    if grant.part is None:
        return Relation.EDITOR if edits else Relation.READER if grant.files else Relation.VIEWER
    if grant.part.kind is PartKind.PORT:
        return Relation.VISITOR
    return Relation.TYPIST if edits else Relation.WATCHER


def knows(principal: Principal, workspace: Workspace) -> bool:
    """Tell whether a principal may know that a workspace exists."""
    if principal.workspaces is not None and workspace.id not in principal.workspaces:
        return False
    return principal.role in RULES[Action.READ].roles or bool(relations(principal, workspace))


def permit(principal: Principal, action: Action) -> None:
    """Return if a principal may do an action at all: by the credential's scopes, and by the role where that decides.

    Raises ``Forbidden``, with code ``beyond_credential`` where another credential of the same person might.
    """
    rule = RULES[action]
    if not _is_in_scope(principal, rule.scope):
        raise Forbidden(
            f"This needs the scope {rule.scope}, which the credential does not have: use another one.",
            code="beyond_credential",
        )
    if rule.is_of_workspace:
        return
    if principal.role not in rule.roles:
        raise Forbidden("Your role does not allow this; ask an administrator.")
    if principal.workspaces is not None and action in _BEYOND_ONE:
        raise Forbidden(
            "The credential is for certain workspaces only, and this is about others: use another one.",
            code="beyond_credential",
        )


def _is_in_scope(principal: Principal, scope: Scope | None) -> bool:
    held = principal.scopes
    return held is None or scope is None or any(scope is one or scope in _WITHIN.get(one, ()) for one in held)


_BEYOND_ONE = frozenset(
    {
        *(Action.CREATE, Action.CHANGE_PROFILE, Action.SET_SECRET, Action.DELETE_SECRET, Action.JOIN),
        *(Action.MANAGE_CREDENTIALS, Action.MANAGE_PEOPLE, Action.READ_PEOPLE, Action.READ_AUDIT),
        *(Action.SET_PRICES, Action.MANAGE_BUDGETS, Action.READ_SUPPORT, Action.COLLECT_GARBAGE),
        *(Action.READ_TRANSFERS, Action.ACCEPT_TRANSFER, Action.REFUSE_TRANSFER),
    }
)
"""Actions that reach further than the workspaces that a credential is restricted to."""


def authorise(
    principal: Principal, action: Action, workspace: Workspace | None = None, part: Part | None = None
) -> None:
    """Return if ``principal`` may do ``action``, to ``workspace``, and to a ``part`` of it, where the action has one.

    Raises ``NotFound`` where the principal may not even know that the workspace exists, ``Forbidden`` where they may
    see it but not do this.
    """
    rule = RULES[action]
    if workspace is None:
        assert not rule.is_of_workspace, f"{action} is done to a workspace"
    elif not knows(principal, workspace):
        raise not_found(workspace.id)
    permit(principal, action)
    if workspace is None or principal.role in rule.roles or rule.relations & relations(principal, workspace, part):
        return
    raise Forbidden(_why_not(action))


def _why_not(action: Action) -> str:
    if action is Action.READ_SSH_KEY:
        return "Only its owner may read a workspace's private key."
    if RULES[action].relations == frozenset(_OWNER):
        return "Only the workspace's owner may do this."
    return "The workspace is not shared with you for this; ask its owner."


def may(principal: Principal, action: Action, workspace: Workspace, part: Part | None = None) -> bool:
    """Tell whether ``authorise`` lets this be done."""
    try:
        authorise(principal, action, workspace, part)
    except (NotFound, Forbidden):
        return False
    return True


def enter(principal: Principal, action: Action, workspace: Workspace, part: Part | None = None) -> AuthorisedId:
    """Return the key to the files, terminals and ports of a workspace, if ``principal`` may do ``action`` there."""
    authorise(principal, action, workspace, part)
    return AuthorisedId(workspace.id)
