"""Tables for people: keys as they stream, one key as a list of its fields, and rows of any kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from accesskeys_async._escaping import printable
from accesskeys_async.cli.output.screen import Screen, flow
from accesskeys_async.records import AccessKey, Token, Unset

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from accesskeys_async.records import Policy

ABSENT: Final = "–"
_GAP: Final = 2
_OF_ROLES: Final = ("roles", "")
"""The titles of lines that are prose."""
_ID_WIDTH: Final = 36
_NAME_LEAST: Final = 28
_TEXT_LEAST: Final = 24
_WORD_MOST: Final = 40
"""A column of text is as wide as its longest word up to this, so that an id in a sentence stays whole."""
_UNBOUNDED: Final = 100_000


@frozen
class TableColumn:
    """A column of `render_table`."""

    title: str
    wraps: bool = False
    """Whether its cells are text that may be wrapped. What does not wrap, such as an id, is never cut."""
    right: bool = False
    """Whether its cells end at the same place, as numbers do."""


def render_table(
    screen: Screen, columns: Sequence[TableColumn], rows: Sequence[Sequence[str | Text]], *, width: int | None
) -> str:
    """Return rows as a table, or as one block for each row if the table does not fit into the width.

    `width` None, for text that no terminal shows, wraps nothing. No rows are no text.
    """
    texts = [[_as_text(cell) for cell in row] for row in rows]
    if not texts:
        return ""
    widths = _fit(columns, texts, width)
    if widths is None:
        return render_records(screen, columns, texts, width=width)
    from rich.text import Text

    lines = [_join([Text(column.title, style="bold") for column in columns], widths, columns)]
    for row in texts:
        parts = [
            _wrap(screen, cell, room) if column.wraps else [cell]
            for column, cell, room in zip(columns, row, widths, strict=True)
        ]
        height = max(len(part) for part in parts)
        lines += [
            _join([part[n] if n < len(part) else Text() for part in parts], widths, columns)
            for n in range(height)
        ]
    return screen.draw(Text("\n").join(lines), width=_UNBOUNDED)


def render_records(
    screen: Screen, columns: Sequence[TableColumn], rows: Sequence[Sequence[str | Text]], *, width: int | None
) -> str:
    """Return each row as a block of lines, one for each field that is not empty, and a blank line between."""
    from rich.text import Text

    margin = max(len(column.title) for column in columns)
    room = _UNBOUNDED if width is None else max(width - margin - _GAP, _WORD_MOST)
    blocks: list[Text] = []
    for row in rows:
        lines: list[Text] = []
        for column, cell in zip(columns, map(_as_text, row), strict=True):
            parts = _wrap(screen, cell, room) if column.wraps else [cell]
            if cell.plain:
                titles = [Text(column.title, style="bold"), *(Text() for _ in parts[1:])]
                lines += [_join(pair, [margin, 0]) for pair in zip(titles, parts, strict=True)]
        blocks.append(Text("\n").join(lines))
    return screen.draw(Text("\n\n").join(blocks), width=_UNBOUNDED) if blocks else ""


def _as_text(cell: str | Text) -> Text:
    from rich.text import Text

    return Text(printable(cell)) if isinstance(cell, str) else cell


def _fit(
    columns: Sequence[TableColumn], rows: Sequence[Sequence[Text]], width: int | None
) -> list[int] | None:
    """Return a width for each column, or None if they do not fit beside each other."""
    widths = [
        max(len(column.title), *(cell.cell_len for cell in cells))
        for column, cells in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    excess = sum(widths) + _GAP * (len(widths) - 1) - (_UNBOUNDED if width is None else width)
    for number, column in enumerate(columns):
        if column.wraps and excess > 0:
            longest = max((len(word) for row in rows for word in row[number].plain.split()), default=0)
            least = min(widths[number], max(_TEXT_LEAST, min(longest, _WORD_MOST)))
            taken = min(excess, widths[number] - least)
            widths[number] -= taken
            excess -= taken
    return None if width is not None and excess > 0 else widths


def _wrap(screen: Screen, cell: Text, room: int) -> list[Text]:
    if cell.cell_len <= room:
        return [cell]
    lines = cell.wrap(screen.console(width=_UNBOUNDED), max(room, 1), overflow="fold")
    for line in lines:
        line.rstrip()
    return list(lines)


def _join(cells: Sequence[Text], widths: Sequence[int], columns: Sequence[TableColumn] = ()) -> Text:
    from rich.text import Text

    line = Text()
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        rest = " " * max(width - cell.cell_len, 0)
        at_right = number < len(columns) and columns[number].right
        line.append(rest if at_right else "").append_text(cell)
        line.append(("" if at_right else rest) + " " * _GAP)
    line.rstrip()
    return line


@frozen
class _Column:
    title: str
    width: int
    cell: Callable[[AccessKey], tuple[str, str]]
    """Gives the text and its style."""


@define
class TableWriter:
    """Write keys in columns whose widths are fixed before the first key, so that a listing can stream.

    Ids and names are never cut. The terminal decides how many of the other columns follow the id. The name
    takes the rest of the line, and goes on below if it is longer. A terminal that is too narrow for this gets
    a block of lines for each key. `width` None wraps nothing, which is for text that no terminal shows.
    """

    _screen: Screen
    _width: int | None
    _columns: tuple[_Column, ...] = field(init=False)
    _stacked: bool = field(init=False)
    _headed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._stacked = self._width is not None and self._width < _ID_WIDTH + _GAP + _NAME_LEAST
        self._columns = () if self._stacked else _fitting(self._width)

    def begin(self) -> str:
        """Return nothing: the header comes with the first keys, so that an empty listing has none."""
        return ""

    def page(self, keys: Iterable[AccessKey]) -> str:
        """Return the rows of the next keys, under the header if they are the first."""
        from rich.text import Text

        # One text for the page: Rich's tables take ten times as long.
        lines = [line for key in keys for line in (self._stack(key) if self._stacked else self._row(key))]
        if not lines:
            return ""
        if not (self._headed or self._stacked):
            lines.insert(0, self._header())
        self._headed = True
        return self._screen.draw(Text("\n").join(lines), width=_UNBOUNDED)

    def end(self) -> str:
        """Return nothing."""
        return ""

    def record(self, key: AccessKey, token: Token | None = None) -> str:
        """Return the fields of one key, a line each, and its token where one is given.

        Nothing is cut. Roles are wrapped at words; else wrapping is left to the terminal, so that a token is
        copied whole.
        """
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, _GAP))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column()
        fields = list(_fields(key))
        margin = max(len(title) for title, _ in fields) + _GAP
        for title, cell in fields:
            if self._width is not None and title in _OF_ROLES and isinstance(cell, Text):
                cell = Text(flow(cell.plain, max(1, self._width - margin)), style=cell.style)
            grid.add_row(title, cell)
        if token is not None:
            grid.add_row("token", Text(printable(token.reveal()), style="bold green"))
        return self._screen.draw(grid, width=_UNBOUNDED)

    def _header(self) -> Text:
        from rich.text import Text

        titles = ["ID".ljust(_ID_WIDTH), *(column.title.ljust(column.width) for column in self._columns)]
        return Text((" " * _GAP).join([*titles, "NAME"]), style="bold")

    def _row(self, key: AccessKey) -> list[Text]:
        from rich.cells import set_cell_size
        from rich.text import Text

        line = Text(str(key.id))
        for column in self._columns:
            text, style = column.cell(key)
            line.append(" " * _GAP)
            line.append(set_cell_size(printable(text), column.width), style)
        line.append(" " * _GAP)
        margin = line.cell_len
        first, *others = self._name(key, margin=margin)
        return [line.append_text(first), *(Text(" " * margin).append_text(other) for other in others)]

    def _stack(self, key: AccessKey) -> list[Text]:
        from rich.text import Text

        use, style = last_use(key)
        return [
            Text(str(key.id), style="dim"),
            *(Text(" " * _GAP).append_text(part) for part in self._name(key, margin=_GAP)),
            Text(" " * _GAP).append(f"…{printable(key.suffix)}  used ", "dim").append(use, style or "dim"),
        ]

    def _name(self, key: AccessKey, *, margin: int) -> list[Text]:
        from rich.text import Text

        name = Text(printable(key.name))
        return [name] if self._width is None else _wrap(self._screen, name, self._width - margin)


def date(moment: datetime | Unset | None) -> str:
    """Write the day of a moment in UTC, or a dash where there is none."""
    return moment.date().isoformat() if isinstance(moment, datetime) else ABSENT


def last_use(key: AccessKey) -> tuple[str, str]:
    """Write the day of the last use, and its style; `never` is told apart from not known."""
    return ("never", "yellow") if key.last_used_at is None else (date(key.last_used_at), "")


def _fitting(width: int | None) -> tuple[_Column, ...]:
    # In the order in which they are given up, last first; shown in the same order.
    wanted = (
        _Column("LAST USED", 10, last_use),
        _Column("SUFFIX", 6, lambda key: (key.suffix, "dim")),
        _Column("CREATED", 10, lambda key: (date(key.created_at), "")),
    )
    room = _UNBOUNDED if width is None else width - _ID_WIDTH - _GAP - _NAME_LEAST
    fitting: list[_Column] = []
    for column in wanted:
        room -= column.width + _GAP
        if room < 0:
            break
        fitting.append(column)
    return tuple(fitting)


def _fields(key: AccessKey) -> Iterable[tuple[str, Text]]:
    from rich.text import Text

    def plain(value: object) -> Text:
        absent = value is None or isinstance(value, Unset)
        return Text(ABSENT, style="dim") if absent else Text(printable(str(value)))

    def moment(value: datetime | Unset | None) -> Text:
        return plain(value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else None)

    yield "id", plain(key.id)
    yield "organization", plain(key.organization_id)
    yield "name", plain(key.name)
    yield "description", plain(key.description)
    yield "type", plain(key.type)
    yield "suffix", plain(key.suffix)
    yield "created", moment(key.created_at)
    yield "updated", moment(key.updated_at)
    yield "last used", Text("never", style="yellow") if key.last_used_at is None else moment(key.last_used_at)
    yield from _role_fields(key)
    if isinstance(key.role_ids, tuple):
        yield "role ids", Text(printable(" ".join(key.role_ids)))


def _role_fields(key: AccessKey) -> Iterable[tuple[str, Text]]:
    """Give each role a line, and with `get` its policies below."""
    from rich.text import Text

    whole = {role.id: role for role in key.roles} if isinstance(key.roles, tuple) else {}
    refs = key.role_refs if isinstance(key.role_refs, tuple) else None
    if refs == ():
        yield "roles", Text("none: the service denies everything to this key", style="yellow")
    for number, ref in enumerate(refs or ()):
        role = whole.get(ref.id)
        words = [str(ref.id)]
        words += [str(word) for word in (role.name if role else None, ref.type) if word]
        if isinstance(ref.workspaces, tuple) and ref.workspaces:
            words.append(f"in workspaces {' '.join(map(str, ref.workspaces))}")
        yield "" if number else "roles", Text(printable(", ".join(words)))
        for policy in role.policies or () if role else ():
            yield "", Text(f"  policy {printable(_tell_policy(policy))}")


def _tell_policy(policy: Policy) -> str:
    statements = [
        " ".join(
            [
                statement.effect or "?",
                ",".join(statement.actions or ()) or "?",
                f"on {','.join(statement.resources or ()) or '?'}",
            ]
        )
        for statement in policy.definitions or ()
    ]
    return f"{policy.name or policy.id}: {'; '.join(statements) or 'no statement'}"
