"""What a rule is: who it is, what it judges, and what it says."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from attrs import evolve, field, frozen, validators

from accesskeys_async._fast_attrs import open_twin
from accesskeys_async.audit.records import Severity, Snapshot
from accesskeys_async.audit.rules.parameters import Parameter, Parameters, Value
from accesskeys_async.errors import one_line
from accesskeys_async.records import AccessKey


class Scope(enum.Enum):
    """What one verdict is about."""

    KEY = "key"
    ORGANIZATION = "organization"
    FLEET = "fleet"
    """Organizations together, while they are read."""
    HISTORY = "history"
    """An organization now and at its last complete reading."""


@frozen
class Hit:
    """One thing that a rule found, before the policy has its say."""

    message: str
    """One line for a person. It is made printable; never put a secret in it."""
    key: AccessKey | None = None
    """The key it is about; None where it is about the organization."""
    severity: Severity | None = None
    """None is the rule's own. A policy that sets the rule's own moves this by as many steps."""
    about: str = ""
    """What tells this finding from others of the rule on the same key or organization, time after time."""


_open = open_twin(Hit)


def make_hit(message: str, key: AccessKey, severity: Severity | None = None) -> Hit:
    """Make a hit on a key, for rules that make many."""
    hit = _open()
    hit.message = message
    hit.key = key
    hit.severity = severity
    hit.about = ""
    hit.__class__ = Hit
    return hit  # type: ignore[no-any-return]  # it is one by now


@frozen
class Verdict:
    """What a rule says of a snapshot: what it found, and what it could not judge. The rest passed."""

    hits: Sequence[Hit] = ()
    not_evaluated: int = 0
    """How many keys (or organizations) it could not judge."""
    reason: str | None = None
    """Why it could not."""


PASSED: Final = Verdict()
"""What a rule says that found nothing and could judge all."""


def conclude(hits: Sequence[Hit], not_evaluated: int = 0, reason: str | None = None) -> Verdict:
    """Make a verdict; most often it is that all passed."""
    return Verdict(hits, not_evaluated, reason) if hits or not_evaluated else PASSED


def tell_time(time: datetime) -> str:
    """Write a time of a message."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


Judge: TypeAlias = Callable[[Snapshot, Parameters], Verdict]
"""A pure function: the same snapshot and parameters give the same verdict, and nothing else happens."""

Combine: TypeAlias = Callable[[Snapshot, Mapping[str, Verdict]], Verdict]
"""A pure function of a snapshot and the verdicts of the rules that are on, by their ids."""


@frozen(kw_only=True)
class Rule:
    """A rule of an audit, of ours or a user's."""

    id: str = field(validator=validators.matches_re(r"[A-Z][A-Z0-9_-]{1,31}"))
    """Such as `AK001`: a capital letter, then up to 31 of `A-Z 0-9 _ -`. `AK` and digits are ours."""
    title: str
    severity: Severity
    condition: str
    """When it finds something, in one sentence."""
    judge: Judge | None = None
    """None where it is judged elsewhere: along the fleet, with history, or by `combine`."""
    combine: Combine | None = None
    """Judges by what other rules say, after all of them."""
    scope: Scope = Scope.KEY
    controls: tuple[str, ...] = ()
    """Controls of published catalogues that it is an analogue of."""
    mind: str = ""
    """What may make a finding right and yet no problem."""
    remedy: str = ""
    """How to fix a finding: an imperative sentence."""
    parameters: tuple[Parameter, ...] = ()
    is_on: bool = True
    """Whether it is on unless the policy says otherwise."""

    @property
    def defaults(self) -> Parameters:
        """The parameters of a policy that sets none."""
        return Parameters({parameter.name: parameter.default for parameter in self.parameters})

    def describe(self, parameters: Parameters) -> Rule:
        """Return the rule with the values of its parameters in its texts, in place of their names."""
        texts = (self.condition, self.mind, self.remedy)
        condition, mind, remedy = (_fill(text, parameters) for text in texts)
        return evolve(self, condition=condition, mind=mind, remedy=remedy)


def _fill(text: str, parameters: Parameters) -> str:
    shown = {name: _show(name, value) for name, value in parameters.items() if not isinstance(value, bool)}
    if not shown:
        return text
    names = "|".join(sorted(map(re.escape, shown), key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: shown[found[0]], text)


def _show(name: str, value: Value) -> str:
    """Write a parameter's value with its unit, which is at the end of its name."""
    if isinstance(value, str):
        return f'"{one_line(value, 80)}"'
    if isinstance(value, Sequence):
        return one_line(", ".join(value), 80) or "(none)"
    number = f"{value:,g}" if value < 1e6 else f"{value:,.0f}"
    unit = name.rpartition("_")[2]
    if unit not in {"days", "minutes"}:
        return number
    return f"{number} {unit.removesuffix('s') if value == 1 else unit}"
