"""Which keys an audit would have deleted, written down with what was seen of each, for a person to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from attrs import define, field, frozen

from accesskeys_async._contract.fields import parse_uuid
from accesskeys_async._contract.writing import dump_key, dump_printable
from accesskeys_async.audit.errors import AuditError
from accesskeys_async.audit.records import Finding, OrganizationAudit, Summary
from accesskeys_async.audit.rules.rule import Rule, Scope
from accesskeys_async.audit.rules.withheld_names import SECRET_RULE, WITHHELD
from accesskeys_async.errors import one_line
from accesskeys_async.records import AccessKey, Unset

FORMAT: Final = "accesskeys audit plan 2"
_ADVICE: Final = "make one with: accesskeys audit plan"

_ROLE_FIELDS: Final = frozenset({"roleRefs", "roleIds", "roles"})


class PlanError(AuditError):
    """Refuse a plan that can't be read, or rules that no plan can be made of."""


@frozen
class Sight:
    """What was seen of a key, as a hash: two sights of one key are equal as long as nothing has changed."""

    fields: tuple[str, ...]
    """The API's names of what the answer said; a listing may say less than a reading of one key."""
    digest: str
    """32 hexadecimal characters."""

    @classmethod
    def of(cls, key: AccessKey, fields: Iterable[str] | None = None) -> Sight:
        """Look at a key, or at some of its fields."""
        row: dict[str, object] = {
            name: value for name, value in dump_key(key).items() if name not in _ROLE_FIELDS
        }
        # A list has references to roles and a get has whole ones: what both tell is which roles there are.
        if (roles := _identify_roles(key)) is not None:
            row["roles"] = roles
        names = tuple(sorted(row if fields is None else set(fields) & row.keys()))
        text = json.dumps([[name, row[name]] for name in names], separators=(",", ":"))
        return cls(names, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())

    def is_of(self, key: AccessKey) -> bool:
        """Tell whether a key still looks the same."""
        return Sight.of(key, self.fields) == self


def _identify_roles(key: AccessKey) -> list[str] | None:
    """Return the ids of a key's roles in order; None if the response did not tell them."""
    if not isinstance(key.roles, Unset):
        return sorted({str(role.id) for role in key.roles or ()})
    if not isinstance(key.role_refs, Unset):
        return sorted({str(one.id) for one in key.role_refs or ()})
    if not isinstance(key.role_ids, Unset):
        return sorted({one.lower() for one in key.role_ids or ()})
    return None


@frozen(kw_only=True)
class Candidate:
    """A key that is to be deleted, if nothing has happened to it since."""

    organization_id: UUID
    key_id: UUID
    name: str
    suffix: str
    created_at: datetime
    last_used_at: datetime | None
    reasons: Mapping[str, str]
    """The rules that found it, and what each said."""
    sight: Sight


@frozen(kw_only=True)
class Plan:
    """What is to be deleted. Nothing is, without one."""

    made_at: datetime
    """The T of the audit that it was made of."""
    policy_hash: str
    rules: tuple[str, ...]
    is_complete: bool
    """Whether every organization was read whole; if not, the plan has only what was."""
    inventory: str | None = None
    """The inventory whose tokens the audit used; None if it used none."""
    candidates: tuple[Candidate, ...]

    @property
    def hash(self) -> str:
        """32 hexadecimal characters that stand for all of it."""
        return hashlib.blake2b(dump_plan(self), digest_size=16).hexdigest()


def check_rules(rules: Iterable[str], registry: Mapping[str, Rule]) -> frozenset[str]:
    """Return the rules that a plan is to be made of. Raises PlanError for one that names no keys."""
    wanted = frozenset(rules)
    if not wanted:
        raise PlanError("a plan needs a rule, such as AK001")
    for rule_id in sorted(wanted):
        if rule_id not in registry:
            raise PlanError(f"there is no rule {one_line(rule_id, 40)}; there is {', '.join(registry)}")
        if registry[rule_id].scope is not Scope.KEY:
            raise PlanError(
                f"{rule_id} ({registry[rule_id].title}) finds no single keys by itself: nothing to delete"
            )
    return wanted


@define
class Planner:
    """Collects from an audit, as it goes by, the keys that some rules found.

    Left out, and counted, are the auditor's own key, one with a finding that is suppressed, and one of
    which the answer did not say when it was last used.
    """

    rules: frozenset[str]
    own: int = field(default=0, init=False)
    suppressed: int = field(default=0, init=False)
    unknown: int = field(default=0, init=False)
    _candidates: list[Candidate] = field(factory=list, init=False)

    def add(self, audited: OrganizationAudit) -> None:
        """Take in one organization."""
        found: dict[UUID, list[Finding]] = {}
        secret: set[UUID] = set()
        for finding in audited.findings:
            if finding.key is not None:
                if finding.rule in self.rules:
                    found.setdefault(finding.key.id, []).append(finding)
                if finding.rule == SECRET_RULE:
                    secret.add(finding.key.id)
        for key_id, findings in found.items():
            self._add_key(findings, withheld=key_id in secret)

    def _add_key(self, findings: list[Finding], *, withheld: bool) -> None:
        key = findings[0].key
        assert key is not None
        if any(finding.is_own_key for finding in findings):
            self.own += 1
        elif any(finding.suppressed is not None for finding in findings):
            self.suppressed += 1
        elif isinstance(key.last_used_at, Unset):
            self.unknown += 1
        else:
            candidate = Candidate(
                organization_id=key.organization_id,
                key_id=key.id,
                name=WITHHELD if withheld else key.name,
                suffix=key.suffix,
                created_at=key.created_at,
                last_used_at=key.last_used_at,
                reasons={finding.rule: finding.message for finding in findings},
                sight=Sight.of(key),
            )
            self._candidates.append(candidate)

    def finish(self, summary: Summary, *, inventory: str | None = None) -> Plan:
        """Return the plan, its keys by organization, the oldest first."""
        ordered = sorted(self._candidates, key=lambda one: (one.organization_id.int, one.created_at))
        return Plan(
            made_at=summary.started_at,
            policy_hash=summary.policy_hash,
            rules=tuple(sorted(self.rules)),
            is_complete=summary.is_complete,
            inventory=inventory,
            candidates=tuple(ordered),
        )


