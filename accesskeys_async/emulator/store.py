"""The access keys: what is kept, how it is found, and what a change does to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import attrs

from .clock import Clock, timestamp
from .database import Database
from .derivation import SUFFIX_LENGTH, Derivation
from .fingerprint import Fingerprint
from .population import Population
from .records import LAST_USED, StoredKey, closed, opening, read_opening, read_refs, role_fields
from .roles import Directory, KnownRoles, StoredRole
from .validation import Draft, ListQuery

# One row comes back however long the page is: sqlite3 gives up the GIL at every row, and in a process whose
# other threads are busy each time costs a wait for it. The subquery's order is the order of the page.
_PAGE = """
SELECT count(*), CAST(group_concat(
         opening || '{last_used}' || ifnull('"' || used || '"', 'null') || '}}', ',') AS BLOB),
       {farthest}(position)
FROM (SELECT position, opening, ifnull(at, last_used_at) AS used
      FROM keys LEFT JOIN temp.uses USING (position)
      WHERE organization = ? AND position {beyond} ? ORDER BY position {order} LIMIT ?)
"""
_MORE = "SELECT EXISTS (SELECT 1 FROM keys WHERE organization = ? AND position {beyond} ?)"
_FORWARD = {"last_used": LAST_USED, "farthest": "max", "beyond": ">", "order": "ASC"}
_REVERSE = {"last_used": LAST_USED, "farthest": "min", "beyond": "<", "order": "DESC"}
_PAGES = {False: _PAGE.format(**_FORWARD), True: _PAGE.format(**_REVERSE)}
_MORES = {False: _MORE.format(**_FORWARD), True: _MORE.format(**_REVERSE)}
_END = 2**63 - 1

_INSERT = (
    "INSERT INTO keys (organization, id, selector, digest, opening, last_used_at) VALUES (?, ?, ?, ?, ?, ?)"
)
_STORED = """
SELECT keys.id, opening, ifnull(at, last_used_at) FROM keys LEFT JOIN temp.uses USING (position)
"""


@attrs.frozen
class Bearer:
    """The living key that a token belongs to."""

    position: int
    key_id: str
    organization_id: str


@attrs.frozen
class Page:
    """The records of a page as JSON with commas between, and where the next page begins if there is one."""

    records: bytes
    next_position: int | None


class Store:
    """Keep the keys in a database; any thread may call.

    What a method that changes something has returned from is on disk, if there is a disk.

    Raises:
        ValueError: The database holds another population than the one that is asked for.
    """

    def __init__(self, database: Database, population: Population, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._population = population
        self._derive = Derivation(population.seed)
        self._directory = Directory(population.seed)
        wanted = attrs.asdict(population)
        with database.writing() as connection:
            found = dict(connection.execute("SELECT name, value FROM settings WHERE name != 'signing_key'"))
            if not found:
                self._populate(connection)
            elif found != wanted:
                held = ", ".join(f"{name}={found.get(name)}" for name in wanted)
                raise ValueError(f"the database was made with {held}; give the same, or another file")

    @property
    def signing_key(self) -> bytes:
        """The key that page tokens are signed with; it lives as long as the database."""
        with self._database.reading() as connection:
            ((key,),) = connection.execute("SELECT value FROM settings WHERE name = 'signing_key'")
        return bytes(key)

    def reset(self) -> None:
        """Put the population back as it was made, with its ages counted from now."""
        with self._database.writing() as connection, self._database.reading() as reader:
            for table in ("keys", "organizations", "settings", "sqlite_sequence"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - the names are the four above
            reader.execute("DELETE FROM temp.uses")
            self._populate(connection)

    def find_bearer(self, token: str) -> Bearer | None:
        """Return the living key that a token belongs to, or None."""
        fingerprint = Fingerprint.of(token)
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT position, id, organization, digest FROM keys WHERE selector = ?",
                (fingerprint.selector,),
            ).fetchall()
        for position, key_id, organization_id, digest in rows:
            if fingerprint.matches(digest):
                return Bearer(position, key_id, organization_id)
        return None

    def note_use(self, bearer: Bearer) -> None:
        """Make this moment the key's last use; it reaches the disk with the next change, or at the end."""
        with self._database.reading() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO temp.uses VALUES (?, ?)", (bearer.position, self._timestamp())
            )

    def has_organization(self, organization_id: str) -> bool:
        """Tell whether an organization exists."""
        with self._database.reading() as connection:
            ((found,),) = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM organizations WHERE id = ?)", (organization_id,)
            )
        return bool(found)

    def list_page(self, organization_id: str, query: ListQuery, *, after: int | None) -> Page:
        """Return the keys that follow a position, oldest first, or newest first if reversed."""
        start = after if after is not None else _END if query.reverse else 0
        with self._database.reading() as connection:
            ((count, records, farthest),) = connection.execute(
                _PAGES[query.reverse], (organization_id, start, query.limit)
            )
            if count < query.limit:
                return Page(records or b"", None)
            ((more,),) = connection.execute(_MORES[query.reverse], (organization_id, farthest))
        return Page(records, farthest if more else None)

    def known_roles(self, organization_id: str) -> KnownRoles:
        """Return the roles and workspaces of an organization."""
        return self._directory.known(organization_id)

    def roles_of(self, bearer: Bearer) -> tuple[StoredRole, ...]:
        """Return the roles of the key that a token belongs to; none if it was deleted since."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT opening FROM keys WHERE position = ?", (bearer.position,))
            refs = [ref for (text,) in rows for ref in read_refs(read_opening(text))]
        return self.known_roles(bearer.organization_id).find(refs)

    def get(self, organization_id: str, key_id: str) -> str | None:
        """Return a record as JSON, with its roles whole in the place of the references, or None."""
        with self._database.reading() as connection:
            row = connection.execute(
                _STORED + "WHERE organization = ? AND keys.id = ?", (organization_id, key_id)
            ).fetchone()
        if row is None:
            return None
        fields = read_opening(row[1])
        roles = self.known_roles(organization_id).find(read_refs(fields))
        del fields["roleRefs"], fields["roleIds"]
        fields["roles"] = [role.to_json() for role in roles]
        return closed(opening(fields), row[2])

    def create(self, organization_id: str, draft: Draft) -> str:
        """Keep a new key and return it as JSON, beside its token: the only time that it is told."""
        now = self._timestamp()
        with self._changing() as connection:
            ((last,),) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'keys'")
            key_id = self._derive.identifier("created", last + 1)
            token = self._derive.token("created", last + 1)
            record = {
                "id": key_id,
                "organizationId": organization_id,
                "name": draft.name,
                "type": "user",
                "description": draft.description,
                "suffix": token[-SUFFIX_LENGTH:],
                "createdAt": now,
                "updatedAt": now,
                **role_fields(draft.role_refs or ()),
            }
            text = opening(record)
            fingerprint = Fingerprint.of(token)
            connection.execute(
                _INSERT, (organization_id, key_id, fingerprint.selector, fingerprint.digest, text, None)
            )
        return f'{{"accessKey":{closed(text, None)},"token":"{token}"}}'

    def update(self, organization_id: str, key_id: str, draft: Draft) -> str | None:
        """Change what the draft names, and updatedAt; return the record, or None."""
        with self._changing() as connection:
            row = connection.execute(
                "SELECT opening, last_used_at FROM keys WHERE organization = ? AND id = ?",
                (organization_id, key_id),
            ).fetchone()
            if row is None:
                return None
            fields = read_opening(row[0])
            named = {"name": draft.name, "description": draft.description, "updatedAt": self._timestamp()}
            fields.update({field: value for field, value in named.items() if value is not None})
            if draft.role_refs is not None:
                fields.update(role_fields(draft.role_refs))
            text = opening(fields)
            connection.execute("UPDATE keys SET opening = ? WHERE id = ?", (text, key_id))
        return closed(text, row[1])

    def delete(self, organization_id: str, key_id: str) -> bool:
        """Forget a key; from here on its token is unknown. Return False if there was none."""
        with self._changing() as connection:
            cursor = connection.execute(
                "DELETE FROM keys WHERE organization = ? AND id = ?", (organization_id, key_id)
            )
        return cursor.rowcount == 1

    def stored_keys(self, organization_id: str) -> tuple[StoredKey, ...]:
        """Return every key of an organization, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _STORED + "WHERE organization = ? ORDER BY keys.position", (organization_id,)
            ).fetchall()
        return tuple(_stored(organization_id, row) for row in rows)

    def close(self) -> None:
        """Write down the last uses and close the database."""
        with self._changing():
            pass
        self._database.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._database.reading() as reader:
            uses = reader.execute("SELECT at, position FROM temp.uses").fetchall()
        with self._database.writing() as connection:
            connection.executemany("UPDATE keys SET last_used_at = ? WHERE position = ?", uses)
            yield connection
        with self._database.reading() as reader:
            # A use that came in since is later than what was written, and stays.
            reader.executemany("DELETE FROM temp.uses WHERE at = ? AND position = ?", uses)

    def _timestamp(self) -> str:
        return timestamp(self._clock.now())

    def _populate(self, connection: sqlite3.Connection) -> None:
        settings = {**attrs.asdict(self._population), "signing_key": self._derive.octets("signing key")}
        connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
        connection.executemany(
            "INSERT INTO organizations (id) VALUES (?)",
            [(organization.id,) for organization in self._population.list_organizations()],
        )
        connection.executemany(_INSERT, self._population.rows(self._clock.now()))


def _stored(organization_id: str, row: tuple[str, str, str | None]) -> StoredKey:
    key_id, text, last_used_at = row
    read = read_opening(text)
    fields = cast("dict[str, str]", read)  # every field that is not of roles is a string
    return StoredKey(
        id=key_id,
        organization_id=organization_id,
        name=fields["name"],
        description=fields.get("description"),
        type=fields["type"],
        suffix=fields["suffix"],
        created_at=fields["createdAt"],
        updated_at=fields.get("updatedAt"),
        last_used_at=last_used_at,
        role_refs=read_refs(read),
    )
