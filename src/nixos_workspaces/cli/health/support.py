"""``nixws support``: a bundle for somebody who can help."""

from __future__ import annotations

import io
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from nixos_workspaces.cli.target import Target, emit, err, out, target_of
from nixos_workspaces.errors import Unauthenticated, Unavailable, WorkspacesError


def support(
    context: typer.Context,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write [default: nixws-support-TIME.zip].", show_default=False),
    ] = None,
) -> None:
    """Write a bundle that tells why the service is as it is, without secrets; also where it does not answer."""
    target, now = target_of(context), datetime.now(UTC)
    path = output or Path(f"nixws-support-{now:%Y%m%d-%H%M%S}.zip")
    bundle = _bundle(target, now)
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        names = archive.namelist()
    for name in names:
        err().print(f"  {name}", style="dim")
    _write(path, bundle)
    if target.as_json:
        emit({"file": str(path), "bytes": len(bundle), "parts": names})
    else:
        out().print(f"{path} ({len(bundle) / 1024:.0f} KiB). It holds no secrets; look through it before you send it.")


def _bundle(target: Target, now: datetime) -> bytes:
    """Return the bundle of the service, or of what lies on this machine where that does not answer."""
    err().print("Asking the service …", style="dim")
    try:
        with target.client() as client:
            return b"".join(client.download("/api/nixos/support"))
    except (Unavailable, Unauthenticated) as problem:
        if not (target.data / "nixws.db").exists():
            raise
        err().print(f"{problem.message}\nCollecting what lies in {target.data} …", style="dim", markup=False)
        import asyncio

        return asyncio.run(_of_this_machine(target.data, now, problem))


async def _of_this_machine(data: Path, now: datetime, problem: WorkspacesError) -> bytes:
    from nixos_workspaces.operations.support.offline import offline_bundle
    from nixos_workspaces.settings import load

    return await offline_bundle(load({"data": data}), now, problem)


def _write(path: Path, bundle: bytes) -> None:
    """Write a file for its owner only, whole or not at all."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(bundle)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
