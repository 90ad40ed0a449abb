from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.audit.run.sealed_lines import open_line, seal_line

VALUES = st.dictionaries(st.text(), st.integers() | st.text(), min_size=1)


@pytest.mark.slow
@given(VALUES)
def test_a_sealed_line_is_one_line_of_json_and_opens_as_it_was(value: dict[str, object]) -> None:
    line = json.dumps(value).encode() + b"\n"

    sealed = seal_line(line)

    assert sealed.count(b"\n") == 1
    assert json.loads(sealed) == {**value, "digest": json.loads(sealed)["digest"]}
    assert open_line(sealed) == line


@pytest.mark.slow
@given(VALUES, st.data())
def test_a_sealed_line_in_which_anything_changed_does_not_open(
    value: dict[str, object], data: st.DataObject
) -> None:
    sealed = bytearray(seal_line(json.dumps(value).encode() + b"\n"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))

    assert open_line(bytes(sealed)) is None


@pytest.mark.parametrize("line", [b"", b"{}\n", b'{"digest":"0"}\n'])
def test_a_line_that_was_never_sealed_does_not_open(line: bytes) -> None:
    assert open_line(line) is None
