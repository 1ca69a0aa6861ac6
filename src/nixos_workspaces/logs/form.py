"""The form of log lines: for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from nixos_workspaces.logs.context import belongings
from nixos_workspaces.logs.masking import masked_text

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_CHATTY = ("alembic", "asyncssh", "aiosqlite", "httpx2", "httpcore2", "uvicorn.error")


class TextLines(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        """Write time, level, logger and message."""
        super().__init__(_TEXT)

    @override
    def format(self, record: logging.LogRecord) -> str:
        return masked_text(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what it belongs to, and the ``fields`` of the record."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked_text(record.getMessage()),
            **belongings(),
        }
        for name, value in getattr(record, "fields", {}).items():
            told[name] = masked_text(value) if isinstance(value, str) else value
        if record.exc_info:
            told["exception"] = masked_text(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False, default=str)


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """Write messages of ``level`` and above, of chatty libraries only warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
