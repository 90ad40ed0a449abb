"""Access keys for people: a table that streams, and one record as a list of its fields."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from accesskeys_async.cli.printable import printable
from accesskeys_async.cli.screen import Screen
from accesskeys_async.records import AccessKey, Token, Unset

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["TableWriter", "date", "last_use"]

ABSENT: Final = "–"
_GAP: Final = 2
_ID_WIDTH: Final = 36
_NAME_LEAST: Final = 20
_UNBOUNDED: Final = 100_000


@frozen
class _Column:
    title: str
    width: int
    cell: Callable[[AccessKey], Text]


@define
class TableWriter:
    """Write keys in columns whose widths are fixed before the first key, so that a listing can stream.

    The id is always whole. As many of the other columns as the terminal has room for follow, and the name
    takes the rest; where not even that fits, the name gets a line of its own. `width` None leaves names
    whole, which is for text that no terminal shows.
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
        rows = list(keys)
        if not rows:
            return ""
        content = self._stack(rows) if self._stacked else self._grid(rows)
        text = self._screen.draw(content, width=self._width or _UNBOUNDED)
        self._headed = True
        return text

    def end(self) -> str:
        """Return nothing."""
        return ""

    def record(self, key: AccessKey, token: Token | None = None) -> str:
        """Return the fields of one key, a line each, and its token where one is given.

        Nothing is cut, and the wrapping is left to the terminal, so that a token is copied whole.
        """
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, _GAP))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column()
        for title, cell in _fields(key):
            grid.add_row(title, cell)
        if token is not None:
            grid.add_row("token", Text(printable(token.reveal()), style="bold green"))
        return self._screen.draw(grid, width=_UNBOUNDED)

    def _grid(self, keys: Iterable[AccessKey]) -> RenderableType:
        from rich.table import Table

        table = Table(
            box=None,
            show_header=not self._headed,
            header_style="bold",
            pad_edge=False,
            padding=(0, _GAP, 0, 0),
        )
        table.add_column("ID", width=_ID_WIDTH, no_wrap=True)
        for column in self._columns:
            table.add_column(column.title, width=column.width, no_wrap=True)
        taken = _ID_WIDTH + sum(_GAP + column.width for column in self._columns) + _GAP
        name_width = None if self._width is None else self._width - taken
        table.add_column("NAME", width=name_width, no_wrap=True, overflow="ellipsis")
        for key in keys:
            table.add_row(str(key.id), *(column.cell(key) for column in self._columns), _name(key))
        return table

    def _stack(self, keys: Iterable[AccessKey]) -> RenderableType:
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        lines: list[RenderableType] = []
        for key in keys:
            lines += [Text(str(key.id), style="dim"), Padding(_name(key), (0, 0, 0, _GAP))]
        return Group(*lines)


def date(moment: datetime | Unset | None) -> str:
    """Write the day of a moment in UTC, or a dash where there is none."""
    return moment.date().isoformat() if isinstance(moment, datetime) else ABSENT


def last_use(key: AccessKey) -> Text:
    """Write the day of the last use; `never` is told apart from not known."""
    from rich.text import Text

    if key.last_used_at is None:
        return Text("never", style="yellow")
    return Text(date(key.last_used_at))


def _fitting(width: int | None) -> tuple[_Column, ...]:
    from rich.text import Text

    # In the order in which they are given up, last first; shown in the same order.
    wanted = (
        _Column("LAST USED", 10, last_use),
        _Column("SUFFIX", 6, lambda key: _text(key.suffix, style="dim")),
        _Column("CREATED", 10, lambda key: Text(date(key.created_at))),
    )
    room = _UNBOUNDED if width is None else width - _ID_WIDTH - _GAP - _NAME_LEAST
    fitting: list[_Column] = []
    for column in wanted:
        room -= column.width + _GAP
        if room < 0:
            break
        fitting.append(column)
    return tuple(fitting)


def _name(key: AccessKey) -> Text:
    return _text(key.name)


def _text(value: str, *, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(value), style=style, no_wrap=True, overflow="ellipsis")


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
    if isinstance(key.role_ids, tuple):
        yield "role ids", Text(printable(" ".join(key.role_ids)))
