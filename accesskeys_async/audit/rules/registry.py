"""The rules of an audit: built-in ones, and those of installed packages and Python files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final

from attrs import frozen

from accesskeys_async.audit.errors import PolicyError
from accesskeys_async.audit.rules import (
    age,
    changes,
    descriptions,
    names,
    numbers,
    record_anomalies,
    role_changes,
    role_policies,
    role_rules,
    use,
)
from accesskeys_async.audit.rules.rule import Rule

ENTRY_POINTS: Final = "accesskeys_async.rules"
"""The entry point group. Each entry point is a `Rule` or an iterable of rules."""
BUILT_IN: Final = tuple(
    sorted(
        (
            *age.RULES,
            *use.RULES,
            *numbers.RULES,
            *names.RULES,
            *descriptions.RULES,
            *record_anomalies.RULES,
            *role_rules.RULES,
            *role_policies.RULES,
            *changes.RULES,
            *role_changes.RULES,
        ),
        key=lambda rule: rule.id,
    )
)

_ours: Final = re.compile(r"AK\d+\Z")


@frozen
class Registry(Mapping[str, Rule]):
    """Rules by id, ordered by id: a read-only mapping. Created by `find_rules`.

    Attributes:
        digest: Hash of the files with rules. Empty if there are none.
    """

    _rules: Mapping[str, Rule]
    digest: str = ""

    def __getitem__(self, rule_id: str) -> Rule:
        return self._rules[rule_id]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._rules))

    def __len__(self) -> int:
        return len(self._rules)


def find_rules(files: Iterable[Path] = (), *, installed: Iterable[EntryPoint] | None = None) -> Registry:
    """Return the built-in rules, those of installed packages, and those of files.

    Args:
        files: Python files that define `RULES`. They are executed.
        installed: Entry points to load instead of the installed ones of the group `accesskeys_async.rules`.

    Returns:
        All rules by id.

    Raises:
        PolicyError: A file or entry point can't be loaded, or does not define valid rules.

    Example:
        >>> registry = find_rules([Path("our_rules.py")])
        >>> registry["AK001"].severity
        <Severity.HIGH: 3>
    """
    rules = {rule.id: rule for rule in BUILT_IN}
    found = entry_points(group=ENTRY_POINTS) if installed is None else installed
    for point in found:
        _add(rules, _load(point), f"the entry point {point.name}")
    digest = hashlib.sha256()
    paths = list(files)
    for path in paths:
        text, offered = _execute(path)
        digest.update(hashlib.sha256(text).digest())
        _add(rules, offered, str(path))
    return Registry(rules, digest.hexdigest() if paths else "")


def _add(rules: dict[str, Rule], offered: object, source: str) -> None:
    listed: Iterable[object] = (offered,) if isinstance(offered, Rule) else _check_iterable(offered, source)
    for rule in listed:
        if not isinstance(rule, Rule):
            raise PolicyError(f"{source}: expected rules, got {type(rule).__name__}")
        if _ours.match(rule.id):
            raise PolicyError(f"{source}: {rule.id} is reserved for built-in rules; choose another id")
        if rule.id in rules:
            raise PolicyError(f"{source}: rule {rule.id} already exists; choose another id")
        if rule.judge is None:
            raise PolicyError(
                f"{source}: {rule.id} has no judge function; pass a function of a snapshot and parameters"
            )
        rules[rule.id] = rule


def _check_iterable(offered: object, source: str) -> Iterable[object]:
    if isinstance(offered, Iterable):
        return offered
    raise PolicyError(f"{source}: expected a Rule or an iterable of rules, got {type(offered).__name__}")


def _load(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        problem = (
            f"the entry point {point.name} ({point.value}) can't be loaded: {type(error).__name__}: {error}"
        )
        raise PolicyError(problem) from error


def _execute(path: Path) -> tuple[bytes, object]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise PolicyError(f"{path}: can't be read: {error.strerror}") from error
    spec = spec_from_file_location(f"accesskeys_rules_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise PolicyError(f"{path}: is not a Python file; its name must end in .py")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PolicyError(f"{path}: failed when it was executed: {type(error).__name__}: {error}") from error
    if not hasattr(module, "RULES"):
        raise PolicyError(f"{path}: does not define RULES; assign a tuple of rules to it")
    return text, module.RULES
