"""What an answer's headers say of the quota, in any of the forms that are in use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from typing import Final

from attrs import frozen
from multidict import istr

from accesskeys_async._http.messages import read_retry_after

JOINED: Final = istr("RateLimit")
POLICY: Final = istr("RateLimit-Policy")
SPLIT: Final = istr("RateLimit-Remaining")
OLD: Final = istr("X-RateLimit-Remaining")
FORMS: Final = ("RateLimit-", "X-RateLimit-")

EPOCH: Final = 1e9
"""From here on a reset is no number of seconds, but a moment since 1970."""
EPOCH_MS: Final = 1e11

_NUMBER: Final = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)")
_PARAMETER: Final = re.compile(
    r"(?:^|[\s,;])(limit|remaining|reset|q|r|t)\s*=\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)", re.IGNORECASE
)


@frozen
class Reading:
    """How a quota stood when an answer was made."""

    remaining: float
    """How many requests may still be made."""
    limit: float | None = None
    """How many there may be at most; None: not said."""
    reset: float | None = None
    """Seconds until there are as many again; None: not said."""


def read_quota(headers: Mapping[str, str], *, now: float | None = None) -> Reading | None:
    """Read the quota headers; None where there are none, or none that can be read.

    Understood are `RateLimit: limit=, remaining=, reset=`, its later form `RateLimit: "name";r=;t=` with the
    limit in `RateLimit-Policy: "name";q=`, `RateLimit-Limit`, `-Remaining` and `-Reset`, and the same with
    `X-` before. A reset is in seconds, since 1970, or an HTTP date; `now` is in seconds since 1970. Of
    several quotas in one header the one with the least remaining counts.
    """
    # Three look-ups are all that an answer without such headers costs.
    if (joined := headers.get(JOINED)) is not None:
        return _read_joined(joined, headers.get(POLICY, ""))
    if SPLIT in headers:
        return _read_split(headers, FORMS[0], now)
    if OLD in headers:
        return _read_split(headers, FORMS[1], now)
    return None


def _read_joined(value: str, policy: str) -> Reading | None:
    readings = [_read_parameters(part) for part in _split_quotas(value)]
    found = [reading for reading in readings if reading is not None]
    if not found:
        return None
    least = min(found, key=lambda reading: reading.remaining)
    if least.limit is None and (quota := _PARAMETER.search(policy)) and quota[1].lower() == "q":
        return Reading(least.remaining, float(quota[2]), least.reset)
    return least


def _split_quotas(value: str) -> list[str]:
    """Cut the later form at its commas; in the earlier form they stand between parameters."""
    return value.split(",") if ";" in value else [value]


def _read_parameters(text: str) -> Reading | None:
    said = {name.lower(): float(number) for name, number in _PARAMETER.findall(text)}
    remaining = said.get("remaining", said.get("r"))
    if remaining is None:
        return None
    return Reading(remaining, said.get("limit"), said.get("reset", said.get("t")))


def _read_split(headers: Mapping[str, str], form: str, now: float | None) -> Reading | None:
    remaining = _read_number(headers.get(f"{form}Remaining"))
    if remaining is None:
        return None
    reset = _read_reset(headers.get(f"{form}Reset"), headers.get("Date"), now)
    return Reading(remaining, _read_number(headers.get(f"{form}Limit")), reset)


def _read_number(value: str | None) -> float | None:
    found = _NUMBER.match(value) if value is not None else None
    return float(found[1]) if found else None


def _read_reset(value: str | None, date: str | None, now: float | None) -> float | None:
    if value is None:
        return None
    seconds = _read_number(value)
    if seconds is None:
        return read_retry_after(value, date=date, now=now)
    if seconds < EPOCH:
        return seconds
    moment = seconds / 1000 if seconds >= EPOCH_MS else seconds
    if moment >= EPOCH_MS:
        return None
    # As a date it is measured against the answer's own Date, so that a clock set wrong here does no harm.
    return read_retry_after(formatdate(moment, usegmt=True), date=date, now=now) or 0.0
