"""Ids, tokens and keys: what they look like, and how all of them follow from one seed."""

from __future__ import annotations

import re
import string
import uuid
from hashlib import blake2b

TOKEN_LENGTH = 36
SUFFIX_LENGTH = 6

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ALPHABET = (string.ascii_letters + string.digits).encode()
_TO_ALPHABET = bytes(_ALPHABET[value % len(_ALPHABET)] for value in range(256))


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID with its hyphens, in either case."""
    return _UUID.fullmatch(text) is not None


class Derivation:
    """Derive everything random about one emulator from its seed.

    Whoever knows the seed knows the tokens: they open an emulator and nothing else.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._root = blake2b(str(seed).encode(), digest_size=32, person=b"accesskeys-emu").digest()

    def octets(self, label: str, *numbers: int, size: int = 32) -> bytes:
        """Return `size` bytes (1 to 64) that belong to a label and its numbers."""
        subject = ":".join((label, *map(str, numbers)))
        return blake2b(subject.encode(), digest_size=size, key=self._root).digest()

    def identifier(self, label: str, *numbers: int) -> str:
        """Return a version 4 UUID in its canonical form."""
        return str(uuid.UUID(bytes=self.octets(label, *numbers, size=16), version=4))

    def token(self, label: str, *numbers: int) -> str:
        """Return a token of 36 letters and digits."""
        return self.octets(label, *numbers, size=TOKEN_LENGTH).translate(_TO_ALPHABET).decode("ascii")
