"""nftables through its library: lists of commands in its JSON, each list in force as a whole or not at all."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import threading
from collections.abc import Sequence
from typing import Any

from nixos_workspaces.errors import RuntimeFailed

_JSON_OUTPUT = 1 << 4
_MISSING = "No such file or directory"


class Firewall:
    """The rules of the network namespace of the thread that made it; ``run`` may be called from any thread."""

    def __init__(self) -> None:
        """Load the library; raises ``RuntimeFailed`` when it is not installed."""
        self._lock = threading.Lock()
        try:
            library = ctypes.CDLL("libnftables.so.1")
        except OSError as missing:
            message = "libnftables is not installed; install the package libnftables1 (or nftables)."
            raise RuntimeFailed(message, code="nftables_missing") from missing
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
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

    def run(self, commands: Sequence[dict[str, Any]], *, ignore_missing: bool = False) -> None:
        """Put commands in force, all or none; raises ``RuntimeFailed`` where the kernel refuses one.

        With ``ignore_missing`` it is no failure that something is not there; nothing is changed then either.
        """
        text = json.dumps({"nftables": list(commands)}).encode()
        with self._lock:
            failed = self._library.nft_run_cmd_from_buffer(self._context, text)
            error = self._library.nft_ctx_get_error_buffer(self._context) or b""
            self._library.nft_ctx_get_output_buffer(self._context)
        if failed and not (ignore_missing and _MISSING.encode() in error):
            reason = error.decode(errors="replace").strip()
            raise RuntimeFailed(f"nftables refused the node's rules: {reason}", code="nftables_refused")

    def close(self) -> None:
        """Let go of the library's memory and socket; the rules stay."""
        self._library.nft_ctx_free(self._context)
