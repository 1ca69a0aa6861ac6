"""One table of settings: the command line, the environment and the documentation come from here.

Every setting is read, in this order, from the command line (``--data``), the environment (``NIXWS_DATA``) and its
default. There is no configuration file; a service manager sets the environment.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nixos_workspaces.errors import InvalidInput


def _setting(default: object, text: str, *, least: float | None = None, most: float | None = None) -> Any:
    """Declare one setting with its default, its one line of documentation and, of a number, its bounds."""
    return field(default=default, metadata={"help": text, "least": least, "most": most})


_PREFIX = "NIXWS_"
_OTHER_VARIABLES = frozenset({"NIXWS_URL", "NIXWS_TOKEN", "NIXWS_USER", "NIXWS_NIX_DAEMON", "NIXWS_TERMINAL"})
"""Variables of the command line, of ``nixws up`` and of terminals, which are no settings of the service."""
_OF_TESTS = "NIXWS_TEST_"
_LONGEST = 7 * 24 * 3600.0
_MOST_GB = float(1 << 20)
_MOST_MINUTES = 43_200.0


class LogLevel(StrEnum):
    """The least severity of what is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """The form of log lines."""

    TEXT = "text"
    """For people."""
    JSON = "json"
    """One object a line."""


class NewUsers(StrEnum):
    """The role of people who sign in by the OpenID provider for the first time."""

    NONE = "none"
    """They are no users, unless one connects the account to theirs."""
    MEMBER = "member"
    AUDITOR = "auditor"
    ADMIN = "admin"


