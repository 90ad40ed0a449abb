"""What an audit has read so far, on disk, so that one that was killed goes on where it stood."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from attrs import field, frozen

from accesskeys_async._append_file import AppendFile
from accesskeys_async._atomic_file import sync_folder
from accesskeys_async._contract.decoding import read_page
from accesskeys_async._contract.writing import dump_key
from accesskeys_async._resources import Resource
from accesskeys_async.audit.errors import CheckpointError, CheckpointWriteError
from accesskeys_async.audit.records import UnreadableReason
from accesskeys_async.audit.run.sealed_lines import open_line, seal_line
from accesskeys_async.errors import APIResponseError
from accesskeys_async.records import AccessKey

FORMAT: Final = "accesskeys audit checkpoint 2"
OLD_FORMATS: Final = frozenset({"accesskeys audit checkpoint 1"})
_PAGE: Final = b',"page":'


@frozen
class Reading:
    """An organization's keys, read whole."""

    keys: tuple[AccessKey, ...] = field(repr=False)
    own_suffix: str = ""
    """The suffix of the token that they were read with."""
    unread_roles: Mapping[UUID, UnreadableReason] | None = field(default=None, repr=False)
    """Why the roles of some keys could not be read; None if nobody requested roles."""

    @property
    def failed_roles(self) -> int:
        """How many keys there are with roles that could not be read; without those deleted since the list."""
        return sum(reason is not UnreadableReason.MISSING for reason in (self.unread_roles or {}).values())


