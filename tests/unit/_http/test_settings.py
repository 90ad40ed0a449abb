from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._http.settings import (
    Timeout,
    find_proxy,
    hide_token,
    is_excepted,
    read_base_url,
    read_proxy,
    read_ssl,
    read_token,
)
from accesskeys_async.errors import ConfigurationError
from accesskeys_async.records import Token


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.example", "https://api.example/"),
        ("https://api.example/", "https://api.example/"),
        ("https://api.example/v1/", "https://api.example/v1"),
        ("https://api.example:8443/a%20b//", "https://api.example:8443/a%20b"),
        ("HTTPS://API.example", "https://api.example/"),
        ("https://10.0.0.1", "https://10.0.0.1/"),
        ("http://localhost:8080", "http://localhost:8080/"),
        ("http://emulator.localhost", "http://emulator.localhost/"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/"),
        ("http://127.9.9.9", "http://127.9.9.9/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
    ],
)
def test_a_base_url_is_https_or_loopback_and_loses_its_last_slash(text: str, url: str) -> None:
    read = read_base_url(text)
    assert str(read / "x") == url.rstrip("/") + "/x"
    assert not read.raw_path.rstrip("/").endswith("/")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "takes an https URL with a host"),
        ("api.example", "has no scheme: use https://api.example"),
        ("localhost:8080", "has no scheme: use http://localhost:8080"),
        ("127.0.0.1:8080/v1", "has no scheme: use http://127.0.0.1:8080/v1"),
        ("api.example:8080", "has no scheme: use https://api.example:8080"),
        ("/v1", "takes an https URL with a host"),
        ("ftp://api.example", "takes an https URL with a host"),
        ("https://", "takes an https URL with a host"),
        ("https://api.example:99999", "takes an https URL with a host"),
        ("https://[::1", "takes an https URL with a host"),
        (None, "takes an https URL with a host"),
        ("http://api.example", "is for loopback addresses only: use https"),
        ("http://10.0.0.1", "is for loopback addresses only: use https"),
        ("http://127.0.0.1.example", "is for loopback addresses only: use https"),
        ("http://localhost.example", "is for loopback addresses only: use https"),
        ("http://notlocalhost", "is for loopback addresses only: use https"),
        ("http://0.0.0.0", "is for loopback addresses only: use https"),
        ("http://[::]", "is for loopback addresses only: use https"),
        ("https://user@api.example", "takes no user, password, query or fragment"),
        ("https://:pass@api.example", "takes no user, password, query or fragment"),
        ("https://api.example?a=b", "takes no user, password, query or fragment"),
        ("https://api.example#a", "takes no user, password, query or fragment"),
    ],
)
def test_another_base_url_is_refused(text: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_base_url(text)
    assert str(caught.value).startswith("base_url is ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hush@api.example",
        "https://hush@api.example:99999",
        "http://hush@api.example/path",
        "http://a:hush@[::1",
        "https://api.example/?token=hush",
        "https://api.example/#hush",
        "ftp://api.example/?hush",
        "user:hush@api.example",
        "http://api.example/?a=\nhush",
    ],
)
def test_a_secret_in_a_base_url_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_base_url(text)
    assert "hush" not in str(caught.value)
    assert "api.example" in str(caught.value) or "[::1" in str(caught.value)


@pytest.mark.parametrize(
    "character", ["\n", "\r", "\t", " ", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"]
)
@pytest.mark.parametrize(
    "text", ["{}https://api.example", "https://api{}.example", "https://api.example/v1{}"]
)
def test_a_base_url_with_a_control_character_or_white_space_is_refused(text: str, character: str) -> None:
    with pytest.raises(ConfigurationError, match="takes no white space or control character") as caught:
        read_base_url(text.format(character))
    assert str(caught.value).isprintable()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("no_proxy", "url", "excepted"),
    [
        ("", "https://api.example", False),
        ("*", "https://api.example", True),
        ("other.example, *", "https://api.example", True),
        ("api.example", "https://api.example", True),
        ("API.example", "https://api.EXAMPLE", True),
        ("api.example", "https://api.example.:8443", True),
        ("example", "https://api.example", True),
        (".example", "https://api.example", True),
        ("*.example", "https://api.example", True),
        ("ample", "https://api.example", False),
        ("api.example.org", "https://api.example", False),
        ("api.example:443", "https://api.example", True),
        ("api.example:8443", "https://api.example", False),
        ("one.example two.example", "https://two.example", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("192.168.7.9/24", "https://192.168.7.200", True),
        ("10.0.0.0/8", "https://ten.example", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("10.1.2.3:443", "https://10.1.2.3", True),
        ("10.1.2.3:80", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::7]", True),
        ("fd00:0:0::7", "https://[fd00::7]", True),
        ("[fd00::7]", "https://[fd00::7]", True),
        ("[fd00::7]:443", "https://[fd00::7]", True),
        ("[fd00::7]:444", "https://[fd00::7]", False),
        ("fd00::/8", "https://10.1.2.3", False),
        ("10.0.0.0/99,[,:,/,:443:", "https://10.1.2.3", False),
    ],
)
def test_no_proxy_names_hosts_domains_addresses_and_networks(
    environment: pytest.MonkeyPatch, no_proxy: str, url: str, excepted: bool
) -> None:
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment.setenv("NO_PROXY", no_proxy)
    assert (find_proxy(read_base_url(url)) is None) == excepted


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://localhost",
        "https://localhost.",
        "http://[::1]",
        "https://a.localhost",
    ],
)
def test_a_loopback_address_has_no_proxy_in_the_environment(
    environment: pytest.MonkeyPatch, url: str
) -> None:
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert find_proxy(read_base_url(url)) is None


