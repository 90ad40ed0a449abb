"""The journal's tables, and the steps from each version of them to the next."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table

from accesskeys_async.database import Id, Migrations, Moment, Span
from accesskeys_async.rotation.failures import JournalError

__all__ = ["CANDIDATES", "MIGRATIONS", "ROTATIONS"]

_metadata: Final = MetaData()

ROTATIONS: Final = Table(
    "accesskeys_rotations",
    _metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", Id, nullable=False),
    Column("key_id", Id, nullable=False),
    Column("suffix", String(6), nullable=False),
    Column("name", String(256), nullable=False),
    Column("description", String(256), nullable=False),
    Column("grace", Span, nullable=False),
    Column("require_idle", Boolean, nullable=False),
    Column("planned_at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("target", String(32)),
    Column("stuck_at", String(16)),
    Column("aborting", Boolean, nullable=False),
    Column("due_at", Moment),
    Column("cutover_at", Moment),
    Column("grace_until", Moment),
    Column("failures", Integer, nullable=False),
    Column("problem", String(1000)),
    Column("version", BigInteger, nullable=False),
    Column("owner", String(64)),
    Column("lease_until", Moment),
)

CANDIDATES: Final = Table(
    "accesskeys_candidates",
    _metadata,
    Column("rotation_id", Id, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("nonce", String(16), nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("settle_until", Moment, nullable=False),
    Column("key_id", Id),
    Column("suffix", String(6)),
    Column("given", Boolean, nullable=False),
    Column("gone", Boolean, nullable=False),
)

# The tables above say only how the newest version is read.
MIGRATIONS: Final = Migrations(
    what="journal",
    error=JournalError,
    table="accesskeys_journal",
    lock=0x616B726F74,
    steps=(
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
                rotation_id VARCHAR(36) NOT NULL REFERENCES accesskeys_rotations (id),
                number INTEGER NOT NULL, nonce VARCHAR(16) NOT NULL, begun_at BIGINT NOT NULL,
                settle_until BIGINT NOT NULL, key_id VARCHAR(36), suffix VARCHAR(6),
                given BOOLEAN NOT NULL, gone BOOLEAN NOT NULL, PRIMARY KEY (rotation_id, number)
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
        (
            "ALTER TABLE accesskeys_rotations ADD COLUMN target VARCHAR(32)",
            # Two workers that begin at the same moment must not put two tokens in one place.
            """
            CREATE UNIQUE INDEX accesskeys_rotations_target ON accesskeys_rotations (target)
            WHERE state NOT IN ('confirmed', 'aborted')
            """,
        ),
    ),
)
