"""HTTP and WebSockets without any feature: server, protocol, gate, errors, streams."""

import sys
from types import ModuleType

# Importing any part of uvicorn loads its command line with click and multiprocessing, its reloader and the library that
# watches files for it, where it is installed: two megabytes that the service never uses. What is held back is there
# again afterwards, for whoever asks for it. None stands for a module that is not found (importlib).
_command_line = ModuleType("uvicorn.main")
_command_line.__dict__.update(Server=None, main=None, run=None)
_held_back = {
    name: part for name, part in (("uvicorn.main", _command_line), ("watchfiles", None)) if name not in sys.modules
}
sys.modules.update(_held_back)  # type: ignore[arg-type]
import uvicorn  # noqa: E402, F401 - its parts are imported where they are used

for _name in _held_back:
    del sys.modules[_name]
