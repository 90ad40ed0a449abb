"""`accesskeys list`: stream the keys of an organization."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Annotated

import typer
from attrs import define

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import run
from accesskeys_async.cli.options import Organization, connected
from accesskeys_async.cli.output.screen import OutputError, Screen

if TYPE_CHECKING:
    from accesskeys_async.cli.output.key_writers import Writer
    from accesskeys_async.records import AccessKeyPage


@connected
def list_keys(
    invocation: Invocation,
    org: Organization = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many keys each request returns.")] = 100,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="List in reverse order: what usually comes last comes first.")
    ] = False,
    page_token: Annotated[
        str | None, typer.Option(help="Begin at this page; a listing that broke off names it.")
    ] = None,
    max_items: Annotated[int | None, typer.Option(min=1, help="Stop after this number of keys.")] = None,
) -> None:
    """List the access keys of an organization.

    Keys are written as they arrive, so that a listing of any length needs little memory. The output of a
    listing that breaks off is still valid. The command then names the page to continue with, and exits
    with 4.
    """
    organization = invocation.organization(org)
    listed = _Listed(invocation.screen, invocation.writer(), max_items, next_page=page_token)
    size = limit if max_items is None else min(limit, max_items)
    with listed.made_whole(), _progress(invocation.screen) as listed.tell:
        run(_stream(invocation, organization, listed, limit=size, reverse=reverse))
    if invocation.screen.stdout_is_terminal:
        invocation.screen.notice(f"{listed.count:,} access key{'' if listed.count == 1 else 's'}")


async def _stream(
    invocation: Invocation, organization: str, listed: _Listed, *, limit: int, reverse: bool
) -> None:
    async with invocation.client() as client:
        # No page is asked for ahead: while a pager holds the output up, the deadline of that call would
        # run out unseen.
        listing = client.list(
            organization, limit=limit, reverse=reverse, page_token=listed.next_page, prefetch=0
        )
        async with contextlib.aclosing(listing.pages()) as pages:
            async for page in pages:
                listed.write(page)
                if listed.is_enough:
                    break


@define
class _Listed:
    screen: Screen
    writer: Writer
    max_items: int | None
    next_page: str | None
    count: int = 0
    begun: bool = False
    tell: Callable[[int], None] = lambda _: None

    @property
    def is_enough(self) -> bool:
        return self.count == self.max_items

    def write(self, page: AccessKeyPage) -> None:
        keys = page.results if self.max_items is None else page.results[: self.max_items - self.count]
        self.screen.write(self._begin() + self.writer.page(keys))
        self.count += len(keys)
        self.next_page = page.next_page_token
        self.tell(self.count)

    @contextlib.contextmanager
    def made_whole(self) -> Generator[None]:
        """Close the output also after a listing that broke off, and then say where to go on."""
        from accesskeys_async.errors import AccessKeysError

        try:
            yield
        except OutputError:
            raise
        except AccessKeysError as error:
            if not self.begun:
                raise
            self._break_off()
            # Whatever the API said, the shell is told that the output is not complete.
            raise CommandError(str(error), code=ExitCode.UNREACHABLE) from error
        except BaseException:
            if self.begun:
                self._break_off()
            raise
        self.screen.write(self._begin() + self.writer.end())

    def _break_off(self) -> None:
        self.screen.write(self.writer.end())
        if self.next_page:
            token = shlex.quote(self.next_page)
            self.screen.notice(f"broke off after {self.count:,} keys; go on with --page-token={token}")

    def _begin(self) -> str:
        # Not before the first page is there: what fails until then leaves no output at all.
        if self.begun:
            return ""
        self.begun = True
        return self.writer.begin()


@contextlib.contextmanager
def _progress(screen: Screen) -> Generator[Callable[[int], None]]:
    # Where the keys themselves scroll by, they are the progress.
    if screen.quiet or not screen.stderr_is_terminal or screen.stdout_is_terminal:
        yield lambda _: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,} access keys"), TimeElapsedColumn())
    with Progress(*columns, console=screen.console(on_stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda count: progress.update(task, completed=count)
