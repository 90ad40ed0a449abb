"""Policies from TOML, with the place of each mistake."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

from accesskeys_async._contract.fields import parse_uuid
from accesskeys_async.audit.errors import AuditError, PolicyError
from accesskeys_async.audit.policies.policy import SLA_DAYS, Override, Policy, RuleChange
from accesskeys_async.audit.policies.suppressions import GLOB, Suppression
from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Value
from accesskeys_async.audit.rules.registry import Registry, find_rules
from accesskeys_async.audit.rules.rule import Rule
from accesskeys_async.errors import one_line

Refuse: TypeAlias = Callable[[str, str], AuditError]
"""Makes an error of a place, such as `rules.AK001.max_idle_days`, and what is expected there."""

_SEVERITIES: Final = {severity.name.lower(): severity for severity in Severity}
_EXPECTED_SEVERITY: Final = f"expected one of {', '.join(_SEVERITIES)}"


def load_policy(path: Path) -> Policy:
    """Read a policy file. Raises PolicyError with the file, the place in it and what is expected."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PolicyError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: expected UTF-8") from None
    return parse_policy(text, source=str(path), directory=path.parent)


def parse_policy(
    text: str, *, source: str = "policy", directory: Path | None = None, registry: Registry | None = None
) -> Policy:
    """Read a policy. Rule files are relative to `directory`; a registry that is given goes without them.

    Raises PolicyError with the source, the place in it and what is expected.
    """

    def refuse(place: str, problem: str) -> PolicyError:
        return PolicyError(f"{source}: {place}: {problem}")

    try:
        document: dict[str, object] = tomllib.loads(text.removeprefix("\ufeff"))  # as some editors begin it
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{source}: expected TOML: {error}") from None
    tables = {"rules", "rule_files", "overrides", "own_keys", "sla_days", "suppressions"}
    _check_names(document, tables, "", refuse)
    files = _read_texts(document.get("rule_files", []), "rule_files", refuse)
    if registry is None:
        registry = find_rules((directory or Path()) / file for file in files)
    own_keys = _read_texts(document.get("own_keys", []), "own_keys", refuse)
    return Policy(
        registry=registry,
        rules=read_changes(document.get("rules", {}), "rules", registry, refuse),
        overrides=tuple(
            _read_override(table, place, registry, refuse)
            for table, place in _read_tables(document.get("overrides", []), "overrides", refuse)
        ),
        own_keys=frozenset(
            _read_id(text, f"own_keys #{number}", refuse) for number, text in enumerate(own_keys, 1)
        ),
        sla_days=_read_sla(document.get("sla_days", {}), refuse),
        suppressions=tuple(
            _read_suppression(table, place, registry, refuse)
            for table, place in _read_tables(document.get("suppressions", []), "suppressions", refuse)
        ),
    )


def read_changes(
    tables: object, place: str, registry: Mapping[str, Rule], refuse: Refuse
) -> dict[str, RuleChange]:
    """Read what is changed of rules: `{AK001: {enabled: ..., severity: ..., max_idle_days: ...}}`."""
    changes: dict[str, RuleChange] = {}
    for rule_id, table in _read_table(tables, place, refuse).items():
        where = f"{place}.{one_line(rule_id, 40)}"
        if rule_id not in registry:
            raise refuse(where, f"there is no such rule; there is {', '.join(registry)}")
        changes[rule_id] = _read_change(_read_table(table, where, refuse), where, registry[rule_id], refuse)
    return changes


def _read_change(table: Mapping[str, object], place: str, rule: Rule, refuse: Refuse) -> RuleChange:
    known = {parameter.name: parameter for parameter in rule.parameters}
    _check_names(table, {"enabled", "severity", *known}, place, refuse)
    enabled = table.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise refuse(f"{place}.enabled", f"expected true or false, got {enabled!r}")
    severity = table.get("severity")
    if severity is not None:
        severity = _read_severity(severity, f"{place}.severity", refuse)
    parameters: dict[str, Value] = {}
    for name, parameter in known.items():
        if name in table:
            try:
                parameters[name] = parameter.check(table[name])
            except ValueError as error:
                raise refuse(f"{place}.{name}", str(error)) from None
    return RuleChange(enabled, severity, parameters)


