from __future__ import annotations

import inspect

import pytest

from accesskeys_async import errors
from accesskeys_async.cli.exits import CommandError, ExitCode, exit_code


def status(kind: type[errors.APIStatusError], number: int) -> errors.APIStatusError:
    return kind("GET /", status=number)


MADE: dict[type[errors.AccessKeysError], tuple[errors.AccessKeysError, ExitCode]] = {
    errors.AccessKeysError: (errors.AccessKeysError("x"), ExitCode.UNREACHABLE),
    errors.InvalidRequestError: (errors.InvalidRequestError("limit", "is 0"), ExitCode.USAGE),
    errors.ConfigurationError: (errors.ConfigurationError("x"), ExitCode.USAGE),
    errors.ClientClosedError: (errors.ClientClosedError("x"), ExitCode.FAULT),
    errors.APIConnectionError: (errors.APIConnectionError("x", sent=None), ExitCode.UNREACHABLE),
    errors.APITimeoutError: (errors.APITimeoutError("x", sent=None), ExitCode.UNREACHABLE),
    errors.DeadlineExceededError: (errors.DeadlineExceededError("x"), ExitCode.UNREACHABLE),
    errors.APIStatusError: (status(errors.APIStatusError, 418), ExitCode.REFUSED),
    errors.AuthenticationError: (status(errors.AuthenticationError, 401), ExitCode.AUTHENTICATION),
    errors.PermissionDeniedError: (status(errors.PermissionDeniedError, 403), ExitCode.REFUSED),
    errors.NotFoundError: (status(errors.NotFoundError, 404), ExitCode.REFUSED),
    errors.ConflictError: (status(errors.ConflictError, 409), ExitCode.REFUSED),
    errors.ValidationError: (status(errors.ValidationError, 422), ExitCode.REFUSED),
    errors.RateLimitError: (status(errors.RateLimitError, 429), ExitCode.UNREACHABLE),
    errors.ServerError: (status(errors.ServerError, 503), ExitCode.UNREACHABLE),
    errors.RedirectError: (
        errors.RedirectError("GET /", status=302, location="https://example.com"),
        ExitCode.REFUSED,
    ),
    errors.APIResponseError: (errors.APIResponseError("$", "expected JSON"), ExitCode.UNREACHABLE),
    errors.ResponseTooLargeError: (errors.ResponseTooLargeError("$", "too large"), ExitCode.UNREACHABLE),
    errors.PaginationError: (errors.PaginationError("x"), ExitCode.UNREACHABLE),
    errors.CreateOutcomeUnknownError: (errors.CreateOutcomeUnknownError("x"), ExitCode.UNREACHABLE),
    errors.BudgetExhaustedError: (errors.BudgetExhaustedError("x"), ExitCode.UNREACHABLE),
}


def test_every_error_of_the_library_has_been_thought_of() -> None:
    kinds = {getattr(errors, name) for name in errors.__all__}
    assert {kind for kind in kinds if inspect.isclass(kind)} == set(MADE)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_an_error_of_the_library_has_its_exit_code(kind: type[errors.AccessKeysError]) -> None:
    error, code = MADE[kind]
    assert exit_code(error) is code


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
