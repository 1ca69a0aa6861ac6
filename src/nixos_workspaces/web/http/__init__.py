"""HTTP and WebSockets without any feature: server, protocol, gate, errors, streams."""

import sys

# Importing any part of uvicorn loads its reloader and the library that watches files for it, where it is installed:
# half a megabyte that the service never uses. None stands for a module that is not found (importlib).
_held_back = "watchfiles" not in sys.modules
if _held_back:
    sys.modules["watchfiles"] = None  # type: ignore[assignment]
import uvicorn  # noqa: E402, F401 - its parts are imported where they are used

if _held_back:
    del sys.modules["watchfiles"]
