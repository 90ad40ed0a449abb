from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._contract.writing import dump_key
from accesskeys_async.cli.options import read_role_option
from accesskeys_async.cli.output.key_writers import COLUMNS, CsvWriter, JsonLinesWriter, JsonWriter, Writer
from accesskeys_async.records import AccessKey, Role, RoleRef, Token

TOKEN = Token("s3cret-token-AbCdEf")
names = st.lists(st.text(max_size=20), max_size=8)


def write(writer: Writer, pages: list[list[AccessKey]]) -> str:
    return writer.begin() + "".join(writer.page(page) for page in pages) + writer.end()


def key_named(name: str) -> AccessKey:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return AccessKey(id=UUID(int=1), organization_id=UUID(int=2), name=name, suffix="AbCdEf", created_at=now)


@given(names, st.integers(0, 8))
def test_a_json_array_is_whole_however_the_keys_fall_into_pages(found: list[str], cut: int) -> None:
    keys = [key_named(name) for name in found]
    assert json.loads(write(JsonWriter(), [keys[:cut], keys[cut:]])) == [dump_key(key) for key in keys]


@given(names)
def test_json_lines_hold_a_key_each(found: list[str]) -> None:
    text = write(JsonLinesWriter(), [[key_named(name) for name in found]])
    assert [json.loads(line)["name"] for line in text.split("\n")[:-1]] == found


@given(st.lists(st.text(st.characters(categories=["L", "N"])), max_size=8))
def test_csv_has_a_header_and_a_line_a_key(found: list[str]) -> None:
    text = write(CsvWriter(), [[key_named(name)] for name in found])
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == list(COLUMNS)
    assert [row[COLUMNS.index("name")] for row in rows] == found


def test_csv_has_a_column_for_every_field_of_the_record(make_key: Callable[..., AccessKey]) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    full = make_key(type="x", description="y", last_used_at=moment, updated_at=moment, role_ids=("r",))
    full = evolve(full, role_refs=(RoleRef(UUID(int=1)),), roles=(Role(UUID(int=1)),))
    assert set(dump_key(full)) - {"roles"} == set(COLUMNS)


def test_csv_has_each_role_as_it_is_typed(make_key: Callable[..., AccessKey]) -> None:
    one, two, three = (UUID(int=number) for number in range(1, 4))
    key = make_key(role_refs=(RoleRef(one), RoleRef(two, "managed", (two, three))))
    [row] = csv.DictReader(io.StringIO(CsvWriter().record(key)))
    assert row["roleRefs"] == f"{one} {two}:{two},{three}"
    assert read_role_option(row["roleRefs"].split()) == (RoleRef(one), RoleRef(two, workspaces=(two, three)))
    [bare] = csv.DictReader(io.StringIO(CsvWriter().record(make_key(role_refs=None))))
    assert bare["roleRefs"] == ""


def test_json_has_the_names_of_the_api_and_leaves_out_what_did_not_come(
    make_key: Callable[..., AccessKey],
) -> None:
    row = json.loads(JsonLinesWriter().record(make_key(last_used_at=None)))
    assert row == {
        "id": "00000000-0000-0000-0000-000000000001",
        "organizationId": "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01",
        "name": "ci",
        "suffix": "AbCdEf",
        "createdAt": "2026-01-02T03:04:05Z",
        "lastUsedAt": None,
    }


@pytest.mark.parametrize("writer", [JsonWriter(), JsonLinesWriter(), CsvWriter()])
def test_a_record_shows_its_token_only_where_one_is_given(
    make_key: Callable[..., AccessKey], writer: Writer
) -> None:
    assert "s3cret" not in writer.record(make_key())
    assert "s3cret-token-AbCdEf" in writer.record(make_key(), TOKEN)


def test_one_record_as_json_is_an_indented_object(make_key: Callable[..., AccessKey]) -> None:
    text = JsonWriter().record(make_key(), TOKEN)
    assert json.loads(text)["token"] == "s3cret-token-AbCdEf"
    assert text.startswith('{\n  "id"')


def test_one_record_as_csv_has_the_header_of_what_it_shows(make_key: Callable[..., AccessKey]) -> None:
    header, row = csv.reader(io.StringIO(CsvWriter().record(make_key(role_ids=("a", "b")), TOKEN)))
    assert dict(zip(header, row, strict=True))["token"] == "s3cret-token-AbCdEf"
    assert dict(zip(header, row, strict=True))["roleIds"] == "a b"


def test_a_name_that_is_a_formula_or_spans_lines_is_harmless_in_csv(
    make_key: Callable[..., AccessKey],
) -> None:
    text = CsvWriter().page([make_key(name="=1+1"), make_key(name='two\nlines, "quoted"\x1b')])
    first, second = csv.reader(io.StringIO(text, newline=""))
    assert first[2] == "'=1+1"
    assert second[2] == 'two\nlines, "quoted"\\x1b'


def test_csv_on_a_terminal_keeps_a_key_on_its_line(make_key: Callable[..., AccessKey]) -> None:
    assert CsvWriter(for_terminal=True).page([make_key(name="two\nlines")]).count("\n") == 1


@pytest.mark.parametrize("writer", [JsonWriter(ascii_only=True), JsonLinesWriter(ascii_only=True)])
def test_json_stays_json_where_the_stream_has_no_unicode(
    make_key: Callable[..., AccessKey], writer: Writer
) -> None:
    text = writer.record(make_key(name="🙂"))
    assert text.isascii()
    assert json.loads(text)["name"] == "🙂"
