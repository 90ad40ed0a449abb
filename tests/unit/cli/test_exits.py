from __future__ import annotations

import inspect

import pytest

from accesskeys_async import errors
from accesskeys_async.cli.exits import CommandError, ExitCode, exit_code

CODES: dict[type[errors.AccessKeysError], ExitCode] = {
    errors.AccessKeysError: ExitCode.UNREACHABLE,
    errors.InvalidRequestError: ExitCode.USAGE,
    errors.ConfigurationError: ExitCode.USAGE,
    errors.ClientClosedError: ExitCode.FAULT,
    errors.APIConnectionError: ExitCode.UNREACHABLE,
    errors.APITimeoutError: ExitCode.UNREACHABLE,
    errors.DeadlineExceededError: ExitCode.UNREACHABLE,
    errors.APIStatusError: ExitCode.REFUSED,
    errors.AuthenticationError: ExitCode.AUTHENTICATION,
    errors.PermissionDeniedError: ExitCode.REFUSED,
    errors.NotFoundError: ExitCode.REFUSED,
    errors.ConflictError: ExitCode.REFUSED,
    errors.ValidationError: ExitCode.REFUSED,
    errors.RateLimitError: ExitCode.UNREACHABLE,
    errors.ServerError: ExitCode.UNREACHABLE,
    errors.RedirectError: ExitCode.REFUSED,
    errors.APIResponseError: ExitCode.UNREACHABLE,
    errors.ResponseTooLargeError: ExitCode.UNREACHABLE,
    errors.PaginationError: ExitCode.UNREACHABLE,
    errors.CreateOutcomeUnknownError: ExitCode.UNREACHABLE,
    errors.BudgetExhaustedError: ExitCode.UNREACHABLE,
}


def test_every_error_of_the_library_has_been_thought_of() -> None:
    kinds = {getattr(errors, name) for name in errors.__all__}
    assert {kind for kind in kinds if inspect.isclass(kind)} == set(CODES)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_an_error_of_the_library_has_its_exit_code(kind: type[errors.AccessKeysError]) -> None:
    assert exit_code(kind.__new__(kind)) is CODES[kind]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError("x"), ExitCode.USAGE),
        (CommandError("x", code=ExitCode.INTERRUPTED), ExitCode.INTERRUPTED),
        (OSError(28, "No space left on device"), ExitCode.UNREACHABLE),
        (ZeroDivisionError("x"), ExitCode.FAULT),
    ],
)
def test_other_errors_have_theirs(error: Exception, code: ExitCode) -> None:
    assert exit_code(error) is code


def test_the_codes_are_those_that_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "REFUSED": 1,
        "USAGE": 2,
        "AUTHENTICATION": 3,
        "UNREACHABLE": 4,
        "FAULT": 70,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
