"""Page tokens: opaque, signed, and good for one organization and one direction."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct

__all__ = ["PageTokens"]

_PAYLOAD = struct.Struct(">16sBQ")
_SIGNATURE_LENGTH = 16


class PageTokens:
    """Issue and read the tokens that say where in a list the next page begins.

    A token names the last key that was given out, not an offset: keys that come and go do not shift it.
    """

    def __init__(self, signing_key: bytes) -> None:
        self._key = signing_key

    def issue(self, organization_id: str, *, position: int, reverse: bool) -> str:
        """Return the token for the page after `position`."""
        payload = _PAYLOAD.pack(_octets(organization_id), reverse, position)
        return base64.urlsafe_b64encode(payload + self._sign(payload)).rstrip(b"=").decode("ascii")

    def read(self, token: str, organization_id: str, *, reverse: bool) -> int:
        """Return the position that a token holds.

        Raises:
            ValueError: The token is not one of ours, or of another organization or direction; the text
                says which, to follow the word "pageToken".
        """
        payload = self._verified(token)
        organization, direction, position = _PAYLOAD.unpack(payload)
        if organization != _octets(organization_id):
            raise ValueError("belongs to another organization")
        if bool(direction) != reverse:
            raise ValueError("belongs to the other direction; keep reverse as it was")
        return int(position)

    def _verified(self, token: str) -> bytes:
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not a page token of this service") from None
        payload, signature = raw[:-_SIGNATURE_LENGTH], raw[-_SIGNATURE_LENGTH:]
        canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") == token
        if (
            len(payload) != _PAYLOAD.size
            or not canonical
            or not hmac.compare_digest(signature, self._sign(payload))
        ):
            raise ValueError("is not a page token of this service")
        return payload

    def _sign(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, hashlib.sha256)[:_SIGNATURE_LENGTH]


def _octets(organization_id: str) -> bytes:
    return bytes.fromhex(organization_id.replace("-", ""))
