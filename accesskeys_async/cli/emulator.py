"""`accesskeys emulator`: the API as a service on this machine."""

from __future__ import annotations

import asyncio
import errno
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accesskeys_async.cli.exits import CommandError
from accesskeys_async.cli.loop import TerminatedError, run
from accesskeys_async.cli.options import local
from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from accesskeys_async.emulator import Emulator


@local
def emulator(
    screen: Screen,
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8788,
    database: Annotated[
        Path | None, typer.Option(help="An SQLite file to keep the keys in; in memory by default.")
    ] = None,
    organizations: Annotated[int, typer.Option(min=1, help="Organizations to begin with.")] = 1,
    keys_per_organization: Annotated[int, typer.Option(min=0, help="Keys in each of them.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same organizations and keys.")] = 0,
    control: Annotated[
        bool, typer.Option("--control", help="Serve the control API, too, for a random token of its own.")
    ] = False,
    enforce_roles: Annotated[
        bool, typer.Option("--enforce-roles", help="Allow a token only what its key's roles allow.")
    ] = False,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Listen on an address that other machines reach.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Accept requests for this host name, too; repeatable."),
    ] = None,
) -> None:
    """Serve the same API on this machine. Ctrl-C and SIGTERM stop it, with exit status 0.

    Writes the variables to export on stdout: eval them in another shell, and every command there talks to
    the emulator. --debug writes a line to stderr for each request.
    """
    from accesskeys_async.emulator import Emulator

    async def serve() -> None:
        service = Emulator(
            seed=seed,
            organizations=organizations,
            keys_per_organization=keys_per_organization,
            database=database,
            host=host,
            port=port,
            allow_remote=allow_remote,
            allowed_hosts=allow_host or (),
            control=control,
            enforce_roles=enforce_roles,
        )
        async with service:
            screen.write(_exports(service, control=control))
            screen.notice(f"serving at {service.base_url}; Ctrl-C stops it")
            await asyncio.Event().wait()

    try:
        run(serve())
    except (KeyboardInterrupt, TerminatedError):
        # Both are how a server is stopped, so it has done what it was told.
        screen.notice("stopped")
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is in use; name another, or --port 0 for a free one" if taken else error
        raise CommandError(f"cannot serve at {host}:{port}: {reason}") from error
    except ValueError as error:
        raise CommandError(f"cannot serve at {host}:{port}: {error}") from error


def _exports(service: Emulator, *, control: bool) -> str:
    first, *others = service.organizations
    variables = {
        "ACCESSKEYS_BASE_URL": service.base_url,
        "ACCESSKEYS_TOKEN": first.token,
        "ACCESSKEYS_ORGANIZATION": first.id,
    }
    if control:
        variables["ACCESSKEYS_EMULATOR_CONTROL_TOKEN"] = service.control_token
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines += [f"# ACCESSKEYS_ORGANIZATION={other.id} ACCESSKEYS_TOKEN={other.token}" for other in others]
    return "\n".join(lines) + "\n"
