"""Bring one database to the present schema, and end: ``python -m nixos_workspaces.database.migrations PATH``.

``nixws serve`` starts it when a migration is missing, so that what migrates does not stay in the service's memory.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from nixos_workspaces.database.engine import open_database
from nixos_workspaces.errors import WorkspacesError, exit_code


async def _migrate(path: Path) -> None:
    await (await open_database(path)).close()


if __name__ == "__main__":
    try:
        asyncio.run(_migrate(Path(sys.argv[1])))
    except WorkspacesError as error:
        sys.stderr.write(f"nixws: {error.message}\n")
        sys.exit(exit_code(error))
