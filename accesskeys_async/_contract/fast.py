"""The fast way in: one compiled pass over JSON, UUIDs and times, then fields moved into attrs records.

What is said of roles stays undecoded in that pass, and is looked up: keys share it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from cattrs import Converter

from accesskeys_async._contract.building import build_records_py, pick_builder
from accesskeys_async._contract.fields import Time, format_organization
from accesskeys_async._contract.shared_values import REFUSALS, ROLES
from accesskeys_async.records import SUFFIX_LENGTH, UNSET, AccessKey, AccessKeyPage

_ABSENT: Any = UNSET


class _Row(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    """An access key as the decoder leaves it; the organization stays text, the same in every row.

    The fields stand in the order in which responses have them: each is then found at the first look.
    """

    id: UUID
    organization_id: str
    name: str
    type: str | None = _ABSENT
    description: str | None = _ABSENT
    suffix: Annotated[str, msgspec.Meta(min_length=SUFFIX_LENGTH, max_length=SUFFIX_LENGTH)]
    created_at: Time
    updated_at: Time | None = _ABSENT
    last_used_at: Time | None = _ABSENT
    role_refs: msgspec.Raw = _ABSENT
    role_ids: tuple[str, ...] | None = _ABSENT
    roles: None = _ABSENT
    """Not told by lists; the strict way reads a page that does."""


class _OneRow(_Row, rename="camel", gc=False, kw_only=True):
    """The one key that was requested by its id, which is compared as text, and need not be read again."""

    id: Any
    roles: msgspec.Raw = _ABSENT  # type: ignore[assignment]  # msgspec takes a narrower row as well


class _Rows(msgspec.Struct, rename="camel", gc=False):
    results: list[_Row]
    next_page_token: str | None = None


_fill_rows = pick_builder(_Row)
_fill_one = pick_builder(_OneRow)
IS_COMPILED: Final = _fill_rows is not build_records_py
"""Whether records are filled in compiled code."""


class _TooNarrowError(Exception):
    """The response may be right, but not in the one form that the fast way takes."""


def _structure_page(asked: tuple[_Rows, UUID], _: object) -> AccessKeyPage:
    rows, organization_id = asked
    keys = _fill_rows(rows.results, organization_id, format_organization(organization_id))
    if keys is None:
        raise _TooNarrowError
    return AccessKeyPage(keys, rows.next_page_token or None)


def _structure_key(asked: tuple[_Row, UUID], _: object) -> AccessKey:
    row, organization_id = asked
    keys = _fill_one((row,), organization_id, format_organization(organization_id))
    if keys is None:
        raise _TooNarrowError
    return keys[0]


_converter = Converter(detailed_validation=False)
_converter.register_structure_hook(AccessKeyPage, _structure_page)
_converter.register_structure_hook(AccessKey, _structure_key)
_to_page: Callable[[tuple[_Rows, UUID], type[AccessKeyPage]], AccessKeyPage]
_to_page = _converter.get_structure_hook(AccessKeyPage)
_to_key: Callable[[tuple[_Row, UUID], type[AccessKey]], AccessKey]
_to_key = _converter.get_structure_hook(AccessKey)
_decode_rows = msgspec.json.Decoder(_Rows).decode
_decode_row = msgspec.json.Decoder(_OneRow).decode
_REFUSALS: Final = (_TooNarrowError, *REFUSALS)


def decode_page(body: bytes, organization_id: UUID) -> AccessKeyPage | None:
    """Read a page of that organization's keys, or return None for the strict way to say why."""
    try:
        return _to_page((_decode_rows(body), organization_id), AccessKeyPage)
    except _REFUSALS:
        return None


def decode_key(body: bytes, organization_id: UUID, key_id: UUID, text: str) -> AccessKey | None:
    """Read that organization's key of that id, or return None for the strict way to say why.

    `text` is the id as the API writes it.
    """
    try:
        row: Any = _decode_row(body)
        if row.id != text:
            return None
        row.id = key_id
        if row.roles is not _ABSENT:
            row.roles, refs = ROLES[bytes(row.roles)]
            if row.role_refs is _ABSENT:
                row.role_refs = refs
        return _to_key((row, organization_id), AccessKey)
    except _REFUSALS:
        return None
