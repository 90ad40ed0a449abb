"""Which rules there are: ours, those of installed packages, and those of Python files."""

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
"""The entry point group; each names a `Rule` or an iterable of them."""
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
    """Rules by id, in the order of their ids."""

    _rules: Mapping[str, Rule]
    digest: str = ""
    """Stands for the text of rules from files; empty where there are none."""

    def __getitem__(self, rule_id: str) -> Rule:
        return self._rules[rule_id]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._rules))

    def __len__(self) -> int:
        return len(self._rules)


def find_rules(files: Iterable[Path] = (), *, installed: Iterable[EntryPoint] | None = None) -> Registry:
    """Gather ours, those of the entry point group, and those of the files: their `RULES`.

    `installed` is what to take for the entry points; None is what is installed. A file is executed as this
    user. Raises PolicyError that names the file or entry point, and what is wrong.
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
            raise PolicyError(f"{source}: {rule.id} is kept for this library's rules; take another id")
        if rule.id in rules:
            raise PolicyError(f"{source}: there is a rule {rule.id} already; take another id")
        if rule.judge is None:
            raise PolicyError(
                f"{source}: {rule.id} has no judge; give a function of a snapshot and parameters"
            )
        rules[rule.id] = rule


def _check_iterable(offered: object, source: str) -> Iterable[object]:
    if isinstance(offered, Iterable):
        return offered
    raise PolicyError(f"{source}: expected a Rule or several, got {type(offered).__name__}")


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
        raise PolicyError(f"{path}: is no Python file; its name must end in .py")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PolicyError(f"{path}: fails when it is run: {type(error).__name__}: {error}") from error
    if not hasattr(module, "RULES"):
        raise PolicyError(f"{path}: has no RULES; set it to a tuple of rules")
    return text, module.RULES
