"""Access to the database: transactions with the repositories in them.

SQLite is set up here so that an acknowledged row survives a power cut (WAL with ``synchronous=FULL``) and a deleted one
is not left in the file (``secure_delete``). No other place knows which database it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import Connection, event, func, select, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from nixos_workspaces.database.access.shares import ShareRepository
from nixos_workspaces.database.access.ssh_keys import SshKeyRepository
from nixos_workspaces.database.access.transfers import TransferRepository
from nixos_workspaces.database.audit import AuditRepository, CheckpointRepository
from nixos_workspaces.database.automation.idle import IdleRepository
from nixos_workspaces.database.automation.scaling import ScalingRepository
from nixos_workspaces.database.automation.schedules import ScheduleRepository
from nixos_workspaces.database.ballast import Ballast
from nixos_workspaces.database.contents.repositories import RepositoryRepository
from nixos_workspaces.database.contents.secrets import SecretRepository
from nixos_workspaces.database.idempotency import IdempotencyRepository
from nixos_workspaces.database.layouts import LayoutRepository
from nixos_workspaces.database.leases import LeaseRepository
from nixos_workspaces.database.metering.advice import AdviceRepository
from nixos_workspaces.database.metering.budgets import BudgetRepository
from nixos_workspaces.database.metering.metrics import MetricRepository
from nixos_workspaces.database.metering.prices import PriceRepository
from nixos_workspaces.database.metering.usage import UsageRepository
from nixos_workspaces.database.network.policies import NetworkRepository
from nixos_workspaces.database.network.proposals import ProposalRepository
from nixos_workspaces.database.people.groups import GroupRepository
from nixos_workspaces.database.people.identities import IdentityRepository, ProviderSessionRepository
from nixos_workspaces.database.people.login_codes import LoginCodeRepository
from nixos_workspaces.database.people.passkeys import PasskeyRepository
from nixos_workspaces.database.people.provisioned import ProvisionedRepository
from nixos_workspaces.database.people.quotas import QuotaRepository
from nixos_workspaces.database.people.users import UserRepository
from nixos_workspaces.database.reach.ports import PortRepository
from nixos_workspaces.database.schema import metadata
from nixos_workspaces.database.sqlite import SqliteConnection
from nixos_workspaces.database.terminals.recordings import RecordingRepository, TerminalChoiceRepository
from nixos_workspaces.database.tokens import TokenRepository
from nixos_workspaces.database.workspaces import SummaryRepository, TombstoneRepository, WorkspaceRepository
from nixos_workspaces.errors import Unavailable

BUSY_MILLISECONDS = 5000
TURN_SECONDS = 20.0
"""How long a writer waits for those of this process that came before it."""
_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_MILLISECONDS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
)
_READING = "nixws_reading"
_MIGRATIONS = Path(__file__).parent / "migrations"
_REVISION = "SELECT version_num FROM alembic_version"
_migrating: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
"""Alembic keeps its state in module globals: one migration at a time in a process, also of different databases."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """The repositories of one transaction; all that is written through them is stored together or not at all."""

    workspaces: WorkspaceRepository
    summaries: SummaryRepository
    tombstones: TombstoneRepository
    tokens: TokenRepository
    audit: AuditRepository
    checkpoints: CheckpointRepository
    idempotency: IdempotencyRepository
    leases: LeaseRepository
    layouts: LayoutRepository
    networks: NetworkRepository
    proposals: ProposalRepository
    ports: PortRepository
    shares: ShareRepository
    transfers: TransferRepository
    ssh_keys: SshKeyRepository
    secrets: SecretRepository
    repositories: RepositoryRepository
    login_codes: LoginCodeRepository
    users: UserRepository
    passkeys: PasskeyRepository
    groups: GroupRepository
    provisioned: ProvisionedRepository
    identities: IdentityRepository
    provider_sessions: ProviderSessionRepository
    quotas: QuotaRepository
    recordings: RecordingRepository
    terminal_choices: TerminalChoiceRepository
    usage: UsageRepository
    prices: PriceRepository
    budgets: BudgetRepository
    idle: IdleRepository
    schedules: ScheduleRepository
    metrics: MetricRepository
    scaling: ScalingRepository
    advice: AdviceRepository
    connection: AsyncConnection
    """For the database's own tests; queries live in the repositories."""


