"""The journal's tables, and the steps from each version of them to the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Integer, MetaData, String, Table, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeDecorator

from accesskeys_async.rotation.failures import JournalError

__all__ = ["CANDIDATES", "ROTATIONS", "VERSION", "migrate"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
LOCK: Final = 0x616B726F74  # any number will do, as long as it is always the same


class _Moment(TypeDecorator[datetime]):
    """An aware time, as microseconds since 1970: alike in every database, and in order."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else EPOCH + value * MICROSECOND


class _Span(TypeDecorator[timedelta]):
    """A length of time, in microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:  # noqa: ARG002
        return None if value is None else value * MICROSECOND


class _Id(TypeDecorator[UUID]):
    """A UUID as its text, so that a person finds it with any tool."""

    impl = String(36)
    cache_ok = True

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> UUID | None:  # noqa: ARG002
        return None if value is None else UUID(value)


_metadata: Final = MetaData()

ROTATIONS: Final = Table(
    "accesskeys_rotations",
    _metadata,
    Column("id", _Id, primary_key=True),
    Column("organization_id", _Id, nullable=False),
    Column("key_id", _Id, nullable=False),
    Column("suffix", String(6), nullable=False),
    Column("name", String(256), nullable=False),
    Column("description", String(256), nullable=False),
    Column("grace", _Span, nullable=False),
    Column("require_idle", Boolean, nullable=False),
    Column("planned_at", _Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("stuck_at", String(16)),
    Column("aborting", Boolean, nullable=False),
    Column("due_at", _Moment),
    Column("cutover_at", _Moment),
    Column("grace_until", _Moment),
    Column("failures", Integer, nullable=False),
    Column("problem", String(1000)),
    Column("version", BigInteger, nullable=False),
    Column("owner", String(64)),
    Column("lease_until", _Moment),
)

CANDIDATES: Final = Table(
    "accesskeys_candidates",
    _metadata,
    Column("rotation_id", _Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("nonce", String(16), nullable=False),
    Column("begun_at", _Moment, nullable=False),
    Column("settle_until", _Moment, nullable=False),
    Column("key_id", _Id),
    Column("suffix", String(6)),
    Column("given", Boolean, nullable=False),
    Column("gone", Boolean, nullable=False),
)

# Each entry leads from the version of its index to the next, and is never changed once released: the
# tables above say only how the newest version is read.
_MIGRATIONS: Final = (
    (
        """
        CREATE TABLE accesskeys_rotations (
            id VARCHAR(36) PRIMARY KEY, organization_id VARCHAR(36) NOT NULL, key_id VARCHAR(36) NOT NULL,
            suffix VARCHAR(6) NOT NULL, name VARCHAR(256) NOT NULL, description VARCHAR(256) NOT NULL,
            grace BIGINT NOT NULL, require_idle BOOLEAN NOT NULL, planned_at BIGINT NOT NULL,
            state VARCHAR(16) NOT NULL, stuck_at VARCHAR(16), due_at BIGINT, cutover_at BIGINT,
            grace_until BIGINT, failures INTEGER NOT NULL, problem VARCHAR(1000), version BIGINT NOT NULL,
            owner VARCHAR(64), lease_until BIGINT
        )
        """,
        """
        CREATE TABLE accesskeys_candidates (
            rotation_id VARCHAR(36) NOT NULL REFERENCES accesskeys_rotations (id), number INTEGER NOT NULL,
            nonce VARCHAR(16) NOT NULL, begun_at BIGINT NOT NULL, settle_until BIGINT NOT NULL,
            key_id VARCHAR(36), suffix VARCHAR(6), given BOOLEAN NOT NULL, gone BOOLEAN NOT NULL,
            PRIMARY KEY (rotation_id, number)
        )
        """,
        "CREATE INDEX accesskeys_rotations_due ON accesskeys_rotations (due_at)",
    ),
    (
        "ALTER TABLE accesskeys_rotations ADD COLUMN aborting BOOLEAN NOT NULL DEFAULT FALSE",
        # Two workers that plan at the same moment must not rotate one key twice.
        """
        CREATE UNIQUE INDEX accesskeys_rotations_living ON accesskeys_rotations (organization_id, key_id)
        WHERE state NOT IN ('confirmed', 'aborted')
        """,
    ),
)

VERSION: Final = len(_MIGRATIONS)
"""The version of the tables that this release reads and writes."""


async def migrate(connection: AsyncConnection, *, to: int = VERSION) -> None:
    """Bring the tables from whatever version they have to a later one, in the connection's transaction.

    Raises JournalError where they are of a version that this release does not know.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
    await connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS accesskeys_journal (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)"
        )
    )
    # A write comes first, so that SQLite lets one process at a time through here.
    await connection.execute(
        text("INSERT INTO accesskeys_journal (id, version) VALUES (1, 0) ON CONFLICT (id) DO NOTHING")
    )
    found = (await connection.execute(text("SELECT version FROM accesskeys_journal"))).scalar_one()
    if found > VERSION:
        raise JournalError(
            f"the journal is of version {found}, this release knows up to {VERSION}; use a newer release"
        )
    for statements in _MIGRATIONS[found:to]:
        for statement in statements:
            await connection.execute(text(statement))
    if found < to:
        await connection.execute(text("UPDATE accesskeys_journal SET version = :to"), {"to": to})
