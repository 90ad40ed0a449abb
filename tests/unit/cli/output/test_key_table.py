from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from rich.cells import cell_len

from accesskeys_async.cli.output.key_table import TableColumn, TableWriter, date, last_use, render_table
from accesskeys_async.records import UNSET, AccessKey, Policy, PolicyDefinition, Role, RoleRef, Token

USED = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)


@pytest.fixture
def make_table(make_desk: Callable) -> Callable[..., TableWriter]:
    def make(width: int | None = None) -> TableWriter:
        return TableWriter(make_desk().screen, width)

    return make


def test_the_header_comes_once_and_only_with_keys(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    table = make_table(100)
    assert table.begin() + table.page([]) == ""
    first, second = table.page([make_key(1)]), table.page([make_key(2)])
    assert first.splitlines()[0].split() == ["ID", "LAST", "USED", "SUFFIX", "CREATED", "NAME"]
    assert len(second.splitlines()) == 1
    assert table.end() == ""


def test_pages_have_their_columns_at_the_same_place(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    table = make_table(100)
    text = table.page([make_key(name="short")]) + table.page([make_key(name="a good deal longer")])
    _, first, second = text.splitlines()
    assert first.index("short") == second.index("a good")


@pytest.mark.parametrize("width", [20, 40, 57, 58, 70, 80, 100, 200])
@pytest.mark.parametrize(
    "name", ["🙂" * 256, "👩‍👩‍👧‍👦" * 40, "漢" * 256, "x" * 256, "e\u0301" * 128, "\x1b[2J" * 60]
)
def test_no_name_breaks_the_layout(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey], width: int, name: str
) -> None:
    lines = make_table(width).page([make_key(name=name), make_key(name="next")]).splitlines()
    assert all(cell_len(line) <= max(width, 36) for line in lines)
    assert sum("next" in line for line in lines) == 1
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_names_that_begin_alike_are_told_apart_at_every_width(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey], width: int
) -> None:
    names = [f"inbox-deploy-staging-of-the-team-in-lisbon-{number:04}" for number in range(3)]
    text = make_table(width).page([make_key(number, name=name) for number, name in enumerate(names)])
    together = "".join(text.split())
    assert all(name in together for name in names)
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert all(str(make_key(number).id) in text for number in range(3))


def test_a_narrow_terminal_gets_a_block_for_each_key(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    keys = [make_key(1, name="ci", last_used_at=USED), make_key(2, name="cd", last_used_at=None)]
    assert make_table(60).page(keys).splitlines() == [
        "00000000-0000-0000-0000-000000000001",
        "  ci",
        "  …AbCdEf  used 2026-03-04",
        "00000000-0000-0000-0000-000000000002",
        "  cd",
        "  …AbCdEf  used never",
    ]


def test_numbers_end_at_the_same_place(make_desk: Callable) -> None:
    columns = (TableColumn("RUN", right=True), TableColumn("WHEN"), TableColumn("KEYS", right=True))
    rows = [("1", "today", "9"), ("12", "now", "1,000")]
    assert render_table(make_desk().screen, columns, rows, width=80).splitlines() == [
        "RUN  WHEN    KEYS",
        "  1  today      9",
        " 12  now    1,000",
    ]
    assert "RUN   1\n" in render_table(make_desk().screen, columns, rows, width=12)


@pytest.mark.parametrize("width", [10, 36, 40, 60, 80, 100])
def test_the_id_is_always_whole(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey], width: int
) -> None:
    lines = "".join(make_table(width).page([make_key()]).split())
    assert "00000000-0000-0000-0000-000000000001" in lines


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (66, "ID NAME"),
        (80, "ID LAST USED NAME"),
        (90, "ID LAST USED SUFFIX NAME"),
        (120, "ID LAST USED SUFFIX CREATED NAME"),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey], width: int, titles: str
) -> None:
    header = make_table(width).page([make_key()]).splitlines()[0]
    assert " ".join(header.split()) == titles


