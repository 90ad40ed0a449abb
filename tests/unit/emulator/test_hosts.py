import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.hosts import HostCheck


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost:8788",
        "localhost:",
        "127.0.0.1",
        "127.0.0.1:9",
        "127.9.9.9",
        "[::1]",
        "[::1]:8788",
        "[0:0:0:0:0:0:0:1]",
        " localhost ",
    ],
)
def test_loopback_names_are_known_on_any_port(host: str) -> None:
    assert HostCheck("127.0.0.1").accepts([host])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8788",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.0.7",
        "8.8.8.8:8788",
        "[2001:db8::1]",
        "0.0.0.0",
        "",
        ":8788",
        "localhost:80x",
        "localhost:-1",
        "localhost:8788:1",
        "user@localhost",
        "[::1",
        "[::1]evil",
        "[localhost]x",
        "::1",
        "localhost/evil",
    ],
)
def test_other_names_are_not_known(host: str) -> None:
    assert not HostCheck("127.0.0.1").accepts([host])


@pytest.mark.parametrize("values", [[], ["localhost", "localhost"], ["localhost", "evil.example"]])
def test_there_is_exactly_one_header(values: list[str]) -> None:
    assert not HostCheck("127.0.0.1").accepts(values)


@pytest.mark.parametrize(
    ("listening", "host"),
    [
        ("192.168.0.7", "192.168.0.7:8788"),
        ("emulator.lan", "Emulator.LAN:8788"),
        ("2001:db8::1", "[2001:DB8:0::1]:8788"),
        ("0.0.0.0", "192.168.0.7:8788"),
        ("::", "[2001:db8::1]"),
        ("", "10.0.0.1"),
    ],
)
def test_the_host_to_listen_on_is_known_and_stands_for_every_address_if_it_is_the_unspecified_one(
    listening: str, host: str
) -> None:
    check = HostCheck(listening)

    assert check.accepts([host])
    assert check.accepts(["localhost"])
    assert not check.accepts(["evil.example"])


def test_further_names_can_be_allowed() -> None:
    check = HostCheck("0.0.0.0", ["emulator"])

    assert check.accepts(["emulator:8788"])
    assert not check.accepts(["emulator.evil.example"])


@given(st.text())
def test_any_text_is_judged_and_none_that_is_no_loopback_name_is_known(host: str) -> None:
    known = HostCheck("127.0.0.1").accepts([host])

    assert not known or "localhost" in host.lower() or host.strip().startswith(("127.", "["))
