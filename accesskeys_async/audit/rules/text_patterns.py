"""Search for words, dates and secrets in names and descriptions.

Most texts of an organization differ in digits only. So texts are first reduced to templates, in which every
digit is 0. Each template is searched once, and templates without a match are cached.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Final

from accesskeys_async.audit.rules.name_folding import MARK

_TEMPLATE: Final = bytes.maketrans(b"123456789", b"0" * 9)
_REMEMBERED: Final = 65_536

_LETTER: Final = r"[^\W\d_]"
_TEMPORARY: Final = rf"(?<!{_LETTER})(?:temp|temporary|tmp|test|testing|poc)(?!{_LETTER})"
_MEANINGLESS: Final = (
    r"\A[\W\d_]*+(?:(?:(?:access|api)[-_ ]?)?(?:key|token)|asdf|bar|changeme|default|desc|description|dummy"
    r"|foo|n/?a"
    r"|new|no description|none|null|sample|some key|tbd|temp|test|testing|tmp|todo|undefined|unknown|untitled"
    r"|\w)?[\W\d_]*+\Z"
)
_UNTIL: Final = r"(?:until|till|expir(?:es?|y|ing|ed)|valid (?:to|through)|ends)"
_RUN: Final = r"[A-Za-z0-9_+/]{20,}+"
_KNOWN: Final = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}"
    r"|\b(?:gh[opsur]|github_pat|glpat|xox[abeoprs]|[rs]k_(?:live|test))[-_]\w{10}"
    r"|\bA(?:KIA|SIA)[A-Z0-9]{16}\b"
    r"|://[^/\s:@]*:[^/\s@]+@"
)

_temporary: Final = re.compile(_TEMPORARY, re.IGNORECASE)
_meaningless: Final = re.compile(_MEANINGLESS, re.IGNORECASE)
_run: Final = re.compile(_RUN)
_known: Final = re.compile(_KNOWN)
_suspicious: Final = re.compile(
    rf"(?i:{_TEMPORARY}|{_MEANINGLESS}|{_UNTIL}|{MARK})|{_RUN}|{_KNOWN}",
)
_hexadecimal: Final = re.compile(r"[0-9a-fA-F_]*\Z")

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH: Final = rf"(?P<word>{'|'.join(_MONTHS)})[a-z]*\.?"
_dates: Final = tuple(
    re.compile(rf"\b{_UNTIL}\s*(?:on|at|by|date)?\s*[:=]?\s*{form}", re.IGNORECASE)
    for form in (
        r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})(?!\d)",
        r"(?P<year>\d{4})-(?P<month>\d{2})(?![-/\d])",
        r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})(?!\d)",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+{_MONTH}\s+(?P<year>\d{{4}})(?!\d)",
        rf"{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?!\d)",
    )
)

_harmless: set[bytes] = set()
_plain: set[str] = set()


def are_plain(texts: AbstractSet[str]) -> bool:
    """Return whether all texts are cached as texts without a match."""
    return _plain.issuperset(texts)


def find_suspects(texts: Sequence[str]) -> list[int]:
    """Return the positions of texts that any pattern here, or an ending of rotated names, may match."""
    if _plain.issuperset(texts):
        return []
    found = _find_by_template(texts)
    if len(found) * 8 < len(texts):
        if len(_plain) > _REMEMBERED:
            _plain.clear()
        suspects = {texts[place] for place in found}
        _plain.update(itertools.islice(set(texts) - suspects, _REMEMBERED))
    return found


def _find_by_template(texts: Sequence[str]) -> list[int]:
    joined = "\n".join(texts)
    if joined.count("\n") != len(texts) - 1:
        return [place for place, text in enumerate(texts) if _is_suspicious(text)]
    templates = joined.encode(errors="surrogatepass").translate(_TEMPLATE).split(b"\n")
    if _harmless.issuperset(templates):
        return []
    unknown = set(templates) - _harmless
    suspects = {one for one in unknown if _is_suspicious(one.decode(errors="surrogatepass"))}
    if len(_harmless) > _REMEMBERED:
        _harmless.clear()
    _harmless.update(itertools.islice(unknown - suspects, _REMEMBERED))
    if not suspects:
        return []
    return [place for place, template in enumerate(templates) if template in suspects]


def _is_suspicious(text: str) -> bool:
    return _suspicious.search(text) is not None


def is_meaningless(text: str) -> bool:
    """Return whether a description has no meaning: empty, "test", "todo", a single letter, and similar."""
    return _meaningless.match(text) is not None


def has_temporary_word(text: str) -> bool:
    """Return whether one of temp, temporary, tmp, test, testing and poc is a word of the text."""
    return _temporary.search(text) is not None


def find_dates(text: str) -> list[date]:
    """Return the dates after "until", "expires" and similar words; the last day of a month without a day.

    Ambiguous dates, such as 03/04/2026, are ignored.
    """
    found: list[date] = []
    for pattern in _dates:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            month = _MONTHS.index(parts["word"].lower()) + 1 if "word" in parts else int(parts["month"])
            day = parts.get("day")
            try:
                found.append(
                    _last_day(int(parts["year"]), month)
                    if day is None
                    else date(int(parts["year"]), month, int(day))
                )
            except ValueError:
                continue
    return found


def _last_day(year: int, month: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(following.toordinal() - 1)


def has_secret(text: str) -> bool:
    """Return whether a text has a part that looks like a token or a private key.

    That is a known prefix, or 20 or more consecutive letters and digits that change between capital letters,
    small letters and digits as often as random ones do. UUIDs, hashes and long names do not.
    """
    if _known.search(text):
        return True
    return any(_is_random(match.group()) for match in _run.finditer(text))


def _is_random(run: str) -> bool:
    if _hexadecimal.match(run):
        return False
    kinds = [_kind(character) for character in run]
    # A capital before a small letter is how words begin, and does not count.
    changes = sum(
        one != other and (one, other) != ("capital", "small") for one, other in itertools.pairwise(kinds)
    )
    enough = 3 if len(run) < 24 else 2
    return len(set(kinds) - {""}) >= enough and changes > 0.25 * (len(run) - 1)


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "capital" if character.isupper() else "small"
    return ""
