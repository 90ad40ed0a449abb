"""What a person can type if a rotation needs one: whole commands, with the options of the present call."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from attrs import frozen

from accesskeys_async.cli.invocation import Invocation
from accesskeys_async.cli.rotate.session import PLACES, TokenTarget, needs_target

if TYPE_CHECKING:
    from accesskeys_async.rotation import Rotation


@frozen
class Advice:
    """Write the commands that go on with a rotation, or give it up."""

    target: str = ""
    """The option that says where the new token goes, as it is typed."""
    shared: str = ""
    """The options that say which journal and which API, as they are typed."""

    @classmethod
    def of_call(
        cls, invocation: Invocation, journal: str | None, target: TokenTarget | None = None
    ) -> Advice:
        """Take the options that a call was given. What may hold a secret is named by a placeholder."""
        credential = invocation.credential_file
        shared = (
            *_option("--journal", journal, "JOURNAL"),
            *_option("--base-url", invocation.base_url, "URL"),
            *_option("--credential-file", None if credential is None else str(credential), "FILE"),
        )
        named = () if target is None else tuple(_name_target(target))
        return cls("".join(f" {word}" for word in named), "".join(f" {word}" for word in shared))

    def advise(self, rotation: Rotation) -> str:
        """Say what to type for a rotation that needs a person."""
        return self._advise(
            str(rotation.id), f", with one of {PLACES} for the new token" if needs_target(rotation) else ""
        )

    def advise_on_each(self) -> str:
        """Say what to type for every rotation that needs a person."""
        return self._advise("ROTATION", f", with one of {PLACES} if the new token was not handed over yet")

    def _advise(self, rotation_id: str, addition: str) -> str:
        retry = f"accesskeys rotate run {rotation_id} --retry{self.target}{self.shared}"
        abort = f"accesskeys rotate abort {rotation_id}{self.shared}"
        return (
            f"Fix the cause, then run: {retry}{'' if self.target else addition}; or give it up with: {abort}"
        )


def _name_target(target: TokenTarget) -> list[str]:
    if target.to_command is not None:
        # Its arguments may hold a password, which must not get into a log.
        return ["--to-command", "COMMAND"]
    words: list[str] = []
    for option, path in (
        ("--to-file", target.to_file),
        ("--to-dir", target.to_dir),
        ("--to-env-file", target.to_env_file),
    ):
        words += _option(option, None if path is None else str(path), "PATH")
    if target.to_env_file is not None:
        words += _option("--env-name", target.env_name, "NAME")
    return words


def _option(name: str, value: str | None, placeholder: str) -> list[str]:
    if value is None:
        return []
    # A URL with a user or a query may hold a password.
    is_secret = "://" in value and any(mark in value for mark in "@?")
    return [name, placeholder if is_secret else shlex.quote(value)]
