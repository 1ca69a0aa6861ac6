"""The audit log of a million entries: the weight and time of a proof, the time to verify all, the price of a change.

A change is a rename asked of the orchestrator over the real database on this disk. It is made in turns with its entry
in the tree, with its entry as a plain row without hashes, and without any entry, so that whatever else happens on the
machine meets all three alike. Writes ``results/audit.json``; ends with an error where a bound is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fakes import fake_services
from sqlalchemy import text

from nixos_workspaces.audit.entries import AuditEntry, cells_of, complete, fields_of
from nixos_workspaces.auth.counted import CountedAudit
from nixos_workspaces.auth.policy import ADMIN
from nixos_workspaces.database import Database, open_database
from nixos_workspaces.database.audit.copies import open_copy, verify_copy
from nixos_workspaces.database.audit.entries import AuditRepository, append_entries
from nixos_workspaces.database.sqlite import Run, in_one_trip
from nixos_workspaces.model.environment import Environment
from nixos_workspaces.model.machine import BYTES_PER_GB, Resources
from nixos_workspaces.model.workspace import WorkspaceChange, WorkspaceConfig
from nixos_workspaces.operations.audit import AuditLog
from nixos_workspaces.schemas.access.audit import ProofAnswer

RESULTS = Path(__file__).resolve().parent / "results"
COUNT = 1_000_000
A_TRANSACTION = 20_000
PROOFS = 500
CHANGES = 600
MOST_BYTES, MOST_PROOF_MS, MOST_VERIFY_SECONDS, MOST_EXTRA = 1024, 10.0, 20.0, 0.05
NOW = datetime(2026, 5, 26, tzinfo=UTC)

Append = Callable[[AuditRepository, AuditEntry], Any]


def entry(number: int) -> AuditEntry:
    """Return an entry such as a change of size leaves."""
    sizes = {"cpu": 1.5, "memory_bytes": 4 << 30, "storage_bytes": 20 << 30}
    detail = {"old": {"resources": sizes}, "new": {"resources": {**sizes, "cpu": 2.0}}}
    return AuditEntry(
        NOW, f"user-{number % 100}", "resize", f"ws-{number % 5000:012d}", "accepted", f"{number:032x}", detail
    )


async def fill(database: Database, count: int) -> float:
    """Append ``count`` entries; return the microseconds for each."""
    started = time.perf_counter()
    for first in range(0, count, A_TRANSACTION):
        entries = [complete(entry(number)) for number in range(first, min(first + A_TRANSACTION, count))]

        def grow(run: Run, entries: list[AuditEntry] = entries) -> int:
            return append_entries(run, entries)

        async with database.transaction() as tx:
            await in_one_trip(tx.connection, grow)
    return (time.perf_counter() - started) / count * 1e6


async def prove(database: Database, count: int) -> dict[str, float]:
    """Prove entries all over the log; return the weight of the largest answer and the milliseconds."""
    log, times, weight = AuditLog(database, CountedAudit(database)), list[float](), 0
    for turn in range(PROOFS):
        number = 1 + turn * 7919 % count
        started = time.perf_counter()
        proof = await log.proof(number, count, principal=ADMIN)
        times.append((time.perf_counter() - started) * 1000)
        weight = max(weight, len(answer_of(proof).model_dump_json()))
    return {
        "bytes": weight,
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(sorted(times)[-PROOFS // 100], 2),
    }


def answer_of(proof: Any) -> ProofAnswer:
    """Return a proof as the route answers it."""

    path = b64encode(b"".join(proof.path)).decode()
    return ProofAnswer(seq=proof.number, size=proof.size, leaf=b64encode(proof.leaf).decode(), path=path)


def verify(path: Path) -> tuple[float, float]:
    """Verify every entry of the file; return seconds passed and seconds of processor time."""
    started, used = time.perf_counter(), time.process_time()
    with open_copy(path) as copy:
        assert verify_copy(copy, None).finding is None
    return round(time.perf_counter() - started, 1), round(time.process_time() - used, 1)


async def append_plain(self: AuditRepository, entry: AuditEntry) -> None:
    """Store an entry as a row alone, through the same library as every other row."""
    fields = fields_of(0, complete(entry))
    names = ("at", "actor", "action", "workspace_id", "outcome", "request_id", "class")
    cells = dict(zip(names, cells_of(fields), strict=True))
    connection = self._connection
    await connection.execute(_PLAIN, {**cells, "body": json.dumps(fields)})


async def append_nothing(_self: AuditRepository, _entry: AuditEntry) -> None:
    """Store nothing."""


_TABLE = text(
    "CREATE TABLE plain (number INTEGER PRIMARY KEY AUTOINCREMENT, at, actor, action, workspace_id, outcome, "
    "request_id, class, body)"
)
_INDEX = text("CREATE INDEX ix_plain ON plain (workspace_id, number)")
_PLAIN = text(
    "INSERT INTO plain (at, actor, action, workspace_id, outcome, request_id, class, body) "
    "VALUES (:at, :actor, :action, :workspace_id, :outcome, :request_id, :class, :body)"
)


async def change(data: Path, changes: int) -> dict[str, float]:
    """Rename a workspace in turns with each kind of entry; return the median milliseconds of each."""
    kinds: dict[str, Append] = {"tree": AuditRepository.append, "plain": append_plain, "nothing": append_nothing}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    async with fake_services(data) as services:
        async with services.database.transaction() as tx:
            await tx.connection.execute(_TABLE)
            await tx.connection.execute(_INDEX)
        sizes = Resources(1, BYTES_PER_GB, BYTES_PER_GB)
        config = WorkspaceConfig("one", sizes, Environment("minimal", (), ()))
        made = await services.orchestrator.create_workspace(config, principal=ADMIN)
        for turn in range(changes):
            for name, append in kinds.items():
                AuditRepository.append = append  # type: ignore[assignment,method-assign]
                renamed = WorkspaceChange(name=f"n-{turn}-{name}")
                started = time.perf_counter()
                await services.orchestrator.resize_workspace(made.id, renamed, principal=ADMIN, request_id="r" * 32)
                times[name].append((time.perf_counter() - started) * 1000)
        AuditRepository.append = kinds["tree"]  # type: ignore[assignment,method-assign]
    return {name: round(statistics.median(one), 3) for name, one in times.items()}


async def measure(directory: Path, count: int, changes: int) -> dict[str, Any]:
    """Measure everything."""
    paid = await change(directory / "data", changes)
    database = await open_database(directory / "audit.db")
    append_us = round(await fill(database, count), 1)
    proof = await prove(database, count)
    await database.close()
    seconds, used = await asyncio.to_thread(verify, directory / "audit.db")
    return {
        "entries": count,
        "append_us": append_us,
        "proof": proof,
        "verify_seconds": seconds,
        "verify_processor_seconds": used,
        "change_ms": paid,
        "change_extra_over_plain": round(paid["tree"] / paid["plain"] - 1, 3),
        "change_extra_over_nothing": round(paid["tree"] / paid["nothing"] - 1, 3),
        "file_bytes_an_entry": round((directory / "audit.db").stat().st_size / count),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help="entries of the log")
    parser.add_argument("--changes", type=int, default=CHANGES, help="changes with each kind of entry")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nixws-bench-") as directory:
        figures = asyncio.run(measure(Path(directory), options.count, options.changes))
    machine = {"kernel": platform.release(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    print(json.dumps(figures, indent=2))
    if options.count == COUNT:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "audit.json").write_text(json.dumps({"machine": machine, "figures": figures}, indent=2) + "\n")
    missed = [
        name
        for name, holds in {
            "weight of a proof": figures["proof"]["bytes"] <= MOST_BYTES,
            "time of a proof": figures["proof"]["p50_ms"] <= MOST_PROOF_MS,
            "verification": figures["verify_seconds"] <= MOST_VERIFY_SECONDS,
            "cost of a change": figures["change_extra_over_plain"] <= MOST_EXTRA,
        }.items()
        if not holds
    ]
    if missed:
        sys.exit(f"beyond its bound: {', '.join(missed)}")


if __name__ == "__main__":
    main()
