"""What there is to tell about the keys of an organization, counted as they stream by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import define

from accesskeys_async.cli.output.key_table import date
from accesskeys_async.records import AccessKey

if TYPE_CHECKING:
    from rich.table import Table


@define
class Tally:
    """Count the keys of one organization; adding a key keeps nothing of it."""

    organization_id: str
    keys: int = 0
    never_used: int = 0
    oldest: datetime | None = None
    last_used: datetime | None = None

    def add(self, key: AccessKey) -> None:
        """Count a key."""
        self.keys += 1
        if self.oldest is None or key.created_at < self.oldest:
            self.oldest = key.created_at
        used = key.last_used_at
        if used is None:
            self.never_used += 1
        elif isinstance(used, datetime) and (self.last_used is None or used > self.last_used):
            self.last_used = used


def tabulate(tallies: Iterable[Tally]) -> Table:
    """Make a table with a line an organization and their sum below."""
    from rich import box
    from rich.table import Table

    rows = list(tallies)
    keys, never_used = sum(row.keys for row in rows), sum(row.never_used for row in rows)
    oldest = min((row.oldest for row in rows if row.oldest), default=None)
    last_used = max((row.last_used for row in rows if row.last_used), default=None)
    table = Table(box=box.SIMPLE_HEAD, show_footer=True, header_style="bold", footer_style="bold")
    table.add_column("Organization", "all", no_wrap=True)
    table.add_column("Keys", f"{keys:,}", justify="right", style="cyan")
    table.add_column("Never used", f"{never_used:,}", justify="right", style="yellow")
    table.add_column("Oldest", date(oldest))
    table.add_column("Last used", date(last_used))
    for row in rows:
        counts = (f"{row.keys:,}", f"{row.never_used:,}")
        table.add_row(row.organization_id, *counts, date(row.oldest), date(row.last_used))
    return table