class Database:
    """An open database. Every method raises ``Unavailable`` when it does not answer or cannot store."""

    def __init__(
        self,
        engine: AsyncEngine,
        ballast: Ballast | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Use ``engine``; call ``open_database`` instead. The ``ballast`` is given up when the disk is full.

        ``clock`` tells which shares of workspaces have expired when they are read.
        """
        self._engine = engine
        self._clock = clock
        self._ballast = ballast
        # Made once: options that are given to a connection cost each reading a trip.
        self._once, self._all = (engine.execution_options(**{_READING: how}) for how in ("once", "all"))
        self._writers = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Write: commits at the end of the block, rolls back on any exception. Never inside another's block.

        Writers take turns in the order they come: SQLite makes waiting writers retry in no order, and would refuse
        one of many that had no luck for five seconds.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._writers.acquire()
        except TimeoutError as late:
            raise _unavailable(f"others have written for {TURN_SECONDS:g} s") from late
        try:
            if self._ballast is not None:
                self._ballast.make_room()
            with _translated():
                async with self._engine.begin() as connection:
                    yield _transaction(connection, self._clock)
        except Unavailable as refused:
            if self._ballast is not None and isinstance(refused.__cause__, DBAPIError) and _is_full(refused.__cause__):
                self._ballast.give_up()
            raise
        finally:
            self._writers.release()

    @asynccontextmanager
    async def reading(self, *, once: bool = False) -> AsyncIterator[Transaction]:
        """Read one consistent state without keeping writers waiting; ``once``: by one statement, which is cheaper."""
        with _translated():
            async with (self._once if once else self._all).connect() as connection:
                yield _transaction(connection, self._clock)

    async def is_current(self) -> bool:
        """Tell whether it has the present schema still."""
        with _translated():
            async with self._all.connect() as connection:
                return await connection.run_sync(_is_current)

    async def rows(self) -> Mapping[str, int]:
        """Return the number of rows of each table."""
        with _translated():
            async with self._all.connect() as connection:
                counted = {
                    table.name: await connection.scalar(select(func.count()).select_from(table))
                    for table in metadata.sorted_tables
                }
        return {name: number or 0 for name, number in counted.items()}

    async def close(self) -> None:
        """Close every connection."""
        try:
            if self._engine.dialect.name == "sqlite":
                # What was deleted must not live on in the write-ahead log.
                with _translated():
                    async with self._engine.connect() as connection:
                        raw: Any = (await connection.get_raw_connection()).driver_connection
                        await (await raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")).close()
        finally:
            await self._engine.dispose()


async def open_database(
    path: Path, ballast: Ballast | None = None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Database:
    """Open the SQLite database at ``path``, made if absent and brought to the present schema.

    ``ballast`` is given up when the disk is full; ``clock`` tells which shares have expired.
    """
    await asyncio.to_thread(_make_private, path)
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        # All are kept: opening one costs a thread, a file and its pragmas, more than most reads. Each takes 0.3 MB.
        pool_size=4,
        max_overflow=0,
        pool_use_lifo=True,
        async_creator=lambda: SqliteConnection(path),
        json_deserializer=orjson.loads,
    )
    event.listen(engine.sync_engine, "connect", _set_up_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    try:
        await migrate(engine, path.with_suffix(".lock"))
    except BaseException:
        await engine.dispose()
        raise
    return Database(engine, ballast, clock=clock)


async def migrate(engine: AsyncEngine, lock: Path) -> None:
    """Bring the schema up to date in one transaction; two starts at the same time take turns."""
    async with _migrating.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        # Even the look at the revision: SQLite refuses who looks while another switches a new database to WAL.
        descriptor = await asyncio.to_thread(_lock, lock)
        try:
            with _translated():
                async with engine.connect() as connection:
                    await connection.execution_options(**{_READING: "all"})
                    if await connection.run_sync(_is_current):
                        return
                upgrade = await asyncio.to_thread(_load_upgrade)
                async with engine.begin() as connection:
                    await connection.run_sync(upgrade)
        finally:
            os.close(descriptor)


def newest_revision() -> str:
    """Return the revision that the code is written for: the number of the last migration's file."""
    return max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("v[0-9][0-9][0-9][0-9]_*.py"))


