"""The tables of a history, and the migrations between their versions."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from accesskeys_async._database.engine import Id, Migrations, Moment
from accesskeys_async.audit.history.records import HistoryError

_metadata: Final = MetaData()

COUNTER: Final = Table(
    "accesskeys_counter",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
"""One row: the last number that was assigned. Updating it locks the history for writing until the commit, so
numbers increase in the order of commits."""

RUNS: Final = Table(
    "accesskeys_runs",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("policy_hash", String(64), nullable=False),
    Column("elapsed", Float),
    Column("organizations", Integer, nullable=False),
    Column("unreadable", Integer, nullable=False),
    Column("keys", BigInteger, nullable=False),
    Column("critical", Integer, nullable=False),
    Column("high", Integer, nullable=False),
    Column("medium", Integer, nullable=False),
    Column("low", Integer, nullable=False),
    Column("info", Integer, nullable=False),
    Column("suppressed", Integer, nullable=False),
    Column("partly_read", Integer, nullable=False),
)
"""Each row is an audit; `elapsed` is null until it is finished."""

READINGS: Final = Table(
    "accesskeys_readings",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("run_id", BigInteger, nullable=False),
    Column("organization_id", Id, nullable=False),
    Column("taken_at", Moment, nullable=False),
    Column("keys", Integer, nullable=False),
    Column("identities", BigInteger),
    Column("uses", BigInteger),
    Column("roles", BigInteger),
    Column("rules", BigInteger),
    Column("marks", String(32)),
    Column("unreadable", String(32)),
    Column("message", Text),
    Column("new", Integer),
    Column("fixed", Integer),
    Column("reopened", Integer),
)
"""Each row is an organization in a run.

`identities` and `uses` are null if the organization could not be read completely. `roles` is also null if no
response had roles, and in rows of version 1. `rules` is null in rows of versions 1 and 2. `marks` is a hash
of the findings (severity and suppression included), the keys, and the evaluated rules: if it is the same as
at the last reading, no finding was opened or closed. `new`, `fixed` and `reopened` are null if there was no
complete reading before."""

PARTS: Final = Table(
    "accesskeys_parts",
    _metadata,
    Column("id", BigInteger, primary_key=True),
    Column("organization_id", Id, nullable=False),
    Column("digest", String(32), nullable=False),
    Column("body", LargeBinary, nullable=False),
)

FINDINGS: Final = Table(
    "accesskeys_findings",
    _metadata,
    Column("organization_id", Id, primary_key=True),
    Column("fingerprint", String(32), primary_key=True),
    Column("opened", BigInteger, primary_key=True),
    Column("closed", BigInteger),
    Column("since", Moment, nullable=False),
    Column("rule", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("key_id", Id),
    Column("key_name", Text),
    Column("message", Text, nullable=False),
    Column("suppressed", Boolean, nullable=False),
)
"""Each row is an interval of readings in which a finding was present with one severity, suppressed or not.

It starts at the reading `opened` and ends before the reading `closed`. `since` is the T of the reading that
started the first of the adjacent intervals."""

MIGRATIONS: Final = Migrations(
    what="history",
    error=HistoryError,
    table="accesskeys_history",
    lock=0x616B686973,
    steps=(
        (
            "CREATE TABLE accesskeys_counter (id INTEGER PRIMARY KEY NOT NULL, last BIGINT NOT NULL)",
            "INSERT INTO accesskeys_counter (id, last) VALUES (1, 0)",
            """
            CREATE TABLE accesskeys_runs (
                id {number} PRIMARY KEY NOT NULL, started_at BIGINT NOT NULL,
                policy_hash VARCHAR(64) NOT NULL, elapsed DOUBLE PRECISION, organizations INTEGER NOT NULL,
                unreadable INTEGER NOT NULL, keys BIGINT NOT NULL, critical INTEGER NOT NULL,
                high INTEGER NOT NULL, medium INTEGER NOT NULL, low INTEGER NOT NULL, info INTEGER NOT NULL,
                suppressed INTEGER NOT NULL
            )
            """,
            """
            CREATE TABLE accesskeys_readings (
                id {number} PRIMARY KEY NOT NULL, run_id BIGINT NOT NULL,
                organization_id VARCHAR(36) NOT NULL, taken_at BIGINT NOT NULL, keys INTEGER NOT NULL,
                identities BIGINT, uses BIGINT, marks VARCHAR(32), unreadable VARCHAR(32), message TEXT,
                new INTEGER, fixed INTEGER, reopened INTEGER, UNIQUE (run_id, organization_id)
            )
            """,
            "CREATE INDEX accesskeys_readings_of ON accesskeys_readings (organization_id, id)",
            """
            CREATE TABLE accesskeys_parts (
                id {number} PRIMARY KEY NOT NULL, organization_id VARCHAR(36) NOT NULL,
                digest VARCHAR(32) NOT NULL, body {bytes} NOT NULL, UNIQUE (organization_id, digest)
            )
            """,
            """
            CREATE TABLE accesskeys_findings (
                organization_id VARCHAR(36) NOT NULL, fingerprint VARCHAR(32) NOT NULL,
                opened BIGINT NOT NULL, closed BIGINT, since BIGINT NOT NULL, rule VARCHAR(64) NOT NULL,
                title TEXT NOT NULL, severity INTEGER NOT NULL, key_id VARCHAR(36), key_name TEXT,
                message TEXT NOT NULL, suppressed BOOLEAN NOT NULL,
                PRIMARY KEY (organization_id, fingerprint, opened)
            )
            """,
        ),
        (
            "ALTER TABLE accesskeys_readings ADD COLUMN roles BIGINT",
            "ALTER TABLE accesskeys_runs ADD COLUMN partly_read INTEGER NOT NULL DEFAULT 0",
        ),
        ("ALTER TABLE accesskeys_readings ADD COLUMN rules BIGINT",),
    ),
)
