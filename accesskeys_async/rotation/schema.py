"""The journal's tables, and the steps from each version of them to the next."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Dialect, Integer, MetaData, String, Table, Text
from sqlalchemy.types import TypeDecorator

from accesskeys_async._database.engine import Id, Migrations, Moment, Span
from accesskeys_async.records import UNSET, RoleRef
from accesskeys_async.rotation.failures import JournalError

MAX_PROBLEM: Final = 1000
"""Characters that the journal takes of a problem."""


class RoleRefsText(TypeDecorator[tuple[RoleRef, ...]]):
    """References to roles, as JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[RoleRef, ...] | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """Write them."""
        return None if value is None else json.dumps([write_ref(ref) for ref in value])

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[RoleRef, ...] | None:  # noqa: ARG002
        """Read them."""
        return None if value is None else tuple(_read_ref(ref) for ref in json.loads(value))


def write_ref(ref: RoleRef) -> dict[str, object]:
    """Return a reference as the API writes it, without what it does not tell."""
    written: dict[str, object] = {"id": str(ref.id)}
    if isinstance(ref.type, str):
        written["type"] = ref.type
    if ref.workspaces:
        written["workspaces"] = [str(workspace) for workspace in ref.workspaces]
    return written


def _read_ref(written: dict[str, Any]) -> RoleRef:
    workspaces = tuple(UUID(workspace) for workspace in written.get("workspaces", ()))
    return RoleRef(UUID(written["id"]), written.get("type", UNSET), workspaces or UNSET)


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
    Column("copy_roles", Boolean, nullable=False),
    Column("role_refs", RoleRefsText),
    Column("stuck_at", String(16)),
    Column("aborting", Boolean, nullable=False),
    Column("due_at", Moment),
    Column("cutover_at", Moment),
    Column("grace_until", Moment),
    Column("failures", Integer, nullable=False),
    Column("problem", String(MAX_PROBLEM)),
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
            "ALTER TABLE accesskeys_rotations ADD COLUMN copy_roles BOOLEAN NOT NULL DEFAULT TRUE",
            "ALTER TABLE accesskeys_rotations ADD COLUMN role_refs TEXT",
        ),
    ),
)