def is_current(path: Path) -> bool:
    """Tell whether the database at ``path`` exists and has the present schema."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as raw:
            return raw.execute(_REVISION).fetchall() == [(newest_revision(),)]
    except sqlite3.Error:
        return False


def _is_current(connection: Connection) -> bool:
    """Tell whether no migration is missing, without loading what migrates."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return False
    return connection.exec_driver_sql(_REVISION).fetchall() == [(newest_revision(),)]


def _load_upgrade() -> Callable[[Connection], None]:
    """Load what migrates; return what runs every migration that the database has not seen."""
    # Alembic and what it loads take 8 MB, which a service would keep for as long as it runs, and a tenth of a second.
    from alembic import command
    from alembic.config import Config

    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    return upgrade


def _make_private(path: Path) -> None:
    """Create the file before SQLite does, readable by its owner alone from the start."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _lock(path: Path) -> int:
    """Wait for the lock file; closing the descriptor gives it back, and so does dying."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _set_up_sqlite(connection: Any, _record: object) -> None:
    """Make a new connection durable, and leave beginning transactions to us."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once: a transaction that reads first and writes later could be refused half way."""
    driver: Any = connection.connection.driver_connection
    match connection.get_execution_options().get(_READING):
        case "once":
            driver.ask_once()
        case "all":
            driver.begin_reading()
        case _:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


class _translated:  # noqa: N801  reads as a verb where it is used
    """Turn the database's own failures into ``Unavailable``."""

    def __enter__(self) -> None:
        """Do nothing: errors are translated at the end of the block."""

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        """Translate failures of the database; mistakes in our queries pass unchanged.

        SQLAlchemy does not wrap the errors of statements on a new connection.
        """
        match problem:
            case DBAPIError() as failed:
                raise _unavailable(str(failed.orig), failed.orig) from problem
            case SQLAlchemyError():
                raise _unavailable(type(problem).__name__) from problem
            case sqlite3.Error():
                raise _unavailable(str(problem), problem) from problem
            case _:
                pass


def _is_full(failed: DBAPIError) -> bool:
    return isinstance(failed.orig, sqlite3.Error) and failed.orig.sqlite_errorcode == sqlite3.SQLITE_FULL


def _unavailable(reason: str, cause: BaseException | None = None) -> Unavailable:
    return Unavailable(
        f"The database cannot do it now ({reason}). {_remedy(cause)}",
        code="database_unavailable",
    )


def _remedy(cause: BaseException | None) -> str:
    """Return what helps against a failure of SQLite, by its primary code."""
    match getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_BUSY) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return "Make room on the disk of the data directory."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Try again; if it stays so, another program keeps the database locked."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return "Its file is damaged: stop the service and put a copy back."
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return "Look at the disk of the data directory and at the owner of its files."
        case _:
            return "It is not the database that the program expects: is it of another version? The log says more."


def _transaction(connection: AsyncConnection, clock: Callable[[], datetime]) -> Transaction:
    """Return the repositories over one connection."""
    return Transaction(
        WorkspaceRepository(connection, clock),
        SummaryRepository(connection),
        TombstoneRepository(connection),
        TokenRepository(connection),
        AuditRepository(connection),
        CheckpointRepository(connection),
        IdempotencyRepository(connection),
        LeaseRepository(connection),
        LayoutRepository(connection),
        NetworkRepository(connection),
        ProposalRepository(connection),
        PortRepository(connection),
        ShareRepository(connection),
        TransferRepository(connection),
        SshKeyRepository(connection),
        SecretRepository(connection),
        RepositoryRepository(connection),
        LoginCodeRepository(connection),
        UserRepository(connection),
        PasskeyRepository(connection),
        GroupRepository(connection),
        ProvisionedRepository(connection),
        IdentityRepository(connection),
        ProviderSessionRepository(connection),
        QuotaRepository(connection),
        RecordingRepository(connection),
        TerminalChoiceRepository(connection),
        UsageRepository(connection),
        PriceRepository(connection),
        BudgetRepository(connection),
        IdleRepository(connection),
        ScheduleRepository(connection),
        MetricRepository(connection),
        ScalingRepository(connection),
        AdviceRepository(connection),
        connection,
    )


async def pragma(database: Transaction, name: str) -> object:
    """Return one of SQLite's settings as it is in force."""
    return (await database.connection.execute(text(f"PRAGMA {name}"))).scalar_one()
