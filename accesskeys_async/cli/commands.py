"""Which commands there are. Each is loaded when it is called, so that a help text costs next to nothing."""

from __future__ import annotations

import importlib
from typing import Any, Final

import typer
import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup

from accesskeys_async.cli.examples import EXAMPLES

_UsageError: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""Typer's own or click's, whichever BadParameter comes from."""

SHELLS: Final = ("bash", "zsh", "fish", "powershell", "pwsh")
_COMPLETION_OPTIONS: Final = ("--install-completion", "--show-completion")

COMMANDS: Final = {
    "list": ("keys.list:list_keys", "List the access keys of an organization."),
    "get": ("keys.get_update_delete:get_key", "Show one access key."),
    "create": ("keys.create:create_key", "Create an access key."),
    "update": ("keys.get_update_delete:update_key", "Change an access key."),
    "delete": ("keys.get_update_delete:delete_key", "Delete an access key."),
    "reap": ("keys.reap:reap_keys", "Delete keys whose create lost its response."),
    "audit": ("audit.commands:audit", "Audit the keys of many organizations."),
    "rotate": ("rotate.commands:rotate", "Replace access keys without an outage."),
    "emulator": ("emulator:emulator", "Serve the same API on this machine."),
    "demo": ("demo.commands:demo", "Watch the client at work on this machine."),
}
"""Name -> where the function is, and the first sentence of its help."""


class _PlainArgument(TyperArgument):
    def display_type_rich(self, ctx: Any) -> None:
        """Say nothing of the type: the name and the help do."""


class PlainCommand(TyperCommand):
    """A command whose usage line names a required argument as it is: `PLAN`, not `{PLAN}`.

    It tells all that is missing at once.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Raises BadParameter that names everything required that is missing."""
        try:
            return super().parse_args(ctx, list(args))  # it takes them off the list
        except typer.BadParameter as error:
            if type(error).__name__ != "MissingParameter":  # Typer does not export it
                raise
            missing = self._missing(ctx, args)
            if len(missing) < 2:
                raise
            wrong: Any = _UsageError(f"Missing: {', '.join(missing)}", ctx)
            raise wrong from None

    def _missing(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(args)
        return [
            max(parameter.opts, key=len) if parameter.param_type_name == "option" else str(parameter.metavar)
            for parameter in self.get_params(ctx)
            if parameter.required and parameter.value_is_missing(parameter.consume_value(ctx, given)[0])
        ]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the pieces of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the command's examples."""
        write_examples(ctx, formatter)


def write_examples(ctx: Any, formatter: Any) -> None:
    """Write the examples of the command that a context is of, if it has some."""
    if examples := EXAMPLES.get(ctx.command_path):
        with formatter.section("Examples"):
            for example in examples:
                # Not wrapped, so that it can be copied.
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class LazyGroup(TyperGroup):
    """List commands without loading them, and load the one that is called or completed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand `help`, `version`, and a shell's name after the options of completion."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        elif args == ["version"]:
            args = ["--version"]
        elif len(args) == 2 and args[0] in _COMPLETION_OPTIONS:
            _complete_for(ctx, *args)
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        write_examples(ctx, formatter)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Put the command itself in the place of its summary."""
        name, summary, rest = super().resolve_command(ctx, args)
        return name, summary if name is None else load(name), rest


def load(name: str) -> Any:
    """Import a command or a group of them, and return it as Typer runs it."""
    place, _ = COMMANDS[name]
    module, _, function = place.partition(":")
    command = getattr(importlib.import_module(f"accesskeys_async.cli.{module}"), function)
    if not isinstance(command, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name)(command)
        command = single
    loaded = typer.main.get_command(command)
    _make_plain(loaded)
    return loaded


def _make_plain(command: Any) -> None:
    # The same objects with other help: Typer makes them, and lets no class of arguments be named.
    if type(command) is TyperCommand:
        command.__class__ = PlainCommand
    for parameter in command.params:
        if type(parameter) is TyperArgument:
            parameter.__class__ = _PlainArgument
    for inner in getattr(command, "commands", {}).values():
        _make_plain(inner)


def _complete_for(ctx: Any, option: str, shell: str) -> None:
    """Show or install the completion for the shell that is named, and end the process' command."""
    from typer import completion

    if shell not in SHELLS:
        raise typer.BadParameter(f"{option} takes a shell ({', '.join(SHELLS)}), found {shell!r}")
    # Typer by itself ignores the name, and takes the shell that runs the command.
    show = option == "--show-completion"
    (completion.show_callback if show else completion.install_callback)(ctx, ctx.command.params[0], shell)
