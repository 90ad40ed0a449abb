"""The options that commands share, and the decorators that give them to a command."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final

import typer
from attrs import evolve

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Format, Invocation
from accesskeys_async.cli.reports import perform
from accesskeys_async.cli.screen import Screen

if TYPE_CHECKING:
    from accesskeys_async.records import RoleRef, Unset

__all__ = [
    "Key",
    "KeyOrOrganization",
    "Organization",
    "RoleIds",
    "Roles",
    "connected",
    "local",
    "read_role_option",
    "reporting",
]

_ORGANIZATION_HELP: Final = "The organization's id; else ACCESSKEYS_ORGANIZATION."

Organization = Annotated[
    str | None, typer.Argument(metavar="ORG", help=_ORGANIZATION_HELP, show_default=False)
]
"""The argument of a command about an organization."""

KeyOrOrganization = Organization
"""The first of two arguments: the organization, or the key where it is the only one."""

Key = Annotated[str | None, typer.Argument(metavar="KEY", help="The access key's id.", show_default=False)]
"""The second of two arguments, about a key."""

RoleIds = Annotated[
    list[str] | None, typer.Option("--role-id", help="A role's id, up to five times; deprecated by the API.")
]
"""The roles of a key that is made or changed."""

Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE_ID[:WORKSPACE_ID,…]",
        help="A role that the key gets, in all workspaces or in those named. Repeatable, up to 5 times.",
    ),
]
"""The roles of a key that is created or changed."""


def read_role_option(roles: Sequence[str] | None) -> tuple[RoleRef, ...] | Unset:
    """Read `ROLE_ID[:WORKSPACE_ID,…]`, once for each role; UNSET for none. Raises CommandError."""
    from accesskeys_async.arguments import read_id
    from accesskeys_async.errors import InvalidRequestError
    from accesskeys_async.records import UNSET, RoleRef

    if not roles:
        return UNSET
    refs: list[RoleRef] = []
    for role in roles:
        role_id, colon, workspaces = role.partition(":")
        try:
            ids = (
                tuple(read_id("a workspace's id", one.strip()) for one in workspaces.split(","))
                if colon
                else UNSET
            )
            refs.append(RoleRef(read_id("the role's id", role_id.strip()), workspaces=ids))
        except InvalidRequestError as error:
            raise CommandError(f"--role takes ROLE_ID[:WORKSPACE_ID,…], and {error}") from error
    return tuple(refs)


def connected(command: Callable[Concatenate[Invocation, ...], ExitCode | None]) -> Callable[..., None]:
    """Make what Typer calls of a function that takes an Invocation first; adds the shared options to it."""
    return _connect(command, _format, _connection)


def reporting(command: Callable[Concatenate[Invocation, ...], ExitCode | None]) -> Callable[..., None]:
    """Do as `connected`, for a command that writes no keys and so has no format of its own."""
    return _connect(command, _connection)


def _connect(
    command: Callable[Concatenate[Invocation, ...], ExitCode | None], *shared: Callable[..., object]
) -> Callable[..., None]:
    def callback(context: typer.Context, **arguments: Any) -> None:
        screen, debug = _take_surroundings(context, arguments)
        settings = {
            parameter.name: arguments.pop(parameter.name)
            for function in shared
            for parameter in _options_of(function)
        }
        output_format: Format | None = settings.pop("output_format", None)
        invocation = evolve(_connection(screen, **settings), format=output_format)
        _finish(lambda: command(invocation, **arguments), screen=screen, debug=debug)

    return _described(callback, command, *shared, _surroundings)


def local(command: Callable[Concatenate[Screen, ...], ExitCode | None]) -> Callable[..., None]:
    """Make what Typer calls of a function that takes a Screen first and needs no connection."""

    def callback(context: typer.Context, **arguments: Any) -> None:
        screen, debug = _take_surroundings(context, arguments)
        _finish(lambda: command(screen, **arguments), screen=screen, debug=debug)

    return _described(callback, command, _surroundings)


def _format(
    *,
    output_format: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Else a table on a terminal, and ndjson elsewhere."),
    ] = None,
) -> Format | None:
    return output_format


def _connection(
    screen: Screen,
    *,
    base_url: Annotated[
        str | None,
        typer.Option(help="Where the API is; else ACCESSKEYS_BASE_URL, else the public service."),
    ] = None,
    credential_file: Annotated[
        Path | None, typer.Option(help="A file that holds the token on one line; else ACCESSKEYS_TOKEN.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for one attempt of a request.")] = 15.0,
    deadline: Annotated[
        float, typer.Option(help="Seconds for a request with all its attempts and waits.")
    ] = 60.0,
) -> Invocation:
    return Invocation(
        screen=screen,
        environ=os.environ,
        base_url=base_url,
        credential_file=credential_file,
        timeout=timeout,
        deadline=deadline,
    )


def _surroundings(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the log, and the traceback of an error.")
    ] = False,
) -> tuple[bool, bool]:
    return quiet, debug


def _take_surroundings(context: typer.Context, arguments: dict[str, Any]) -> tuple[Screen, bool]:
    screen = context.obj if isinstance(context.obj, Screen) else Screen.of_process()
    quiet, debug = _surroundings(quiet=arguments.pop("quiet"), debug=arguments.pop("debug"))
    return Screen(screen.stdin, screen.stdout, screen.stderr, quiet=quiet), debug


def _finish(command: Callable[[], object], *, screen: Screen, debug: bool) -> None:
    raise typer.Exit(perform(command, screen=screen, debug=debug))


def _described(
    callback: Callable[..., None], command: Callable[..., object], *shared: Callable[..., object]
) -> Callable[..., None]:
    # Typer reads options off a signature: this one has the command's own, without the first parameter,
    # and then the shared ones.
    context, *_ = inspect.signature(callback, eval_str=True).parameters.values()
    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    parameters = [context, *own]
    for function in shared:
        parameters += _options_of(function)
    callback.__name__ = command.__name__
    callback.__doc__ = command.__doc__
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # inspect's own protocol
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return callback


def _options_of(function: Callable[..., object]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [parameter for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
