"""The HTTP and WebSocket edge."""

import sys

# FastAPI asks of every type whether it is a model of pydantic 1, and loads the whole of that to tell: 1.5 MB of memory
# for models that are nowhere. What is None here cannot be imported, which FastAPI takes for an answer.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]