def test_a_name_stays_whole_where_no_terminal_shows_it(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    _, line = make_table(None).page([make_key(name="🙂" * 256)]).splitlines()
    assert line.endswith("🙂" * 256)


def test_markup_in_a_name_is_only_text(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    assert "[red]:smile: [/nope]" in make_table(None).page([make_key(name="[red]:smile: [/nope]")])
    assert "[link=x]" in make_table(80).record(make_key(name="[link=x]"))


def test_a_record_shows_every_field_a_line_each(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    key = make_key(type="user", description="two\nlines", last_used_at=USED, role_ids=("r1", "r2"))
    shown = dict(line.split("  ", 1) for line in make_table(80).record(key).splitlines())
    assert {title: value.strip() for title, value in shown.items()} == {
        "id": "00000000-0000-0000-0000-000000000001",
        "organization": "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01",
        "name": "ci",
        "description": "two\\x0alines",
        "type": "user",
        "suffix": "AbCdEf",
        "created": "2026-01-02 03:04:05+00:00",
        "updated": "–",
        "last used": "2026-03-04 23:59:00+00:00",
        "role ids": "r1 r2",
    }


def test_a_record_shows_each_role_with_its_policies(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    one, two, workspace = UUID(int=1), UUID(int=2), UUID(int=3)
    statement = PolicyDefinition("allow", ("/organizations/x/*",), ("view", "create"))
    roles = (
        Role(one, name="deployer", policies=(Policy(two, "deploys", definitions=(statement,)),)),
        Role(two),
    )
    key = make_key(role_refs=(RoleRef(one, "managed"), RoleRef(two, workspaces=(workspace,))), roles=roles)

    lines = make_table(120).record(key).splitlines()

    found = lines.index(next(line for line in lines if line.startswith("roles")))
    assert [line.strip() for line in lines[found : found + 3]] == [
        f"roles         {one}, deployer, managed",
        "policy deploys: allow view,create on /organizations/x/*",
        f"{two}, in workspaces {workspace}",
    ]
    narrow = make_table(80).record(key)
    assert narrow.split() == "\n".join(lines).split()
    assert all(len(line) <= 80 for line in narrow.splitlines())
    margin = " " * (lines[found].index(str(one)) + 2)
    assert f"\n{margin}policy deploys: allow view,create on\n{margin}  /org" in make_table(60).record(key)


@pytest.mark.parametrize(
    ("refs", "shown"), [((), "none: the service denies everything to this key"), (UNSET, ""), (None, "")]
)
def test_a_record_says_of_a_key_without_roles_that_it_is_denied_everything(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey], refs: Any, shown: str
) -> None:
    roles = [line for line in make_table(80).record(make_key(role_refs=refs)).splitlines() if "roles" in line]
    assert [line.split(maxsplit=1)[1] for line in roles] == ([shown] if shown else [])


def test_a_record_shows_a_token_only_where_one_is_given(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    assert "token" not in make_table(80).record(make_key())
    assert "s3cret-token-AbCdEf" in make_table(80).record(make_key(), Token("s3cret-token-AbCdEf"))


def test_a_long_token_is_never_wrapped_or_cut(
    make_table: Callable[..., TableWriter], make_key: Callable[..., AccessKey]
) -> None:
    assert "t" * 200 in make_table(40).record(make_key(), Token("t" * 200))


def test_never_used_is_told_apart_from_not_known(make_key: Callable[..., AccessKey]) -> None:
    assert last_use(make_key(last_used_at=None))[0] == "never"
    assert last_use(make_key(last_used_at=UNSET))[0] == "–"
    assert last_use(make_key(last_used_at=USED))[0] == "2026-03-04"


def test_a_moment_is_shown_as_its_day() -> None:
    assert (date(USED), date(None), date(UNSET)) == ("2026-03-04", "–", "–")


COLUMNS = (
    TableColumn("ROTATION"),
    TableColumn("STATE"),
    TableColumn("DUE"),
    TableColumn("PROBLEM", wraps=True),
)
ID = "f1433875-0d0c-4b2e-b442-0de932dd51aa"
PROBLEM = f"access key {ID} (…AbCdEf) was used after the cut-over; look which program still has its token"


@pytest.mark.parametrize("width", [20, 36, 60, 80, 120, 200])
@pytest.mark.parametrize("problem", ["", "sealed", PROBLEM, "x" * 300, "漢" * 90])
def test_ids_are_never_cut_and_nothing_is_lost_at_any_width(
    make_desk: Callable, width: int, problem: str
) -> None:
    row = (ID, "needs-human", "2026-11-28T23:20:21Z", problem)

    text = render_table(make_desk().screen, COLUMNS, [row, row], width=width)

    lines = text.splitlines()
    assert sum(line.count(ID) for line in lines) == (4 if ID in problem else 2)
    assert all(cell_len(line) <= max(width, 50) for line in lines)
    assert text.count("needs-human") == text.count("2026-11-28T23:20:21Z") == 2
    if lines[0].split() == ["ROTATION", ID]:
        assert "".join(text.split()).count("".join(problem.split())) >= 2 * bool(problem)
    else:
        column = lines[0].index("PROBLEM")
        assert "".join("".join(line[column:] for line in lines[1:]).split()) == "".join((problem * 2).split())


@pytest.mark.parametrize(("width", "is_table"), [(60, False), (80, True), (120, True), (None, True)])
def test_rows_become_blocks_if_their_columns_do_not_fit(
    make_desk: Callable, width: int | None, is_table: bool
) -> None:
    rows = [(ID, "grace", "2026-11-28T23:20:21Z", ""), (ID, "planned", "–", "")]

    lines = render_table(make_desk().screen, COLUMNS, rows, width=width).splitlines()

    if is_table:
        assert [line.split()[0] for line in lines] == ["ROTATION", ID, ID]
    else:
        assert lines[:4] == [f"ROTATION  {ID}", "STATE     grace", "DUE       2026-11-28T23:20:21Z", ""]
        assert lines[4:] == [f"ROTATION  {ID}", "STATE     planned", "DUE       –"]


def test_text_is_wrapped_in_its_column_before_rows_become_blocks(make_desk: Callable) -> None:
    row = (ID, "grace", "–", "the vault is sealed, and nobody is here who could open it before Monday")

    heading, *lines = render_table(make_desk().screen, COLUMNS, [row], width=90).splitlines()

    column = heading.index("PROBLEM")
    assert len(lines) > 1
    assert " ".join(line[column:] for line in lines) == row[3]
    assert all(not line[:column].strip() for line in lines[1:])


def test_no_rows_are_no_text_and_control_characters_are_shown(make_desk: Callable) -> None:
    assert render_table(make_desk().screen, COLUMNS, [], width=80) == ""
    assert "\x1b" not in render_table(make_desk().screen, COLUMNS, [(ID, "a\x1b[2J", "", "")], width=80)
