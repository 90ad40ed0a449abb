"""What the rotation commands stand on: the rotator, its journal, and the place where a new token goes."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import frozen

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.loop import run as run_loop

if TYPE_CHECKING:
    from accesskeys_async.rotation import Rotation, Rotator, Sink

T = TypeVar("T")

PLACES: Final = "--to-file, --to-dir, --to-env-file or --to-command"


@frozen
class TokenTarget:
    """Where the new token goes, as the options say."""

    to_file: Path | None = None
    to_dir: Path | None = None
    to_env_file: Path | None = None
    env_name: str = "ACCESSKEYS_TOKEN"
    to_command: str | None = None

    def check(self) -> None:
        """Refuse more than one, and a command that can't be read."""
        if sum(place is not None for place in self._places) > 1:
            raise CommandError(f"the token goes to one place: {PLACES}")
        if self.to_command is not None:
            try:
                words = shlex.split(self.to_command)
            except ValueError as error:
                raise CommandError(f"--to-command can't be read: {error}") from error
            if not words:
                raise CommandError("--to-command names no command")

    def check_for(self, due: Sequence[Rotation]) -> None:
        """Refuse to begin what would find nowhere to put its token, or one place for several tokens."""
        from accesskeys_async.rotation.sinks import REPLACED_KEY_ID

        count = sum(needs_target(rotation) for rotation in due)
        if count and not self._is_named:
            raise CommandError(f"say where the new token goes: {PLACES}")
        if count > 1 and self.to_dir is None and REPLACED_KEY_ID not in (self.to_command or ""):
            raise CommandError(
                f"{count} rotations would write to one place, which holds one token; use --to-dir, or put "
                f"{REPLACED_KEY_ID} into --to-command"
            )

    @property
    def _places(self) -> tuple[object, ...]:
        return (self.to_file, self.to_dir, self.to_env_file, self.to_command)

    @property
    def _is_named(self) -> bool:
        return any(place is not None for place in self._places)

    def make(self) -> Sink:
        """Make the sink; where no place was named, one that refuses."""
        from accesskeys_async.rotation import CommandSink, DirectorySink, EnvFileSink, FileSink

        if self.to_file is not None:
            return FileSink(self.to_file)
        if self.to_dir is not None:
            return DirectorySink(self.to_dir)
        if self.to_env_file is not None:
            return EnvFileSink(self.to_env_file, name=self.env_name)
        return _refuse if self.to_command is None else CommandSink(shlex.split(self.to_command))


def needs_target(rotation: Rotation) -> bool:
    """Tell whether a rotation has yet to hand its token over, at once or once it is retried."""
    from accesskeys_async.rotation import State

    early = {State.PLANNED, State.CREATING, State.CREATED, State.DISTRIBUTED}
    return (rotation.stuck_at or rotation.state) in early and not rotation.aborting


def perform(
    invocation: Invocation,
    journal: str | None,
    act: Callable[[Rotator], Coroutine[object, object, T]],
    *,
    target: TokenTarget | None = None,
    create: bool = False,
) -> T:
    """Run an act on a rotator to its end; `create` allows it to begin a journal.

    Raises CommandError for what only rotations raise.
    """

    async def run() -> T:
        async with _open(invocation, journal, target, create=create) as rotator:
            return await act(rotator)

    with rotation_told():
        return run_loop(run())


@contextlib.asynccontextmanager
async def _open(
    invocation: Invocation, journal: str | None, target: TokenTarget | None, *, create: bool
) -> AsyncGenerator[Rotator]:
    from accesskeys_async.rotation import FileSink, Journal, Rotator

    place = find_journal(invocation, journal)
    async with invocation.client() as client, Journal(place, create=create) as opened:
        speaking = client
        if invocation.credential_file is not None:
            # Read at each request, so that a rotation of this very key goes over to the new token.
            speaking = client.with_options(token=FileSink(invocation.credential_file).read)
        yield Rotator(speaking, opened, target.make() if target else _refuse)


async def _refuse(delivery: object) -> None:  # noqa: ARG001 - a sink's signature
    from accesskeys_async.rotation import SinkError

    raise SinkError("no place for the token was named")


@contextlib.contextmanager
def rotation_told() -> Generator[None]:
    """Choose the exit code of what only rotations raise."""
    try:
        from accesskeys_async.rotation import RotationRefusedError, UnknownRotationError
    except ImportError as error:
        message = f"rotation needs {error.name}: pip install 'accesskeys-async[rotation]'"
        raise CommandError(message) from error
    try:
        yield
    except RotationRefusedError as error:
        raise CommandError(str(error), code=ExitCode.REFUSED) from error
    except UnknownRotationError as error:
        raise CommandError(str(error)) from error


def find_journal(invocation: Invocation, journal: str | None) -> str:
    """Take the journal's place from its option, else from the environment. Raises CommandError."""
    place = journal or invocation.environ.get("ACCESSKEYS_JOURNAL")
    if not place:
        raise CommandError("no journal: name a file or URL with --journal, or set ACCESSKEYS_JOURNAL")
    return place
