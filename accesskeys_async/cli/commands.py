"""Which commands there are. Each is loaded when it is called, so that a help text costs next to nothing."""

from __future__ import annotations

import importlib
from typing import Any, Final

import typer
import typer.main
from typer.core import TyperGroup

__all__ = ["COMMANDS", "LazyGroup", "load"]

COMMANDS: Final = {
    "list": ("listing:list_keys", "List the access keys of an organization."),
    "get": ("keys:get_key", "Show one access key."),
    "create": ("creation:create_key", "Create an access key."),
    "update": ("keys:update_key", "Change an access key."),
    "delete": ("keys:delete_key", "Delete an access key."),
    "reap": ("reaping:reap_keys", "Delete what lost creates left behind."),
    "audit": ("audit:audit", "Read many organizations whole, and judge their keys."),
    "rotate": ("rotate:rotate", "Replace access keys without an outage."),
    "emulator": ("emulation:emulator", "Serve the same API on this machine."),
    "demo": ("demo:demo", "Watch the client at work on this machine."),
}
"""Name -> where the function is, and the first sentence of its help."""


class LazyGroup(TyperGroup):
    """List commands without loading them, and load the one that is called or completed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Put the command itself in the place of its summary."""
        name, summary, rest = super().resolve_command(ctx, args)
        return name, summary if name is None else load(name), rest


def load(name: str) -> Any:
    """Import a command or a group of them, and return it as Typer runs it."""
    place, _ = COMMANDS[name]
    module, _, function = place.partition(":")
    command = getattr(importlib.import_module(f"accesskeys_async.cli.{module}"), function)
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(name)(command)
    return typer.main.get_command(single)
