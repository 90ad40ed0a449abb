"""The command line as a whole, and how a call ends that does not reach a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final

import typer
import typer.main

from accesskeys_async._version import __version__
from accesskeys_async.cli.commands import COMMANDS, LazyGroup
from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.cli.output.screen import Screen

# Rich would draw the help as well, but loading what it needs for that doubles the time it takes.
app = typer.Typer(
    name="accesskeys",
    cls=LazyGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Newer Typers bring a click of their own, older ones import the public one: the class above BadParameter and
# UsageError is in both the one that is raised for whatever a person typed wrong.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

_PLAIN_WORDS: Final = (
    ("Value error, ", ""),
    ("Input should be a valid integer, unable to parse string as an integer", "it takes a whole number"),
    ("Input should be a valid number, unable to parse string as a number", "it takes a number"),
    ("Input should be greater than or equal to ", "it takes at least "),
    ("Input should be less than or equal to ", "it takes at most "),
)
"""What the checker of types says to programmers, and what the command line says."""


@app.callback(invoke_without_command=True)
def accesskeys(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", "-V", help="Show the version.")] = False,
) -> None:
    """Read and change the access keys of organizations.

    The token comes from ACCESSKEYS_TOKEN or --credential-file, never from the command line itself, which
    every process on the machine can read.

    Exit codes: 0 done, 1 the API said no, 2 wrong usage, 3 no token or an unknown one, 4 unreachable or cut
    short, 130 interrupted.

    Begin with: accesskeys demo
    """
    if version:
        typer.echo(f"accesskeys {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(ExitCode.USAGE)


def _stand_in() -> None:
    raise AssertionError("unreachable: the group calls the command itself")


for _name, (_, _summary) in COMMANDS.items():
    app.command(_name, help=_summary)(_stand_in)


def run(arguments: Sequence[str], *, screen: Screen | None = None) -> int:
    """Run one command and return its exit code; `screen` defaults to the streams of the process."""
    screen = screen or Screen.of_process()
    command = typer.main.get_command(app)
    try:
        outcome = command.main(
            args=list(arguments), prog_name="accesskeys", standalone_mode=False, obj=screen
        )
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # Typer does not export it
            for line in str(error).splitlines():
                screen.trace(line)
        else:
            screen.error(_explain(error))
        return ExitCode.USAGE
    except typer.Abort:
        # Older Typers end so on Ctrl-C outside of a command; newer ones return the code.
        return ExitCode.INTERRUPTED
    except OSError as error:
        screen.error(f"cannot write the output: {error.strerror}")
        return ExitCode.UNREACHABLE
    except SystemExit as stop:
        # This is how Typer ends when the reader of its help is gone, and when it has completed a word.
        return ExitCode.DONE if isinstance(stop.__context__, BrokenPipeError) else _code(stop.code)
    return _code(outcome)


def _explain(error: Exception) -> str:
    say: Callable[[], str] = getattr(error, "format_message", error.__str__)
    context: typer.Context | None = getattr(error, "ctx", None)
    place = context.command_path if context else "accesskeys"
    said = say().rstrip(".")
    for words, plainer in _PLAIN_WORDS:
        said = said.replace(words, plainer)
    return f"{said} (see: {place} --help)"


def _code(outcome: object) -> int:
    return outcome if isinstance(outcome, int) else ExitCode.DONE
