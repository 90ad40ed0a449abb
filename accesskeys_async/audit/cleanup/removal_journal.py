"""What came of each key of a plan, on disk, so that an applying that was cut short goes on where it stood."""

from __future__ import annotations

import enum
import json
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from accesskeys_async._append_file import AppendFile
from accesskeys_async._contract.fields import parse_uuid
from accesskeys_async._resources import Resource
from accesskeys_async.audit.cleanup.plan import Candidate
from accesskeys_async.audit.errors import AuditError

FORMAT: Final = "accesskeys audit removals 1"
_BEGUN: Final = "deleting"


class RemovalJournalError(AuditError):
    """Refuse a journal of removals that can't be written, or that is of another plan."""


class Act(enum.Enum):
    """What came of a key that was to be deleted."""

    DELETED = "deleted"
    GONE = "gone"
    """It was not there any more."""
    USED = "used"
    """It was used since the plan was made: left alone."""
    CHANGED = "changed"
    """It is not as the plan saw it: left alone."""
    OWN = "own"
    """Its token is the one that is asking: left alone."""
    FAILED = "failed"
    """It could not be read or deleted; the next call tries again."""
    LEFT = "left"
    """As many as may be deleted in one call were; the next call goes on."""

    @property
    def is_final(self) -> bool:
        """Whether the next call has nothing to do about it."""
        return self not in {Act.FAILED, Act.LEFT}


class RemovalJournal(Resource):
    """A file of one line for each act, on the disk before and after each deletion. It holds no token."""

    def __init__(self, file: AppendFile) -> None:
        self._path = file.path
        self._file = file
        self.settled: dict[UUID, Act] = {}
        """Keys that are done with, by id."""
        self.begun: set[UUID] = set()
        """Keys whose deletion was begun, by id."""

    @classmethod
    def open(cls, path: Path, *, plan_hash: str) -> RemovalJournal:
        """Begin a journal, or go on with one of the same plan. Raises RemovalJournalError."""
        try:
            journal = cls(AppendFile(path))
        except OSError as error:
            raise RemovalJournalError(f"{path}: can't be opened: {error.strerror}") from error
        try:
            journal._lock()
            head = {"format": FORMAT, "plan": plan_hash}
            if not journal._read(head):
                journal._write(head)
        except BaseException:
            journal.close()
            raise
        return journal

    def begin(self, candidate: Candidate, *, at: datetime) -> None:
        """Write down that a key is about to be deleted. Raises RemovalJournalError."""
        self._note(candidate, _BEGUN, at)
        self.begun.add(candidate.key_id)

    def settle(self, candidate: Candidate, act: Act, reason: str, *, at: datetime) -> None:
        """Write down what came of a key. Raises RemovalJournalError."""
        self._note(candidate, act.value, at, reason)
        if act.is_final:
            self.settled[candidate.key_id] = act

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        self._file.close()

    def _lock(self) -> None:
        if not self._file.is_regular:
            raise RemovalJournalError(f"{self._path}: is no regular file; name another with --journal")
        try:
            self._file.lock()
        except OSError:
            raise RemovalJournalError(f"{self._path}: another call is applying this plan; wait") from None

    def _read(self, head: dict[str, str]) -> bool:
        """Read the file, and return whether it has a head."""
        for number, _, line in self._file.read():
            if number == 1:
                self._check_head(line, head)
            elif line.endswith(b"\n"):
                self._read_line(number, line)
        return self._file.size > 0

    def _check_head(self, line: bytes, head: dict[str, str]) -> None:
        expected = json.dumps(head).encode() + b"\n"
        if expected.startswith(line):
            return
        if line.startswith(json.dumps({"format": FORMAT}).encode()[:-1]):
            raise RemovalJournalError(f"{self._path}: is of another plan; name another with --journal")
        raise RemovalJournalError(f"{self._path}: is no journal of removals; name another with --journal")

    def _read_line(self, number: int, line: bytes) -> None:
        try:
            row = json.loads(line)
            key_id, act = parse_uuid(row["id"]), row["act"]
            if act == _BEGUN:
                self.begun.add(key_id)
            elif Act(act).is_final:
                self.settled[key_id] = Act(act)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RemovalJournalError(f"{self._path}:{number}: is damaged; name another") from None

    def _note(self, candidate: Candidate, act: str, at: datetime, reason: str = "") -> None:
        row = {
            "at": at.isoformat(timespec="seconds"),
            "organizationId": str(candidate.organization_id),
            "id": str(candidate.key_id),
            "suffix": candidate.suffix,
            "act": act,
        }
        self._write({**row, "reason": reason} if reason else row)

    def _write(self, row: dict[str, str]) -> None:
        # Not in a thread: the next step must not begin before this one is on the disk.
        try:
            self._file.append(json.dumps(row).encode() + b"\n")
        except OSError as error:
            raise RemovalJournalError(f"{self._path}: can't be written: {error.strerror}") from error
