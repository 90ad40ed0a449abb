"""`Rule`, what it is about, and what it returns."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from attrs import evolve, field, frozen, validators

from accesskeys_async._fast_attrs import unfrozen_subclass
from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.parameters import Parameter, Parameters
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.records import AccessKey


class Scope(enum.Enum):
    """What a rule evaluates."""

    KEY = "key"
    """Each key of an organization."""
    ORGANIZATION = "organization"
    """An organization as a whole."""
    FLEET = "fleet"
    """All organizations of an audit together."""
    HISTORY = "history"
    """The changes of an organization since its last complete reading."""


@frozen
class Hit:
    """What a rule found, before the policy sets its severity and suppresses it.

    Example:
        >>> Hit("has no owner", key)
    """

    message: str
    """What was found, in one line for people, without secrets. Unprintable characters are escaped."""
    key: AccessKey | None = None
    """The key that it is about. None if it is about the organization."""
    severity: Severity | None = None
    """Severity, if it differs from the rule's. A policy that raises the rule raises this by as many steps."""
    about: str = ""
    """Distinguishes findings of one rule about the same key or organization. Stable between audits."""


_open = unfrozen_subclass(Hit)


def make_hit(message: str, key: AccessKey, severity: Severity | None = None) -> Hit:
    """Return a hit on a key, faster than `Hit` does."""
    hit = _open()
    hit.message = message
    hit.key = key
    hit.severity = severity
    hit.about = ""
    hit.__class__ = Hit
    return hit  # type: ignore[no-any-return]  # its class is Hit now


@frozen
class Verdict:
    """What a rule says of a snapshot: what it found, and what it could not judge. The rest passed."""

    hits: Sequence[Hit] = ()
    not_evaluated: int = 0
    """How many keys (or organizations) it could not judge."""
    reason: str | None = None
    """Why it could not."""


PASSED: Final = Verdict()
"""Nothing was found, and everything could be evaluated."""


def conclude(hits: Sequence[Hit], not_evaluated: int = 0, reason: str | None = None) -> Verdict:
    """Make a verdict; most often it is that all passed."""
    return Verdict(hits, not_evaluated, reason) if hits or not_evaluated else PASSED


def format_time(time: datetime) -> str:
    """Return a time as messages show it."""
    return f"{time:%Y-%m-%d %H:%M:%S} UTC"


Judge: TypeAlias = Callable[[Snapshot, Parameters], Verdict]
"""A pure function: the result depends on the snapshot and the parameters only."""

Combine: TypeAlias = Callable[[Snapshot, Mapping[str, Verdict]], Verdict]
"""A pure function of a snapshot and the verdicts of the rules that are on, by their ids."""


@frozen(kw_only=True)
class Rule:
    """A rule of an audit, built in or your own.

    The texts may name parameters, such as `max_idle_days`. Reports show the value in their place: "45 days".

    Example:
        >>> Rule(
        ...     id="OURS1",
        ...     title="no owner",
        ...     severity=Severity.LOW,
        ...     condition="The description does not name an owner.",
        ...     remedy="Add the owner to the description.",
        ...     judge=find_keys_without_owner,
        ... )
    """

    id: str = field(validator=validators.matches_re(r"[A-Z][A-Z0-9_-]{1,31}"))
    """A capital letter and up to 31 of `A-Z 0-9 _ -`. `AK` and digits are reserved for built-in rules."""
    title: str
    """A few words that name the rule in reports. The same for every policy."""
    severity: Severity
    """Severity unless a policy sets another."""
    condition: str
    """When the rule reports a finding, in one or two sentences."""
    judge: Judge | None = None
    """The function that evaluates a snapshot. Required for your own rules. None for built-in rules that are
    evaluated elsewhere: over all organizations, with a history, or by `combine`."""
    combine: Combine | None = None
    """A function of the outcomes of other rules, called after all of them."""
    scope: Scope = Scope.KEY
    """What the rule evaluates."""
    controls: tuple[str, ...] = ()
    """Similar controls in published catalogues, such as `CIS AWS v3 1.14`."""
    false_positives: str = ""
    """Findings that are correct but harmless, in one or two sentences."""
    remedy: str = ""
    """How to fix a finding, in one or two imperative sentences."""
    parameters: tuple[Parameter, ...] = ()
    """What a policy can set."""
    enabled: bool = True
    """Whether the rule is evaluated unless a policy sets it."""

    @property
    def defaults(self) -> Parameters:
        """The values of the parameters if a policy sets none."""
        return Parameters({parameter.name: parameter.default for parameter in self.parameters})

    def describe(self, parameters: Parameters) -> Rule:
        """Return the rule with the values of parameters in its texts, in place of their names.

        Args:
            parameters: The values, as a policy sets them.
        """
        texts = (self.condition, self.false_positives, self.remedy)
        condition, false_positives, remedy = (_fill(text, parameters) for text in texts)
        return evolve(self, condition=condition, false_positives=false_positives, remedy=remedy)


def _fill(text: str, parameters: Parameters) -> str:
    shown = {name: parameters.show(name) for name, value in parameters.items() if not isinstance(value, bool)}
    if not shown:
        return text
    names = "|".join(sorted(map(re.escape, shown), key=len, reverse=True))
    return re.sub(rf"\b({names})\b", lambda found: shown[found[0]], text)
