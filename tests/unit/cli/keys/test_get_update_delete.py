from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from accesskeys_async.cli.exits import ExitCode
from accesskeys_async.emulator import Emulator, Fault
from tests.faults.threaded_server import Link, serve_in_threads


@pytest.fixture
def key(service: Emulator) -> str:
    """The id of a key other than the one that the tests come with."""
    own = service.verify(service.organization_id, service.token)
    return next(str(key.id) for key in service.keys(service.organization_id) if str(key.id) != str(own))


def test_get_shows_a_key_as_the_api_does(call: Callable, service: Emulator, key: str) -> None:
    done = call("get", key)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["id"] == key
    assert json.loads(done.out)["organizationId"] == service.organization_id


def test_get_takes_the_organization_before_the_key(call: Callable, service: Emulator, key: str) -> None:
    assert json.loads(call("get", service.organization_id, key).out)["id"] == key


def test_get_on_a_terminal_shows_the_fields(call: Callable, key: str) -> None:
    assert any(
        line.endswith(key) and "id" in line for line in call("get", key, terminal=True).out.split("\n")
    )


def test_update_changes_what_it_names(call: Callable, key: str) -> None:
    before = json.loads(call("get", key).out)
    after = json.loads(call("update", key, "--description", "renewed").out)
    assert after["description"] == "renewed"
    assert after["name"] == before["name"]


def test_update_says_that_role_ids_are_deprecated(call: Callable, service: Emulator, key: str) -> None:
    role = service.roles(service.organization_id)[0].id
    done = call("update", key, "--role-id", role)
    assert done.code == 0
    assert json.loads(done.out)["roleIds"] == [role]
    assert done.err == "--role-id is deprecated by the API; use --role\n"


def test_update_with_nothing_to_change_sends_nothing(call: Callable, service: Emulator, key: str) -> None:
    done = call("update", key)
    assert done.code == 2
    assert done.err == "accesskeys: nothing to change: give --name, --description or --role\n"
    assert service.journal.count() == 0


@pytest.mark.parametrize("name", ["", "x" * 257])
def test_what_breaks_a_bound_is_refused_before_anything_is_sent(
    call: Callable, service: Emulator, key: str, name: str
) -> None:
    done = call("update", key, "--name", name)
    assert done.code == 2
    assert "256" in done.err
    assert service.journal.count() == 0


def test_delete_asks_and_shows_which_key(call: Callable, service: Emulator, key: str) -> None:
    found = json.loads(call("get", key).out)
    done = call("delete", key, answer="yes\n", terminal=True)
    assert done.code == 0
    assert f"(…{found['suffix']}, created {found['createdAt'][:10]}, " in done.err
    assert done.err.endswith(f"deleted {key}\n")
    assert call("get", key).code == 1


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_delete_without_a_yes_deletes_nothing(
    call: Callable, service: Emulator, key: str, answer: str
) -> None:
    done = call("delete", key, answer=answer, terminal=True)
    assert done.code == ExitCode.DECLINED
    assert done.err.endswith("accesskeys: not deleted\n")
    assert service.journal.count(operation="delete") == 0


def test_delete_unasked_says_what_it_has_done(call: Callable, service: Emulator, key: str) -> None:
    done = call("delete", "--yes", key)
    assert (done.code, done.out, done.err) == (0, "", f"deleted {key}\n")
    assert call("get", key).code == 1


@pytest.mark.slow
def test_delete_where_nobody_can_answer_is_refused(call: Callable, service: Emulator, key: str) -> None:
    done = call("delete", key, answer="yes\n")
    assert done.code == 2
    assert "--yes" in done.err
    assert service.journal.count() == 0


def test_delete_of_the_key_in_use_must_be_meant(call: Callable, service: Emulator) -> None:
    own = service.verify(service.organization_id, service.token)
    assert call("delete", "--yes", own).code == 2
    assert call("list", "--max-items", 1).code == 0
    assert call("delete", "--yes", "--allow-self", own).code == 0
    assert call("list").code == 3


def test_delete_of_a_key_that_is_gone(call: Callable, key: str) -> None:
    assert call("delete", "--yes", key).code == 0
    assert call("delete", "--yes", key).code == 1
    gone = call("delete", "--yes", "--missing-ok", key)
    assert (gone.code, gone.err) == (0, f"{key} was gone already\n")


def test_a_key_that_is_gone_is_not_asked_about(call: Callable, key: str) -> None:
    assert call("delete", "--yes", key).code == 0
    gone = call("delete", "--missing-ok", key, answer="y\n", terminal=True)
    assert (gone.code, gone.err) == (0, f"{key} was gone already\n")
    assert call("delete", key, answer="y\n", terminal=True).code == 1


def test_quiet_says_nothing(call: Callable, key: str) -> None:
    assert call("delete", "--yes", "--quiet", key).err == ""


@pytest.mark.parametrize(
    ("variable", "code", "said"),
    [
        ("ACCESSKEYS_TOKEN", 3, "no token: set ACCESSKEYS_TOKEN"),
        ("ACCESSKEYS_ORGANIZATION", 2, "no organization: give ORG"),
    ],
)
def test_what_is_missing_is_named(
    call: Callable,
    service: Emulator,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    code: int,
    said: str,
) -> None:
    monkeypatch.delenv(variable)
    done = call("get", key)
    assert done.code == code
    assert said in done.err