class RecordingPolicy(StrEnum):
    """The service's rule about recording terminals."""

    OFF = "off"
    """None is recorded."""
    OPTIONAL = "optional"
    """Each workspace says."""
    REQUIRED = "required"
    """All are."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of ``nixws serve`` and ``nixws node``."""

    data: Path = _setting(Path("data"), "Directory of everything that is kept: database, keys, volumes, logs.")
    host: str = _setting("127.0.0.1", "Address that the API listens on.")
    port: int = _setting(5000, "TCP port that the API listens on; 0 takes a free one.", least=0, most=65535)
    ssh_port: int = _setting(
        0,
        "TCP port of the SSH gateway, on the API's address: ssh NAME@HOST -p PORT; 0: no gateway.",
        least=0,
        most=65535,
    )
    tunnel_idle: float = _setting(
        43_200.0,
        "Seconds after which a tunnel that no byte has passed is ended; keep-alives of SSH count.",
        least=1,
        most=_LONGEST,
    )
    package_set: str = _setting("auto", "auto, nixpkgs, debian, or a flake reference of a package set.")
    nix_bin: Path = _setting(
        Path("/opt/nixws/nix/bin"), "Directory of the nix executables; PATH is tried when it is absent."
    )
    debian_set: Path = _setting(
        Path("/var/cache/nixws/debian-set"), "The generated package set out of Debian packages."
    )
    network: str = _setting("10.213.0.0/16", "IPv4 range of workspace addresses; routed on this machine only.")
    egress_default: str = _setting(
        "open", "What new workspaces may reach unless they say otherwise: open, balanced, locked, none or observe."
    )
    egress_floor: str = _setting(
        "open",
        "The most that any workspace may reach, and nobody widens: open (no bound), balanced, none, or the path of a "
        "JSON file with mode, allow, deny and reason.",
    )
    egress_balanced: str = _setting(
        "", "Path of the list that mode balanced lets out, NAME:PORT a line; empty: that of the program."
    )
    id_base: int = _setting(
        1_000_000_000,
        "First host user id of the ranges that workspaces are mapped to.",
        least=100_000,
        most=4_000_000_000,
    )
    build_timeout: float = _setting(3600.0, "Seconds after which a build is stopped.", least=1, most=_LONGEST)
    evaluation_timeout: float = _setting(
        600.0, "Seconds after which evaluating an environment is stopped.", least=1, most=_LONGEST
    )
    build_memory_gb: float = _setting(
        4.0, "Memory in GB that evaluating an environment may take.", least=0.25, most=_MOST_GB
    )
    builds: int = _setting(2, "Builds that run at the same time.", least=1, most=1000)
    evaluations: int = _setting(
        2, "Evaluations of environments that run at the same time; others wait their turn.", least=1, most=1000
    )
    boot_timeout: float = _setting(60.0, "Seconds within which a workspace's sshd must answer.", least=1, most=_LONGEST)
    memory_overcommit: float = _setting(
        2.0,
        "The memory limits of all running workspaces together may be so many times the machine's memory.",
        least=0.1,
        most=1000,
    )
    lxcfs: str = _setting("lxcfs", "Name or path of lxcfs, which shows workspaces their limits in /proc.")
    uplink: str = _setting(
        "auto", "Way out of workspaces: auto (the default route), none, pasta, netns:NAME or the name of a link."
    )
    name_servers: str = _setting(
        "", "IPv4 name servers, by commas, that are asked on behalf of workspaces; empty: those of this machine."
    )
    max_body_bytes: int = _setting(1 << 20, "Largest JSON request body that is read.", least=1024, most=1 << 30)
    max_upload_gb: float = _setting(64.0, "Largest upload of files in GB.", least=0.001, most=_MOST_GB)
    log_level: LogLevel = _setting(LogLevel.INFO, "debug, info (a line for each request), warning or error.")
    log_format: LogFormat = _setting(
        LogFormat.TEXT,
        "Form of log lines: text, or json (an object a line, with the ids of request, workspace and task).",
    )
    otlp_endpoint: str = _setting(
        "",
        "URL that takes traces of changes of workspaces by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces "
        "(needs the extra traces); empty: none.",
    )
    sign_in_attempts: int = _setting(
        20,
        "Wrong tokens and codes that one address may show in a minute; the next are answered with 429.",
        least=1,
        most=1_000_000,
    )
    session_hours: float = _setting(
        336.0, "Hours after which a browser has to sign in again, at the latest.", least=1, most=8784
    )
    session_idle_hours: float = _setting(
        168.0,
        "Hours after which a session ends that was not used and under which nothing was open.",
        least=1,
        most=8784,
    )
    public_url: str = _setting(
        "", "Address in the browser, such as https://work.example; empty: that of each request, by its Host header."
    )
    apps_domain: str = _setting(
        "localhost", "Domain below which ports of workspaces have names: PORT--WORKSPACE.apps_domain in the browser."
    )
    previews_by_path: bool = _setting(
        False,
        "Ports also answer at /w/WORKSPACE/ports/PORT/ of the service itself, for the workspace's owner only: where "
        "there is no wildcard name. A program that is opened so may do in the browser all that its owner may.",
    )
    tls_certificate: str = _setting("", "Certificate chain (PEM) to speak TLS with; taken up again when it changes.")
    tls_key: str = _setting("", "Private key (PEM) of the certificate.")
    trusted_proxies: str = _setting(
        "", "Addresses or networks, by commas, of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."
    )
    own_keys: bool = _setting(
        True, "Keys in a workspace's own ~/.ssh/authorized_keys open it too; takes effect with its next build."
    )
    foreign_scripts: bool = _setting(
        True, "Workspaces have /bin/bash, as scripts of other distributions expect; takes effect with the next build."
    )
    scim: bool = _setting(
        False, "Identity providers manage users and groups by SCIM 2.0 at /scim/v2; off: these paths answer 404."
    )
    oidc_issuer: str = _setting(
        "", "Issuer of the OpenID provider that people may sign in by, such as https://id.example; empty: none."
    )
    oidc_client_id: str = _setting("", "Name by which the OpenID provider knows this service.")
    oidc_client_secret_file: str = _setting(
        "", "File with the secret that goes with it, readable by the service's user only; empty: a public client."
    )
    oidc_name: str = _setting("OpenID Connect", "Name of the OpenID provider on the page to sign in.")
    oidc_scopes: str = _setting("openid profile email", "Scopes that are asked of the OpenID provider, by blanks.")
    oidc_groups_claim: str = _setting("groups", "Claim that holds the names of a person's groups at the provider.")
    oidc_roles: str = _setting(
        "",
        "Roles by groups of the provider, THEIRS=ROLE by commas, set at each sign-in (the first of admin, auditor and "
        "member wins; in none of the groups: that of oidc_new_users, or member); empty: roles are given here.",
    )
    oidc_groups: str = _setting(
        "", "Groups here by groups of the provider, THEIRS=OURS by commas: joined and left at each sign-in."
    )
    oidc_new_users: NewUsers = _setting(
        NewUsers.NONE,
        "Role of people of the provider who are no users yet: none (they stay out), member, auditor or admin.",
    )
    oidc_clock_skew: float = _setting(
        60.0, "Seconds by which the provider's clock and this one may differ.", least=1, most=300
    )
    audit_witness: str = _setting(
        "",
        "Where checkpoints of the audit log go every minute: path of a file outside the data directory, or a URL that "
        "takes them by POST; empty: nowhere.",
    )
    audit_keep: str = _setting(
        "use=90,refusal=90,system=365",
        "Days that bodies of audit entries are kept, CLASS=DAYS by commas (change, access, refusal, use, system); "
        "classes that are not named are kept for ever, hashes always.",
    )
    recording: RecordingPolicy = _setting(
        RecordingPolicy.OPTIONAL, "Recording of terminals: off, optional (each workspace says) or required."
    )
    recording_strict: bool = _setting(False, "End a terminal that is to be recorded when that cannot be stored.")
    recording_days: float = _setting(
        30.0, "Days after which the recording of an ended terminal is removed.", least=0.01, most=36500
    )
    recording_gb: float = _setting(
        10.0, "Most GB that all recordings take; beyond it nothing is recorded.", least=0.00001, most=_MOST_GB
    )
    idle_pause: float = _setting(
        0.0,
        "Minutes after which a workspace in which nothing works is paused, unless it says otherwise; 0: never.",
        least=0,
        most=_MOST_MINUTES,
    )
    idle_stop: float = _setting(
        0.0, "The same, until it is stopped; counted from the same moment. 0: never.", least=0, most=_MOST_MINUTES
    )
    idle_templates: str = _setting(
        "",
        "The same two for workspaces of some templates: python=10/60,nodejs=0/120 is paused/stopped after minutes.",
    )
    idle_look: float = _setting(
        20.0, "Seconds between two looks at whether anything works in a workspace.", least=0.1, most=600
    )
    idle_work_list: str = _setting(
        "", "Path of the file with names of programs that are work and of timers that are none; empty: the program's."
    )
    stop_workspaces: bool = _setting(False, "Stop the workspaces when the service is stopped.")

    @property
    def rest_by_template(self) -> Mapping[str, tuple[float, float]]:
        """The minutes of ``idle_templates``; raises ``InvalidInput`` for what is none."""
        return {template: _rest(text) for template, text in _pairs("idle_templates", self.idle_templates).items()}

    def variables(self) -> dict[str, str]:
        """Return the environment variables out of which ``load`` makes these settings."""
        return {f"{_PREFIX}{one.name.upper()}": str(getattr(self, one.name)) for one in fields(self)}

    @property
    def max_upload_bytes(self) -> int:
        """The largest upload in bytes."""
        return int(self.max_upload_gb * (1 << 30))

    @property
    def proxies(self) -> list[str]:
        """The trusted proxies, each an address or a network."""
        return [one.strip() for one in self.trusted_proxies.split(",") if one.strip()]

    @property
    def upstream_resolvers(self) -> list[str]:
        """The name servers that are asked on behalf of workspaces; empty: those of this machine."""
        return [one.strip() for one in self.name_servers.split(",") if one.strip()]

    @property
    def roles_by_group(self) -> dict[str, str]:
        """The roles by groups of the OpenID provider."""
        return _pairs("oidc_roles", self.oidc_roles)

    @property
    def groups_by_group(self) -> dict[str, str]:
        """The groups here by groups of the OpenID provider."""
        return _pairs("oidc_groups", self.oidc_groups)

    @property
    def node_socket(self) -> Path:
        """The Unix socket on which the node answers the control plane."""
        return self.data / "node.sock"