class Checkpoint(Resource):
    """A file of one line for each organization that was read whole, on the disk before it is reported.

    It keeps what was read and not what was found: the rules judge it again, so that a resumed audit ends with
    the findings of one that was never stopped. An organization that could not be read is not kept, and is
    tried again. A last line that was cut off by a crash is dropped. Each line has a digest, and one that is
    not what was written is refused. There are no tokens in it.
    """

    def __init__(self, file: AppendFile, started_at: datetime, *, roles: bool) -> None:
        self._path = file.path
        self._file = file
        self.started_at = started_at
        """The T of the audit that began it."""
        self.roles = roles
        """Whether its audit reads the roles of keys."""
        self._places: dict[UUID, tuple[int, int]] = {}
        self._pending: list[bytes] = []
        self._turn = asyncio.Lock()
        self._failure: CheckpointWriteError | None = None
        self._is_closed = False
        self._head_size = 0

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        policy_hash: str,
        inventory_hash: str,
        roles: bool = False,
        resume: bool = False,
        now: datetime,
    ) -> Checkpoint:
        """Begin a checkpoint, or `resume` one of the same policy and inventory, with `roles` or without.

        Without `resume` the file must not exist; with it, it may be missing, and is begun. Raises
        CheckpointError with the path and what to do; CheckpointWriteError if it can't be written, and then
        there is no file of it.
        """
        head = {
            "format": FORMAT,
            "policy": policy_hash,
            "inventory": inventory_hash,
            "roles": "read" if roles else "not read",
        }
        try:
            file = AppendFile(path, exclusive=not resume)
        except FileExistsError:
            raise CheckpointError(f"{path}: exists already; resume it, or name another") from None
        except OSError as error:
            raise CheckpointError(f"{path}: can't be opened: {error.strerror}") from error
        checkpoint = cls(file, now.astimezone(UTC), roles=roles)
        try:
            checkpoint._lock()
            if not checkpoint._read(head):
                checkpoint._begin(head)
        except BaseException:
            checkpoint.close()
            raise
        return checkpoint

    def __contains__(self, organization_id: UUID) -> bool:
        return organization_id in self._places

    def __len__(self) -> int:
        return len(self._places)

    async def load(self, organization_id: UUID) -> Reading | None:
        """Return what was read of an organization; None where it was not read whole."""
        place = self._places.get(organization_id)
        if place is None:
            return None
        offset, length = place
        line = open_line(await asyncio.to_thread(self._file.read_at, offset, length)) or b""
        head, _, page = line.partition(_PAGE)
        try:
            said = json.loads(head + b"}")
            own_suffix, unread = said["own_suffix"], said["unread_roles"]
            unread_roles = (
                None
                if unread is None
                else {UUID(name): UnreadableReason(why) for name, why in unread.items()}
            )
            keys = read_page(page[:-2], organization_id=organization_id).results
        except (ValueError, KeyError, AttributeError, APIResponseError) as error:
            raise CheckpointError(
                f"{self._path}: organization {organization_id} can't be read back"
            ) from error
        return Reading(keys, own_suffix, unread_roles)

    async def add(self, organization_id: UUID, reading: Reading) -> None:
        """Write an organization down, and return when it is on the disk. Raises CheckpointWriteError."""
        unread = reading.unread_roles
        head = {
            "organization": str(organization_id),
            "own_suffix": reading.own_suffix,
            "unread_roles": None if unread is None else {str(key_id): why for key_id, why in unread.items()},
        }
        page = {"results": [dump_key(key) for key in reading.keys]}
        line = (
            json.dumps(head)[:-1].encode() + _PAGE + json.dumps(page, separators=(",", ":")).encode() + b"}\n"
        )
        self._pending.append(seal_line(line))
        async with self._turn:
            # Whoever waited longest writes for all who came meanwhile: one fsync for many lines.
            lines, self._pending = self._pending, []
            if lines and self._failure is None:
                await self._write_for_all(b"".join(lines))
            if self._failure is not None:
                raise self._failure

    def close(self) -> None:
        """Close the file, and remove it if it could not be written and has no organization in it.

        Closing twice is harmless.
        """
        if not self._is_closed and self._failure is not None and self._file.size <= self._head_size:
            with contextlib.suppress(OSError):
                self._path.unlink()
        self._is_closed = True
        self._file.close()

    def _lock(self) -> None:
        try:
            self._file.lock()
        except OSError:
            raise CheckpointError(
                f"{self._path}: another audit is writing it; wait, or name another"
            ) from None

    def _read(self, head: dict[str, str]) -> bool:
        """Find the organizations in the file, and return whether it has a head."""
        for number, offset, line in self._file.read():
            if not line.endswith(b"\n"):
                self._check_torn(number, line)
            elif number == 1:
                self._read_head(line, head)
                self._head_size = len(line)
            else:
                self._places[self._read_id(number, open_line(line) or b"")] = (offset, len(line))
        return self._file.size > 0

    def _check_torn(self, number: int, line: bytes) -> None:
        mark = json.dumps({"format": FORMAT})[:-1].encode()
        if number == 1 and not line.startswith(mark[: len(line)]):
            raise CheckpointError(f"{self._path}: is no checkpoint, and is left as it is; name another")

    def _read_head(self, line: bytes, expected: dict[str, str]) -> None:
        try:
            head = json.loads(line)
            found = {"format": str(head["format"])}
            if found["format"] == FORMAT:
                found = {name: str(head[name]) for name in expected}
            started_at = datetime.fromisoformat(head["started_at"])
        except (ValueError, KeyError, TypeError):
            found, started_at = {}, self.started_at
        if found.get("format") in OLD_FORMATS:
            raise CheckpointError(f"{self._path}: is of an earlier release; begin a new one")
        if found.get("format") != FORMAT:
            raise CheckpointError(f"{self._path}: is no checkpoint, and is left as it is; name another")
        if open_line(line) is None:
            raise CheckpointError(f"{self._path}:1: is damaged; begin a new one")
        for name in ("policy", "inventory"):
            if found[name] != expected[name]:
                raise CheckpointError(f"{self._path}: is of another {name}; begin a new one")
        if found["roles"] != expected["roles"]:
            problem = f"is of an audit with roles {found['roles']}, not with roles {expected['roles']}"
            raise CheckpointError(f"{self._path}: {problem}; begin a new one, or go on as it was begun")
        self.started_at = started_at

    def _read_id(self, number: int, line: bytes) -> UUID:
        try:
            return UUID(json.loads(line.partition(_PAGE)[0] + b"}")["organization"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CheckpointError(f"{self._path}:{number}: is damaged; begin a new one") from None

    def _begin(self, head: dict[str, str]) -> None:
        line = seal_line(json.dumps({**head, "started_at": self.started_at.isoformat()}).encode() + b"\n")
        self._head_size = len(line)
        self._write(line)
        if self._failure is None:
            try:
                sync_folder(self._path.parent)
            except OSError as error:
                self._fail(error)
        if self._failure is not None:
            raise self._failure

    async def _write_for_all(self, lines: bytes) -> None:
        # In a task that is waited for even when we are cancelled: the file must not be closed under it.
        writing = asyncio.ensure_future(asyncio.to_thread(self._write, lines))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait({writing})
            raise

    def _write(self, lines: bytes) -> None:
        try:
            self._file.append(lines)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        advice = "resume it" if self._file.size > self._head_size else "begin it again"
        self._failure = CheckpointWriteError(
            f"{self._path}: can't be written: {error.strerror}; see to its disk, then {advice}"
        )
