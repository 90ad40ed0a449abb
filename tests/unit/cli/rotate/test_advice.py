from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.rotate.advice import Advice
from accesskeys_async.cli.rotate.session import TokenTarget

PLACES = "--to-file, --to-dir, --to-env-file or --to-command"


@pytest.fixture
def invocation(make_desk: Callable[..., Any]) -> Invocation:
    return Invocation(make_desk().screen, environ={})


def test_a_call_without_options_is_told_without_any(invocation: Invocation) -> None:
    assert Advice.of_call(invocation, None).advise_on_each() == (
        "Fix the cause, then run: accesskeys rotate run ROTATION --retry, with one of "
        f"{PLACES} if the new token was not handed over yet; "
        "or give it up with: accesskeys rotate abort ROTATION"
    )


@pytest.mark.parametrize(
    ("journal", "told"),
    [
        ("rotation.sqlite", "rotation.sqlite"),
        ("it's here", shlex.quote("it's here")),
        ("sqlite:///rotation.sqlite", "sqlite:///rotation.sqlite"),
        ("postgresql://me:hunter2@host/keys", "JOURNAL"),
        ("postgresql://host/keys?password=hunter2", "JOURNAL"),
    ],
)
def test_a_journal_is_told_unless_it_may_hold_a_password(
    invocation: Invocation, journal: str, told: str
) -> None:
    advice = Advice.of_call(invocation, journal, TokenTarget(to_dir=Path("tokens")))

    assert advice.advise_on_each() == (
        f"Fix the cause, then run: accesskeys rotate run ROTATION --retry --to-dir tokens --journal {told}; "
        f"or give it up with: accesskeys rotate abort ROTATION --journal {told}"
    )


def test_the_api_and_the_credential_are_told_as_they_were_given(make_desk: Callable[..., Any]) -> None:
    invocation = Invocation(
        make_desk().screen, {}, base_url="http://localhost:8080", credential_file=Path("my token")
    )

    advice = Advice.of_call(invocation, None)

    assert advice.shared == " --base-url http://localhost:8080 --credential-file 'my token'"