def test_no_key_at_all_is_wrong_usage(call: Callable, service: Emulator) -> None:
    done = call("get")
    assert done.code == 2
    assert "no access key: give ORG KEY" in done.err


def test_an_id_that_is_none_is_wrong_usage(call: Callable, service: Emulator) -> None:
    assert call("get", "not-a-uuid").code == 2
    assert service.journal.count() == 0


def test_an_unknown_token_ends_with_3(
    call: Callable, service: Emulator, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESSKEYS_TOKEN", "a-token-nobody-knows")
    done = call("get", key)
    assert done.code == 3
    assert "401" in done.err
    assert "a-token-nobody" not in done.err


def test_the_token_may_come_from_a_file(
    call: Callable, service: Emulator, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCESSKEYS_TOKEN", "a-token-nobody-knows")
    path = tmp_path / "token"
    path.write_text(service.token)
    path.chmod(0o600)
    done = call("get", key, "--credential-file", path)
    assert (done.code, done.err) == (0, "")


def test_a_credential_file_that_others_can_read_is_told_of(
    call: Callable, service: Emulator, key: str, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text(service.token)
    path.chmod(0o644)
    done = call("get", key, "--credential-file", path)
    assert done.code == 0
    assert done.err == f"others can read the credential file {path}; run: chmod 600 {path}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("host", "environment", "option", "is_used"),
    [
        ("service.invalid", "PROXY", (), True),
        ("service.invalid", "PROXY", ("--no-proxy",), False),
        ("service.invalid", "http://127.0.0.1:1", ("--proxy", "PROXY"), True),
        ("127.255.0.9:1", "PROXY", (), False),
        ("excepted.invalid", "PROXY", (), False),
    ],
)
def test_a_proxy_is_the_one_of_the_option_or_else_of_the_environment(
    call: Callable,
    service: Emulator,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    environment: str,
    option: tuple[str, ...],
    is_used: bool,
) -> None:
    def refuse(link: Link) -> None:
        link.read_request()
        link.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with serve_in_threads(refuse) as proxy:
        for name in ("HTTPS_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv("HTTPS_PROXY", environment.replace("PROXY", proxy.url))
        monkeypatch.setenv("NO_PROXY", "192.0.2.0/24,excepted.invalid")
        options = [part.replace("PROXY", proxy.url) for part in option]
        done = call("get", key, "--base-url", f"https://{host}", "--deadline", "0.5", *options)
        assert done.code == 4
        assert {head.split()[1] for head in proxy.heads} == ({f"{host}:443".encode()} if is_used else set())


def test_two_ways_to_a_proxy_are_wrong_usage(call: Callable, service: Emulator, key: str) -> None:
    done = call("get", key, "--proxy", "http://proxy:1", "--no-proxy")
    assert done.code == 2
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_nobody_listening_ends_with_4(call: Callable, service: Emulator, key: str) -> None:
    done = call("get", key, "--base-url", "http://127.0.0.1:9", "--deadline", "1")
    assert done.code == 4
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_a_service_that_fails_throughout_ends_with_4(call: Callable, service: Emulator, key: str) -> None:
    service.faults.add(Fault.status(503, operation="get", times=100))
    assert call("get", key, "--deadline", "1").code == 4


def test_plain_http_to_another_machine_is_wrong_usage(call: Callable, service: Emulator, key: str) -> None:
    assert call("get", key, "--base-url", "http://example.com").code == 2


@pytest.mark.parametrize("option", ["--timeout", "--deadline"])
@pytest.mark.parametrize("value", ["0", "-1", "nan"])
def test_a_time_that_makes_no_sense_is_wrong_usage(
    call: Callable, service: Emulator, key: str, option: str, value: str
) -> None:
    assert call("get", key, option, value).code == 2


def test_a_message_of_the_api_cannot_act_on_the_terminal(call: Callable, service: Emulator, key: str) -> None:
    service.faults.add(
        Fault.status(409, operation="get", body={"code": "x", "message": "a\x1b[2J\nb\u202ec\u009b"})
    )
    done = call("get", key)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert not {"\x1b", "\u202e", "\u009b"} & set(done.err)


@pytest.mark.parametrize("output_format", ["table", "json", "ndjson", "csv"])
@pytest.mark.parametrize("command", ["list", "get"])
def test_a_hostile_name_reaches_no_output_raw(
    call: Callable, key: str, output_format: str, command: str
) -> None:
    call("update", key, "--name", "=cmd\x1b]0;owned\x07\u202e\u009b2J [red]x[/]", "--description", "d")
    done = call(command, *([key] if command == "get" else []), "--format", output_format)
    assert done.code == 0
    assert not {"\x1b", "\x07", "\u202e", "\u009b"} & set(done.out)
    assert "[red]x[/]" in done.out


def test_debug_shows_the_attempts_and_never_the_token(call: Callable, service: Emulator, key: str) -> None:
    done = call("get", key, "--debug")
    assert "DEBUG" in done.err
    assert service.token not in done.err
