from __future__ import annotations

from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._contract.fields import parse_uuid, wire_name
from accesskeys_async.records import AccessKey, AccessKeyPage


def to_camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


@pytest.mark.parametrize("kind", [AccessKey, AccessKeyPage])
def test_every_field_has_its_name_in_camel_case(kind: type[attrs.AttrsInstance]) -> None:
    for field in attrs.fields(kind):
        assert wire_name(field.name) == to_camel(field.name)


@given(st.uuids())
def test_a_uuid_reads_from_its_text_in_either_case_with_or_without_hyphens(value: UUID) -> None:
    for text in (str(value), str(value).upper(), value.hex):
        assert parse_uuid(text) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "7",
        "g" * 32,
        f"{{{UUID(int=7)}}}",
        UUID(int=7).urn,
        f"{UUID(int=7)}\n",
        UUID(int=7).bytes,
        7,
        None,
    ],
)
def test_all_else_is_no_uuid(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a UUID$"):
        parse_uuid(value)