def dump_plan(plan: Plan) -> bytes:
    """Write a plan as JSON, a line for each key, so that a person can read it and strike keys out."""
    head: dict[str, object] = {
        "format": FORMAT,
        "madeAt": plan.made_at,
        "policyHash": plan.policy_hash,
        "rules": plan.rules,
        "isComplete": plan.is_complete,
        "inventory": plan.inventory,
    }
    rows = b",\n".join(dump_printable(_write_candidate(candidate)) for candidate in plan.candidates)
    return dump_printable(head).removesuffix(b"}") + b',"keys":[\n' + rows + (b"\n]}\n" if rows else b"]}\n")


def load_plan(path: Path) -> Plan:
    """Read a plan. Raises PlanError with the file, the line and what is expected.

    Lines of keys may be removed, the last one too, or begin with `#`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise PlanError(f"{path}: is not text in UTF-8; {_ADVICE}") from None
    head, rows = _read_document(path, text)
    if head.get("format") != FORMAT:
        raise PlanError(f"{path}: is not a plan of this version; {_ADVICE}")
    place = "the first line"
    try:
        candidates: dict[UUID, Candidate] = {}
        for place, row in rows:
            candidate = _read_candidate(row)
            if candidate.key_id in candidates:
                raise PlanError(f"{path}: {place}: key {candidate.key_id} is there already; remove this line")
            candidates[candidate.key_id] = candidate
        place = "the first line"
        return Plan(
            made_at=datetime.fromisoformat(head["madeAt"]),
            policy_hash=str(head["policyHash"]),
            rules=tuple(str(rule) for rule in head["rules"]),
            is_complete=bool(head["isComplete"]),
            inventory=None if head["inventory"] is None else str(head["inventory"]),
            candidates=tuple(candidates.values()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = one_line(f"{type(error).__name__}: {error}", 120)
        raise PlanError(f"{path}: {place}: is not as a plan has it ({said}); make a new plan") from None


def _read_document(path: Path, text: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """Return the head of a plan, and its keys with their places."""
    lines = [
        (number, line.strip().removesuffix(","))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    ]
    head = _parse_object(f"{lines[0][1]}]}}") if lines else None
    if head is None:  # not laid out as `dump_plan` does
        document = _parse_object(text)
        if document is None or not isinstance(document.get("keys", []), list):
            raise PlanError(f"{path}: is not a plan; {_ADVICE}")
        return document, [(f"keys #{number}", row) for number, row in enumerate(document.get("keys", []), 1)]
    rows: list[tuple[str, Any]] = []
    for number, line in lines[1:]:
        if line == "]}":
            continue
        row = _parse_object(line)
        if row is None:
            raise PlanError(f"{path}: line {number}: is not the line of a key; remove it, or make a new plan")
        rows.append((f"line {number}", row))
    return head, rows


def _parse_object(text: str) -> dict[str, Any] | None:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _write_candidate(candidate: Candidate) -> dict[str, object]:
    return {
        "organizationId": candidate.organization_id,
        "id": candidate.key_id,
        "name": candidate.name,
        "suffix": candidate.suffix,
        "createdAt": candidate.created_at,
        "lastUsedAt": candidate.last_used_at,
        "reasons": dict(candidate.reasons),
        "seen": {"fields": candidate.sight.fields, "hash": candidate.sight.digest},
    }


def _read_candidate(row: Mapping[str, object]) -> Candidate:
    def text(name: str) -> str:
        value = row[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is no text")
        return value

    seen, reasons = row["seen"], row["reasons"]
    if not isinstance(seen, dict) or not isinstance(reasons, dict):
        raise TypeError("seen and reasons are objects")
    return Candidate(
        organization_id=parse_uuid(text("organizationId")),
        key_id=parse_uuid(text("id")),
        name=text("name"),
        suffix=text("suffix"),
        created_at=datetime.fromisoformat(text("createdAt")),
        last_used_at=None if row["lastUsedAt"] is None else datetime.fromisoformat(text("lastUsedAt")),
        reasons={str(rule): str(message) for rule, message in reasons.items()},
        sight=Sight(tuple(str(name) for name in seen["fields"]), str(seen["hash"])),
    )