def load(given: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in force.

    ``given`` holds what the command line set; None values mean "not given". Raises ``InvalidInput`` naming the
    setting whose value cannot be read or is out of its bounds.
    """
    changes: dict[str, Any] = {}
    for declared in fields(Settings):
        name = declared.name
        value = (given or {}).get(name)
        if value is None:
            value = environ.get(f"{_PREFIX}{name.upper()}")
        if value is not None:
            changes[name] = _convert(name, str(value), declared.default)
            _check_bounds(name, changes[name], declared.metadata["least"], declared.metadata["most"])
    settings = replace(Settings(), **changes)
    _check_addresses(settings)
    _check_openid(settings)
    _ = settings.rest_by_template
    return replace(settings, data=settings.data.absolute(), public_url=settings.public_url.rstrip("/"))


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    """Return the variables that look like settings and are none, each with the name that may be meant or nothing."""
    known = {f"{_PREFIX}{declared.name.upper()}" for declared in fields(Settings)} | _OTHER_VARIABLES
    strange = sorted(
        name for name in environ if name.startswith(_PREFIX) and name not in known and not name.startswith(_OF_TESTS)
    )
    return [(name, next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), "")) for name in strange]


def _check_bounds(name: str, value: object, least: float | None, most: float | None) -> None:
    """Raise ``InvalidInput`` for a number out of its bounds; so is one that is no number."""
    if isinstance(value, int | float) and least is not None and most is not None and not least <= value <= most:
        raise InvalidInput(f"Setting {name}: {value:g} is not between {least:g} and {most:g}.", field=name)


def _check_addresses(settings: Settings) -> None:
    """Raise ``InvalidInput`` for addresses that cannot be used."""
    try:
        ipaddress.IPv4Network(settings.network)
    except ValueError as wrong:
        raise InvalidInput(
            f"Setting network: {settings.network!r} is not an IPv4 range such as 10.213.0.0/16.", field="network"
        ) from wrong
    url = settings.public_url
    if url and not _ORIGIN.fullmatch(url.rstrip("/")):
        raise InvalidInput(
            f"Setting public_url: {url!r} is not http or https, a host and maybe a port.", field="public_url"
        )
    endpoint = urlsplit(settings.otlp_endpoint)
    if settings.otlp_endpoint and not (endpoint.scheme in {"http", "https"} and endpoint.hostname):
        raise InvalidInput(
            f"Setting otlp_endpoint: {settings.otlp_endpoint!r} is not http or https, a host and a path.",
            field="otlp_endpoint",
        )
    if not _DOMAIN.fullmatch(settings.apps_domain):
        raise InvalidInput(
            f"Setting apps_domain: {settings.apps_domain!r} is not a domain name such as apps.example.",
            field="apps_domain",
        )
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise InvalidInput("Set both tls_certificate and tls_key, or neither.", field="tls_certificate")
    for server in settings.upstream_resolvers:
        try:
            ipaddress.IPv4Address(server)
        except ValueError as wrong:
            raise InvalidInput(
                f"Setting name_servers: {server!r} is not an IPv4 address.", field="name_servers"
            ) from wrong
    for proxy in settings.proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as wrong:
            raise InvalidInput(
                f"Setting trusted_proxies: {proxy!r} is neither an address nor a network.", field="trusted_proxies"
            ) from wrong


def _check_openid(settings: Settings) -> None:
    """Raise ``InvalidInput`` for a provider that cannot be used, or not safely."""
    issuer = settings.oidc_issuer
    if not issuer:
        return
    parts = urlsplit(issuer)
    is_here = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not (parts.scheme == "https" or is_here) or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInput(
            f"Setting oidc_issuer: {issuer!r} is not https (http on this machine only), a host and maybe a path.",
            field="oidc_issuer",
        )
    if not settings.oidc_client_id:
        raise InvalidInput("Set oidc_client_id too: the provider knows this service by it.", field="oidc_client_id")
    if "openid" not in settings.oidc_scopes.split():
        raise InvalidInput("Setting oidc_scopes: openid is missing.", field="oidc_scopes")
    roles = {one for one in NewUsers if one is not NewUsers.NONE}
    if strange := set(settings.roles_by_group.values()) - roles:
        raise InvalidInput(f"Setting oidc_roles: {min(strange)!r} is no role.", field="oidc_roles")
    _pairs("oidc_groups", settings.oidc_groups)


def _rest(text: str) -> tuple[float, float]:
    """Return the minutes of PAUSE/STOP; raises ``InvalidInput``."""
    minutes = [float(one) if one.replace(".", "", 1).isdecimal() else -1.0 for one in text.split("/")]
    if len(minutes) != 2 or not all(0 <= one <= _MOST_MINUTES for one in minutes):  # noqa: PLR2004
        raise InvalidInput(
            f"Setting idle_templates: {text!r} is not two numbers of minutes such as 10/60, at most {_MOST_MINUTES:g}.",
            field="idle_templates",
        )
    pause, stop = minutes
    return pause, stop


def _pairs(name: str, text: str) -> dict[str, str]:
    """Return the pairs of a list THEIRS=OURS; the last = divides, as names of others may hold some."""
    pairs: dict[str, str] = {}
    for one in text.split(","):
        theirs, divider, ours = one.rpartition("=")
        if divider and theirs.strip() and ours.strip():
            pairs[theirs.strip()] = ours.strip()
        elif one.strip():
            raise InvalidInput(f"Setting {name}: {one.strip()!r} is not THEIRS=OURS.", field=name)
    return pairs


_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?", re.IGNORECASE)


_WORDS_OF_BOOLEANS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def _convert(name: str, text: str, default: object) -> object:
    """Read one value as the type of its setting's default."""
    try:
        match default:
            case bool():
                return _WORDS_OF_BOOLEANS[text.lower()]
            case int():
                return int(text)
            case float():
                return float(text)
            case Path():
                return Path(text)
            case LogLevel() | LogFormat() | RecordingPolicy() | NewUsers():
                return type(default)(text.lower())
            case _:
                return text
    except (KeyError, ValueError) as wrong:
        words = ", ".join(type(default)) if isinstance(default, StrEnum) else ""
        wanted = f"one of {words}" if words else f"a {type(default).__name__}"
        raise InvalidInput(f"Setting {name}: {text!r} is not {wanted}.", field=name) from wrong
