"""The HTTP and WebSocket edge."""

import sys

from pydantic import BaseModel

# FastAPI asks of every type whether it is a model of pydantic 1, and loads the whole of that to tell: 1.5 MB of memory
# for models that are nowhere. What is None here cannot be imported, which FastAPI takes for an answer.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]

# The models of the OpenAPI document are built when it is first asked for, not with every start: 1.3 MB.
BaseModel.model_config["defer_build"] = True
try:
    import fastapi.openapi.models  # noqa: F401 - to have it loaded now
finally:
    del BaseModel.model_config["defer_build"]