@given(st.text(), st.sampled_from(["https://api.example", "https://10.1.2.3", "https://[fd00::7]:8443"]))
def test_no_text_of_no_proxy_fails(no_proxy: str, url: str) -> None:
    assert is_excepted(read_base_url(url), no_proxy) in {True, False}


@pytest.mark.parametrize("text", ["http://user:w%40rd@proxy:1", "user:w%40rd@proxy:1"])
def test_the_credentials_of_a_proxy_become_its_header(text: str) -> None:
    proxy, headers = read_proxy(text)
    assert (str(proxy), proxy.host, proxy.port) == ("http://proxy:1", "proxy", 1)
    assert headers == {"Proxy-Authorization": "Basic dXNlcjp3QHJk"}


@given(st.text())
def test_no_text_fails_in_another_way(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert read_base_url(text).host


@pytest.mark.parametrize("value", ["x", "x" * 4096, "!~", Token("secret")])
def test_a_token_that_can_stand_in_a_header_is_taken(value: str | Token) -> None:
    token = read_token(value)
    assert isinstance(token, Token)
    assert token == (value if isinstance(value, Token) else Token(value))


@pytest.mark.parametrize(
    "value", ["a b", "a\n", "\ta", "é" * 8, "a\x00", "a\x7f", " ", "x" * 4097, "a\r\nX: y"]
)
def test_another_token_is_refused_with_its_length_and_nothing_of_it(value: str) -> None:
    for given_value in (value, Token(value)):
        with pytest.raises(ConfigurationError) as caught:
            read_token(given_value)
        assert str(caught.value).startswith(f"the token of {len(value)} characters can't stand in a header")
        assert value.strip("\n\t ") == "" or value not in str(caught.value)


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^the token is empty; give a key's token"):
        read_token("")


def test_a_token_callable_is_passed_on_unasked() -> None:
    async def give() -> str:
        raise AssertionError("not asked yet")

    assert read_token(give) is give


def test_text_is_hidden_and_all_else_passed_on() -> None:
    hidden = hide_token("secret")
    assert isinstance(hidden, Token)
    assert hide_token(hidden) is hidden
    assert hide_token(None) is None


@pytest.mark.parametrize("bound", ["connect", "attempt"])
def test_timeouts_are_above_zero_or_none(bound: str) -> None:
    for value in (0.001, 1, 3600.0, float("inf"), None):
        assert getattr(Timeout(**{bound: value}), bound) == value
    for value in (0, -1, float("nan")):
        with pytest.raises(ConfigurationError, match=rf"^Timeout\.{bound} is .+; it takes seconds above 0"):
            Timeout(**{bound: value})


def test_timeouts_have_bounds_by_default() -> None:
    assert (Timeout().connect, Timeout().attempt) == (5.0, 15.0)


def test_a_context_of_the_caller_s_is_taken_as_it_is() -> None:
    context = ssl.create_default_context()
    assert read_ssl(context) is context
    assert read_ssl(None) is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"no certificate", r"[Nn][Oo][_ ]CERT|SSLError")],
)
def test_a_bundle_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    for given_path in (path, str(path)):
        with pytest.raises(
            ConfigurationError, match=r"bundle\.pem', which can't be read as a CA bundle"
        ) as caught:
            read_ssl(given_path)
        assert caught.value.__context__ is None


def test_a_context_made_of_a_bundle_verifies(tmp_path: Path) -> None:
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not certificates:
        pytest.skip("this machine has no certificate authorities to make a bundle of")
    path = tmp_path / "bundle.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(certificates[0]))
    context = read_ssl(path)
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1
