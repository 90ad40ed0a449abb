"""The organizations to audit, from a file: NDJSON or CSV, with credentials, labels and policy changes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

from attrs import field, frozen

from accesskeys_async._contract.fields import parse_uuid
from accesskeys_async.audit.errors import InventoryError
from accesskeys_async.audit.policies.loading import read_changes
from accesskeys_async.audit.policies.policy import RuleChange
from accesskeys_async.audit.records import Subject
from accesskeys_async.audit.rules.registry import Registry
from accesskeys_async.audit.scope.credentials import Credential, read_credential
from accesskeys_async.errors import one_line

COLUMNS: Final = ("organization_id", "credential", "labels", "policy")
_Row = tuple[int, Mapping[str, object]]


@frozen
class Entry:
    """One organization of an inventory."""

    subject: Subject
    credential: Credential | None = None
    """None takes the client's own token."""
    changes: Mapping[str, RuleChange] = field(factory=dict)
    """What the inventory changes of the policy for this organization."""


@frozen
class Inventory:
    """Organizations, each once, in the file's order."""

    entries: tuple[Entry, ...] = field(repr=False)
    hash: str
    """32 hexadecimal characters that stand for the file's content."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def read_inventory(path: Path, *, registry: Registry) -> Inventory:
    """Read an inventory: CSV where the name ends in `.csv`, else NDJSON.

    A line has `organization_id` and, if need be, `credential` (`env:NAME`, `file:PATH`, `cmd:PROGRAM`),
    `labels` (a list; in CSV separated by spaces) and `policy` (rules as in a policy file; in CSV as JSON).
    Empty lines are passed over. `registry` has the rules that `policy` may name.

    Raises InventoryError with the file, the line and what is expected; also for an organization that comes
    twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InventoryError(f"{path}: can't be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InventoryError(f"{path}:{line}: expected UTF-8") from None
    rows = _read_csv(path, text) if path.suffix.lower() == ".csv" else _read_ndjson(path, text)
    entries: dict[UUID, Entry] = {}
    for line, row in rows:
        entry = _read_entry(path, line, row, registry)
        organization_id = entry.subject.organization_id
        if organization_id in entries:
            first = entries[organization_id].subject.line
            raise InventoryError(f"{path}:{line}: organization {organization_id} is in line {first} already")
        entries[organization_id] = entry
    return Inventory(tuple(entries.values()), hashlib.blake2b(content, digest_size=16).hexdigest())


def _read_ndjson(path: Path, text: str) -> Iterator[_Row]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row: object = json.loads(content)
        except (ValueError, RecursionError):
            raise InventoryError(f"{path}:{line}: expected a JSON object on one line") from None
        if not isinstance(row, dict):
            raise InventoryError(f"{path}:{line}: expected a JSON object, got {type(row).__name__}")
        yield line, row


def _read_csv(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    last = 0
    try:
        names = reader.fieldnames or ()
        if "organization_id" not in names:
            raise InventoryError(
                f"{path}:1: expected a head line with organization_id; it may have {COLUMNS}"
            )
        last = reader.line_num
        for row in reader:
            line, last = last + 1, reader.line_num
            if None in row or None in row.values():
                raise InventoryError(f"{path}:{line}: expected {len(names)} fields, as in the head line")
            kept: dict[str, object] = {name: value for name, value in row.items() if value.strip()}
            if isinstance(labels := kept.get("labels"), str):
                kept["labels"] = labels.split()
            if isinstance(policy := kept.get("policy"), str):
                kept["policy"] = _parse(path, line, policy)
            yield line, kept
    except csv.Error as error:
        raise InventoryError(f"{path}:{last + 1}: expected CSV: {error}") from None


def _parse(path: Path, line: int, text: str) -> object:
    try:
        parsed: object = json.loads(text)
    except (ValueError, RecursionError):
        raise InventoryError(f"{path}:{line}: policy: expected JSON") from None
    return parsed


def _read_entry(path: Path, line: int, row: Mapping[str, object], registry: Registry) -> Entry:
    def refuse(place: str, problem: str) -> InventoryError:
        return InventoryError(f"{path}:{line}: {place}: {problem}")

    unknown = sorted(row.keys() - set(COLUMNS))
    if unknown:
        raise refuse(one_line(unknown[0], 40), f"expected one of {', '.join(COLUMNS)}")
    subject = Subject(_read_id(row, refuse), _read_labels(row, refuse), str(path), line)
    credential: Credential | None = None
    if (reference := row.get("credential")) is not None:
        if not isinstance(reference, str):
            raise refuse("credential", "expected text")
        try:
            credential = read_credential(reference, directory=path.parent)
        except ValueError as error:
            raise refuse("credential", str(error)) from None
    changes = read_changes(row.get("policy", {}), "policy", registry, refuse)
    return Entry(subject, credential, changes)


def _read_id(row: Mapping[str, object], refuse: Callable[[str, str], InventoryError]) -> UUID:
    value = row.get("organization_id")
    try:
        if isinstance(value, str):
            return parse_uuid(value.strip())
    except ValueError:
        pass
    raise refuse("organization_id", f"expected a UUID, got {one_line(repr(value), 60)}")


def _read_labels(row: Mapping[str, object], refuse: Callable[[str, str], InventoryError]) -> tuple[str, ...]:
    labels = row.get("labels", ())
    if isinstance(labels, Iterable) and not isinstance(labels, str | Mapping):
        listed = list(labels)
        if all(isinstance(label, str) and label for label in listed):
            return tuple(sorted({str(label) for label in listed}))
    raise refuse("labels", "expected a list of texts")
