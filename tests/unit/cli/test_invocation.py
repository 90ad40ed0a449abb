from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from accesskeys_async.cli.exits import CommandError, ExitCode
from accesskeys_async.cli.invocation import Format, Invocation
from accesskeys_async.cli.output.key_table import TableWriter
from accesskeys_async.cli.output.key_writers import CsvWriter, JsonLinesWriter, JsonWriter
from accesskeys_async.emulator import Emulator

ENVIRON = {
    "ACCESSKEYS_TOKEN": "s3cret-token-AbCdEf",
    "ACCESSKEYS_ORGANIZATION": "env-org",
    "ACCESSKEYS_BASE_URL": "http://127.0.0.1:9",
}


@pytest.fixture
def invoke(make_desk: Callable) -> Callable[..., Invocation]:
    def invoke(
        *, terminal: bool = False, environ: dict[str, str] = ENVIRON, **settings: object
    ) -> Invocation:
        return Invocation(screen=make_desk(terminal=terminal).screen, environ=environ, **settings)

    return invoke


def test_its_repr_does_not_show_the_token(invoke: Callable[..., Invocation]) -> None:
    assert "s3cret" not in repr(invoke())


@pytest.mark.parametrize(
    ("terminal", "chosen", "kind"),
    [
        (True, None, TableWriter),
        (False, None, JsonLinesWriter),
        (True, Format.NDJSON, JsonLinesWriter),
        (False, Format.JSON, JsonWriter),
        (True, Format.CSV, CsvWriter),
        (False, Format.TABLE, TableWriter),
    ],
)
def test_the_format_follows_the_choice_and_else_the_terminal(
    invoke: Callable[..., Invocation], terminal: bool, chosen: Format | None, kind: type
) -> None:
    assert type(invoke(terminal=terminal, format=chosen).writer()) is kind


def test_an_argument_goes_before_the_environment(invoke: Callable[..., Invocation]) -> None:
    assert invoke().organization("given") == "given"
    assert invoke().organization(None) == "env-org"


def test_without_an_organization_it_says_how_to_give_one(invoke: Callable[..., Invocation]) -> None:
    with pytest.raises(CommandError, match="give ORG, or set ACCESSKEYS_ORGANIZATION"):
        invoke(environ={}).organization(None)


def test_one_argument_is_the_key_and_two_are_organization_and_key(invoke: Callable[..., Invocation]) -> None:
    assert invoke().key("key", None) == ("env-org", "key")
    assert invoke().key("org", "key") == ("org", "key")
    with pytest.raises(CommandError, match="no access key"):
        invoke().key(None, None)


@pytest.mark.parametrize("environ", [{}, {"ACCESSKEYS_TOKEN": ""}, {"ACCESSKEYS_TOKEN": "\n"}])
def test_no_token_is_a_matter_of_authentication(
    invoke: Callable[..., Invocation], environ: dict[str, str]
) -> None:
    with pytest.raises(CommandError) as caught:
        invoke(environ=environ).client()
    assert caught.value.code is ExitCode.AUTHENTICATION


async def test_the_client_is_made_of_the_settings(invoke: Callable[..., Invocation], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret-token-AbCdEf\n")
    settings = {"base_url": "https://example.com", "credential_file": tmp_path / "token"}
    async with invoke(environ={}, **settings).client() as client:
        assert "https://example.com" in repr(client)
    async with invoke().client() as client:
        assert "http://127.0.0.1:9" in repr(client)


def test_a_line_end_after_the_token_in_the_environment_is_no_part_of_it(
    service: Emulator, call: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESSKEYS_TOKEN", f" {service.token}\r\n")

    assert call("list", "--max-items", "1").code == 0


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (("--timeout", "0"), {}, "--timeout is 0; it takes a number of seconds above 0"),
        (("--deadline", "-1"), {}, "--deadline is -1; it takes a number of seconds above 0"),
        (
            ("--base-url", "localhost:8080"),
            {},
            "--base-url is 'localhost:8080'; it has no scheme: use http://lo",
        ),
        (
            (),
            {"ACCESSKEYS_BASE_URL": "api.example"},
            "ACCESSKEYS_BASE_URL is 'api.example'; it has no scheme",
        ),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_given(
    call: Callable,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    environment: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setenv("ACCESSKEYS_TOKEN", "a-token")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = call("list", "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01", *options)
    assert done.code == 2
    assert said in done.err


def test_a_name_in_the_place_of_an_id_is_told_in_plain_words(
    call: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESSKEYS_TOKEN", "a-token")
    done = call("list", "my-org")
    assert done.code == 2
    assert done.err == (
        "accesskeys: ORG is 6 characters and not a UUID; give the id, 36 characters with hyphens\n"
    )


@pytest.mark.slow
def test_a_service_that_cannot_be_reached_is_told_with_advice_and_the_number_of_attempts(
    call: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("ACCESSKEYS_TOKEN", "a-token")
    done = call("list", "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01", "--base-url", f"http://127.0.0.1:{port}")
    assert done.code == 4
    assert f"could not connect to 127.0.0.1:{port}: Connection refused; check the base URL" in done.err
    assert "(tried 5 times)" in done.err
