"""Exit codes, and which of them an error ends in."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What the shell is told. A script may try again after 4 and must not after 1, 2 or 3."""

    DONE = 0
    """Done, or the reader of a pipe took what it wanted and left."""
    REFUSED = 1
    """The API said no: 403, 404, 409, 422 and their like."""
    FINDINGS = 1
    """An audit found what it was told to fail on."""
    DECLINED = 1
    """A person did not answer a question with yes; nothing was done."""
    USAGE = 2
    """A wrong option, argument or setting; nothing was sent."""
    AUTHENTICATION = 3
    """No token, or one that the API does not know (401)."""
    UNREACHABLE = 4
    """No answer, an answer cut short or unreadable, or a service that failed (429 and 5xx, after retries)."""
    INCOMPLETE = 4
    """An audit could not read or judge all of it."""
    FAULT = 70
    """A fault in this program."""
    INTERRUPTED = 130
    """Ctrl-C."""
    TERMINATED = 143
    """SIGTERM or SIGHUP."""


class CommandError(Exception):
    """End a command with one line and an exit code."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(message)
        self.code = code


def exit_code(error: BaseException) -> ExitCode:
    """Choose the exit code for an error of a command, the library or the machine."""
    from accesskeys_async import errors

    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, errors.AuthenticationError):
        return ExitCode.AUTHENTICATION
    if isinstance(error, errors.RateLimitError | errors.ServerError):
        return ExitCode.UNREACHABLE
    if isinstance(error, errors.APIStatusError):
        return ExitCode.REFUSED
    if isinstance(error, errors.InvalidRequestError | errors.ConfigurationError):
        return ExitCode.USAGE
    if isinstance(error, errors.ClientClosedError):
        return ExitCode.FAULT
    if isinstance(error, errors.AccessKeysError | OSError):
        return ExitCode.UNREACHABLE
    return ExitCode.FAULT
