"""One call of a command: where it sends, as whom, for how long, and how it writes what it gets."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import field, frozen

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.output.screen import Screen

if TYPE_CHECKING:
    from accesskeys_async.cli.output.key_writers import Writer
    from accesskeys_async.client import AccessKeysClient
    from accesskeys_async.records import Token


class Format(enum.StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


@frozen
class Invocation:
    """Hold what the shared options and the environment say to a command that talks to the API."""

    screen: Screen
    environ: Mapping[str, str] = field(repr=False)
    """Not in the repr: it may hold the token."""
    format: Format | None = None
    """None: a table on a terminal, JSON lines elsewhere."""
    base_url: str | None = None
    credential_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    """Not in the repr: it may hold a password."""
    no_proxy: bool = False
    """Whether the environment's proxy is ignored."""
    timeout: float = 15.0
    deadline: float = 60.0

    def client(self, *, token_needed: bool = True) -> AccessKeysClient:
        """Make a client. Raises CommandError without a token, ConfigurationError for a bad setting.

        Where no token is needed, a client without one refuses what is not given a token of its own.
        """
        from accesskeys_async import AccessKeysClient, ConfigurationError, Timeout

        for option, seconds in (("--timeout", self.timeout), ("--deadline", self.deadline)):
            if not seconds > 0:
                raise CommandError(f"{option} is {seconds:g}; it takes a number of seconds above 0")
        if self.proxy is not None and self.no_proxy:
            raise CommandError("--proxy and --no-proxy were both given; give one of them")
        has_token = self.credential_file is not None or bool(self.environ.get("ACCESSKEYS_TOKEN", "").strip())
        token = self._token() if token_needed or has_token else _refuse
        try:
            return AccessKeysClient(
                token,
                base_url=self.base_url or self.environ.get("ACCESSKEYS_BASE_URL") or None,
                timeout=Timeout(connect=min(5.0, self.timeout), attempt=self.timeout),
                deadline=self.deadline,
                proxy=self.proxy,
                trust_env=not self.no_proxy,
            )
        except ConfigurationError as error:
            place = "--base-url" if self.base_url else "ACCESSKEYS_BASE_URL"
            raise CommandError(str(error).replace("base_url is", f"{place} is", 1)) from error

    def writer(self) -> Writer:
        """Make the writer of the chosen format."""
        from accesskeys_async.cli.output.key_table import TableWriter
        from accesskeys_async.cli.output.key_writers import CsvWriter, JsonLinesWriter, JsonWriter

        terminal = self.screen.stdout_is_terminal
        ascii_only = not self.screen.speaks_unicode
        match self.format or (Format.TABLE if terminal else Format.NDJSON):
            case Format.JSON:
                return JsonWriter(ascii_only)
            case Format.NDJSON:
                return JsonLinesWriter(ascii_only)
            case Format.CSV:
                return CsvWriter(terminal)
            case _:
                return TableWriter(self.screen, self.screen.console().width if terminal else None)

    def organization(self, given: str | None) -> str:
        """Take the organization from its argument, else from the environment. Raises CommandError."""
        found = given or self.environ.get("ACCESSKEYS_ORGANIZATION")
        if not found:
            raise CommandError("no organization: give ORG, or set ACCESSKEYS_ORGANIZATION")
        return found

    def key(self, first: str | None, second: str | None) -> tuple[str, str]:
        """Take organization and key from `[ORG] KEY`: one argument alone is the key."""
        if first is None:
            raise CommandError("no access key: give ORG KEY, or KEY with ACCESSKEYS_ORGANIZATION set")
        if second is None:
            return self.organization(None), first
        return first, second

    def _token(self) -> Token | str:
        from accesskeys_async.cli.token_file import is_open_to_others, read_token

        if self.credential_file is not None:
            if is_open_to_others(self.credential_file):
                path = self.credential_file
                self.screen.notice(f"others can read the credential file {path}; run: chmod 600 {path}")
            return read_token(self.credential_file)
        token = self.environ.get("ACCESSKEYS_TOKEN", "").strip()
        if not token:
            message = "no token: set ACCESSKEYS_TOKEN, or name a file that holds it with --credential-file"
            raise CommandError(message, code=ExitCode.AUTHENTICATION)
        return token


async def _refuse() -> str:
    from accesskeys_async import ConfigurationError

    raise ConfigurationError(
        "no token: set ACCESSKEYS_TOKEN, or name a file that holds it with --credential-file"
    )
