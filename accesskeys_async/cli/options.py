"""The options that commands share, and the decorators that give them to a command."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, get_args

import typer
from attrs import evolve
from typer.models import OptionInfo

from accesskeys_async.cli.error_reporting import perform
from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Format, Invocation
from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from accesskeys_async.records import RoleRef, Unset

_ORGANIZATION_HELP: Final = "The organization's id. Default: ACCESSKEYS_ORGANIZATION."
_VALUE_NAMES: Final = {Path: "FILE", int: "N", float: "SECONDS", str: "TEXT"}

Organization = Annotated[
    str | None, typer.Argument(metavar="ORG", help=_ORGANIZATION_HELP, show_default=False)
]
"""The argument of a command about an organization."""

KeyOrOrganization = Organization
"""The first of two arguments: the organization, or the key if it is the only one."""

Key = Annotated[str | None, typer.Argument(metavar="KEY", help="The access key's id.", show_default=False)]
"""The second of two arguments, about a key."""

RoleIds = Annotated[list[str] | None, typer.Option("--role-id", help="Deprecated by the API: use --role.")]
"""The roles of a key in the deprecated form."""

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
    from accesskeys_async._contract.arguments import read_id
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


def check_role_options(roles: Sequence[str] | None, role_ids: Sequence[str] | None) -> None:
    """Check that roles are given in one form. Raises CommandError."""
    if roles and role_ids:
        raise CommandError("--role replaces --role-id; use --role alone")


def connected(command: Callable[Concatenate[Invocation, ...], ExitCode | None]) -> Callable[..., None]:
    """Make what Typer calls of a function that takes an Invocation first; adds the shared options to it."""
    return _connect(command, _format, _connection)


def reporting(command: Callable[Concatenate[Invocation, ...], ExitCode | None]) -> Callable[..., None]:
    """Do as `connected`, for a command that writes no keys and so has no format of its own."""
    return _connect(command, _connection)


def formatted(command: Callable[Concatenate[Invocation, ...], ExitCode | None]) -> Callable[..., None]:
    """Do as `connected`, for a command that writes data and connects to nothing."""
    return _connect(command, _format)


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
        typer.Option(
            "--format", "-f", help="How data is written. Default: table on a terminal, ndjson elsewhere."
        ),
    ] = None,
) -> Format | None:
    return output_format


def _connection(
    screen: Screen,
    *,
    base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The API's URL. Default: ACCESSKEYS_BASE_URL, then the public service."
        ),
    ] = None,
    credential_file: Annotated[
        Path | None,
        typer.Option(help="A file that holds the token on one line. Default: ACCESSKEYS_TOKEN."),
    ] = None,
    proxy: Annotated[
        str | None, typer.Option(metavar="URL", help="An http proxy. Default: HTTPS_PROXY and NO_PROXY.")
    ] = None,
    no_proxy: Annotated[
        bool, typer.Option("--no-proxy", help="Use no proxy, whatever the environment says.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="How long one attempt of a request may take.")] = 15.0,
    deadline: Annotated[
        float, typer.Option(help="How long a request may take with all its attempts and waits.")
    ] = 60.0,
) -> Invocation:
    return Invocation(
        screen=screen,
        environ=os.environ,
        base_url=base_url,
        credential_file=credential_file,
        proxy=proxy,
        no_proxy=no_proxy,
        timeout=timeout,
        deadline=deadline,
    )


def _surroundings(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write nothing but errors to stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the log, and an error's traceback.")] = False,
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
    for parameter in parameters:
        _name_value(parameter)
    callback.__name__ = command.__name__
    callback.__doc__ = command.__doc__
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    callback.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # inspect's own protocol
        [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
    )
    return callback


def _name_value(parameter: inspect.Parameter) -> None:
    """Give an option's value a plain name in the help, `FILE` and not `<list[Path]>`, if it has none."""
    kind, *infos = get_args(parameter.annotation) or (None,)
    for info in infos:
        if isinstance(info, OptionInfo) and info.metavar is None:
            # `list[Path] | None` is about a Path.
            inner = {kind, *get_args(kind), *(one for part in get_args(kind) for one in get_args(part))}
            info.metavar = next((name for of, name in _VALUE_NAMES.items() if of in inner), None)


def _options_of(function: Callable[..., object]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return [parameter for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