def _read_override(table: Mapping[str, object], place: str, registry: Registry, refuse: Refuse) -> Override:
    _check_names(table, {"labels", "organizations", "rules"}, place, refuse)
    labels = _read_texts(table.get("labels", []), f"{place}.labels", refuse)
    named = _read_texts(table.get("organizations", []), f"{place}.organizations", refuse)
    if not labels and not named:
        raise refuse(place, "expected labels or organizations that it is for")
    organizations = (
        _read_id(text, f"{place}.organizations #{number}", refuse) for number, text in enumerate(named, 1)
    )
    changes = read_changes(table.get("rules", {}), f"{place}.rules", registry, refuse)
    return Override(frozenset(labels), frozenset(organizations), changes)


def _read_suppression(
    table: Mapping[str, object], place: str, registry: Registry, refuse: Refuse
) -> Suppression:
    _check_names(table, {"rule", "key", "organization", "reason", "owner", "expires"}, place, refuse)
    texts: dict[str, str] = {}
    for name in ("rule", "key", "organization", "reason", "owner"):
        if name in table:
            value = table[name]
            if not isinstance(value, str) or not value.strip():
                raise refuse(f"{place}.{name}", f"expected text, got {value!r}")
            texts[name] = value
    if not texts.keys() & {"rule", "key", "organization"}:
        raise refuse(place, "expected a rule, a key or an organization that it mutes")
    for name in ("reason", "owner"):
        if name not in texts:
            raise refuse(place, f"expected {name}; nothing is muted without one")
    rule = texts.get("rule")
    if rule is not None and not rule.startswith(GLOB) and rule not in registry:
        raise refuse(f"{place}.rule", f"there is no rule {rule!r}; `{GLOB}` before it makes a pattern")
    for name in ("key", "organization"):
        if name in texts and not texts[name].startswith(GLOB):
            texts[name] = str(_read_id(texts[name], f"{place}.{name}", refuse))
    expires = table.get("expires")
    if not isinstance(expires, date) or isinstance(expires, datetime):
        quoted = isinstance(expires, str) and _is_date(expires)
        expected = f"a date without quotes: expires = {expires}" if quoted else "a date such as 2027-03-31"
        raise refuse(f"{place}.expires", f"expected {expected}; every suppression ends")
    return Suppression(
        rule=rule,
        key=texts.get("key"),
        organization=texts.get("organization"),
        reason=texts["reason"],
        owner=texts["owner"],
        expires=expires,
        place=place,
    )


def _read_sla(tables: object, refuse: Refuse) -> dict[Severity, int]:
    days = dict(SLA_DAYS)
    for name, value in _read_table(tables, "sla_days", refuse).items():
        severity = _read_severity(name, f"sla_days.{one_line(name, 40)}", refuse)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise refuse(f"sla_days.{name}", f"expected 1 day or more, got {value!r}")
        days[severity] = value
    return days


def _read_severity(value: object, place: str, refuse: Refuse) -> Severity:
    if isinstance(value, str) and value in _SEVERITIES:
        return _SEVERITIES[value]
    raise refuse(place, f"{_EXPECTED_SEVERITY}, got {value!r}")


def _read_id(text: str, place: str, refuse: Refuse) -> UUID:
    try:
        return parse_uuid(text)
    except ValueError:
        raise refuse(place, f"expected a UUID, got {one_line(repr(text), 60)}") from None


def _read_texts(value: object, place: str, refuse: Refuse) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise refuse(place, f"expected a list of texts, got {one_line(repr(value), 60)}")


def _read_table(value: object, place: str, refuse: Refuse) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise refuse(place, f"expected a table, got {one_line(repr(value), 60)}")


def _read_tables(value: object, place: str, refuse: Refuse) -> list[tuple[Mapping[str, object], str]]:
    if not isinstance(value, list):
        raise refuse(place, f"expected [[{place}]], got {one_line(repr(value), 60)}")
    places = [f"{place} #{number}" for number in range(1, len(value) + 1)]
    return [(_read_table(table, where, refuse), where) for table, where in zip(value, places, strict=True)]


def _check_names(table: Mapping[str, object], known: set[str], place: str, refuse: Refuse) -> None:
    for name in table:
        if name not in known:
            where = f"{place}.{one_line(name, 40)}" if place else one_line(name, 40)
            raise refuse(where, f"expected one of {', '.join(sorted(known))}")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
