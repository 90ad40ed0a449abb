"""The SQLite file, or memory: its tables, its durability and who may write when."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_VERSION = 2
_SCHEMA = f"""
PRAGMA user_version = {_VERSION};
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS organizations (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS keys (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    organization TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    selector BLOB NOT NULL,
    digest BLOB NOT NULL,
    opening TEXT NOT NULL,
    last_used_at TEXT
);
CREATE INDEX IF NOT EXISTS keys_of_organization ON keys (organization);
CREATE INDEX IF NOT EXISTS keys_by_selector ON keys (selector);
"""

# A use of a key is noted here and reaches the table with the next write: a disk write for every request
# would make reading as slow as writing.
_USES = "CREATE TEMP TABLE uses (position INTEGER PRIMARY KEY, at TEXT NOT NULL)"


class Database:
    """Two connections to one file: readers never wait for a write to reach the disk.

    In memory there is only one connection, with one lock for both uses. Every method may be called from
    any thread.

    Raises:
        ValueError: The file cannot be opened, or is not an SQLite database.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._write_lock = threading.RLock()
        self._closed = False
        if path is None:
            self._writer = self._reader = _connect(":memory:")
            self._read_lock = self._write_lock
            self._writer.executescript(_SCHEMA)
        else:
            self._writer, self._reader = _open_file(os.fspath(path))
            self._read_lock = threading.RLock()
        self._reader.execute("PRAGMA temp_store = MEMORY")
        self._reader.execute(_USES)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection that reads, and that notes uses."""
        with self._read_lock:
            yield self._reader

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection that writes, in one transaction that is on disk when the block is left."""
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def close(self) -> None:
        """Close both connections; a second call does nothing."""
        with self._write_lock, self._read_lock:
            if not self._closed:
                self._closed = True
                self._reader.close()
                self._writer.close()


def _connect(location: str) -> sqlite3.Connection:
    return sqlite3.connect(location, isolation_level=None, check_same_thread=False, timeout=5.0)


def _open_file(location: str) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    opened: list[sqlite3.Connection] = []
    try:
        for _ in range(2):
            opened.append(_connect(location))
            opened[-1].execute("PRAGMA journal_mode = WAL")
            opened[-1].execute("PRAGMA synchronous = FULL")
            _check_version(opened[-1])
            opened[-1].executescript(_SCHEMA)
    except sqlite3.Error as error:
        for connection in opened:
            connection.close()
        raise ValueError(f"cannot open the database {location}: {error}; give another file") from error
    writer, reader = opened
    return writer, reader


def _check_version(connection: sqlite3.Connection) -> None:
    ((version,),) = connection.execute("PRAGMA user_version")
    ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    if tables and version != _VERSION:
        raise sqlite3.DatabaseError("it was created by another version or another program")
