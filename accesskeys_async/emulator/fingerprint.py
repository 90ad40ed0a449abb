"""What is kept of a token: a hash, and a handle to find it by."""

from __future__ import annotations

import hashlib
import hmac

import attrs

_SELECTOR_LENGTH = 8


@attrs.frozen
class Fingerprint:
    """The SHA-256 of a token; its first 8 bytes find the row, and all of it is compared."""

    digest: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, token: str) -> Fingerprint:
        """Return the fingerprint of a token."""
        # Characters that are not UTF-8 come from headers, and belong to no token that was ever issued.
        return cls(hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest())

    @property
    def selector(self) -> bytes:
        """The part that is looked up; how long that takes tells nothing about the rest."""
        return self.digest[:_SELECTOR_LENGTH]

    def matches(self, digest: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.digest, digest)
