"""The node's one nftables table: who may send what, through libnftables and its JSON.

Everything is decided before routing, so that it holds whatever the machine's own rules and forwarding are: a
workspace may answer connections that this machine opened to it, and nothing else. What is refused is answered, so
that nobody waits for a time-out. Traffic from elsewhere never reaches a workspace.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from nixos_workspaces.errors import RuntimeFailed

_JSON_OUTPUT = 1 << 4
_MISSING = "No such file or directory"


class Firewall:
    """One table, named after the node; all methods may be called from any thread."""

    def __init__(self, table: str, interface_prefix: str) -> None:
        """Load the library; raises ``RuntimeFailed`` when it is not installed."""
        self._table = table
        self._match = f"{interface_prefix}*"
        self._lock = threading.Lock()
        try:
            library = ctypes.CDLL("libnftables.so.1")
        except OSError as missing:
            message = "libnftables is not installed; install the package libnftables1 (or nftables)."
            raise RuntimeFailed(message, code="nftables_missing") from missing
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        self._library = library
        self._context = library.nft_ctx_new(0)
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)
        library.nft_ctx_output_set_flags(self._context, _JSON_OUTPUT)

    def load(self, members: Iterable[tuple[str, str]]) -> None:
        """Put the whole table in force in one transaction, for the given interfaces and their addresses."""
        table = {"family": "inet", "name": self._table}
        commands: list[dict[str, Any]] = [{"add": {"table": table}}, {"delete": {"table": table}}]
        commands += self._base()
        for interface, address in members:
            commands += self._membership("add", interface, address)
        self._run(commands)

    def admit(self, interface: str, address: str) -> None:
        """Know an interface, before it exists; does nothing when it is known."""
        self._run(self._membership("add", interface, address))

    def forget(self, interface: str, address: str) -> None:
        """Forget an interface; does nothing when it is not known."""
        for command in self._membership("delete", interface, address):
            self._run([command], ignore_missing=True)

    def remove(self) -> None:
        """Take the whole table away."""
        self._run([{"delete": {"table": {"family": "inet", "name": self._table}}}], ignore_missing=True)

    def _base(self) -> list[dict[str, Any]]:
        ours = {"family": "inet", "table": self._table}
        refuse = {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}
        from_workspace = _compare(_meta("iifname"), self._match)
        known = {"concat": [_meta("iifname"), {"payload": {"protocol": "ip", "field": "saddr"}}]}
        spoofed = {"match": {"op": "!=", "left": known, "right": "@sources"}}
        answers = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
        early = {"type": "filter", "hook": "prerouting", "policy": "accept"}
        forward = {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}
        return [
            {"add": {"table": {"family": "inet", "name": self._table}}},
            {"add": {"set": ours | {"name": "sources", "type": ["ifname", "ipv4_addr"]}}},
            {"add": {"map": ours | {"name": "egress", "type": "ifname", "map": "verdict"}}},
            {"add": {"chain": ours | {"name": "refuse"}}},
            {"add": {"chain": ours | {"name": "source", "prio": -300} | early}},
            {"add": {"chain": ours | {"name": "policy", "prio": -150} | early}},
            {"add": {"chain": ours | {"name": "forward"} | forward}},
            _rule(ours, "refuse", refuse),
            # An address that is not the interface's own: no answer, it would go to another machine.
            _rule(ours, "source", from_workspace, _compare(_meta("nfproto"), "ipv4"), spoofed, {"drop": None}),
            _rule(ours, "policy", from_workspace, answers, {"accept": None}),
            _rule(ours, "policy", from_workspace, {"vmap": {"key": _meta("iifname"), "data": "@egress"}}),
            _rule(ours, "policy", from_workspace, {"goto": {"target": "refuse"}}),
            _rule(ours, "forward", _compare(_meta("oifname"), self._match), refuse),
        ]

    def _membership(self, verb: str, interface: str, address: str) -> list[dict[str, Any]]:
        ours = {"family": "inet", "table": self._table}
        source = {"concat": [interface, address]}
        policy = [interface, {"goto": {"target": "refuse"}}]
        return [
            {verb: {"element": ours | {"name": "sources", "elem": [source]}}},
            {verb: {"element": ours | {"name": "egress", "elem": [policy]}}},
        ]

    def _run(self, commands: Sequence[dict[str, Any]], *, ignore_missing: bool = False) -> None:
        text = json.dumps({"nftables": list(commands)}).encode()
        with self._lock:
            failed = self._library.nft_run_cmd_from_buffer(self._context, text)
            error = self._library.nft_ctx_get_error_buffer(self._context) or b""
            self._library.nft_ctx_get_output_buffer(self._context)
        if failed and not (ignore_missing and _MISSING.encode() in error):
            reason = error.decode(errors="replace").strip()
            raise RuntimeFailed(f"nftables refused the node's rules: {reason}", code="nftables_refused")


def _meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def _compare(left: dict[str, Any], right: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _rule(ours: dict[str, Any], chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"add": {"rule": ours | {"chain": chain, "expr": list(expressions)}}}
