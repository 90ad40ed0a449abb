"""Page tokens: opaque, signed, and good for one list, organization and direction."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from typing import Literal, get_args

Listed = Literal["keys", "roles", "workspaces"]
_LISTS: tuple[Listed, ...] = get_args(Listed)

_PAYLOAD = struct.Struct(">B16sBQ")
_SIGNATURE_LENGTH = 16


class PageTokens:
    """Issue and read the tokens that say where in a list the next page begins.

    A token names the last key that was given out, not an offset: keys that come and go do not shift it.
    """

    def __init__(self, signing_key: bytes) -> None:
        self._key = signing_key

    def issue(self, organization_id: str, *, position: int, reverse: bool, listed: Listed = "keys") -> str:
        """Return the token for the page after `position`."""
        payload = _PAYLOAD.pack(_LISTS.index(listed), _octets(organization_id), reverse, position)
        return base64.urlsafe_b64encode(payload + self._sign(payload)).rstrip(b"=").decode("ascii")

    def read(self, token: str, organization_id: str, *, reverse: bool, listed: Listed = "keys") -> int:
        """Return the position that a token holds.

        Raises:
            ValueError: The token is not one of ours, or of another list, organization or direction; the
                text says which, to follow the word "pageToken".
        """
        payload = self._verified(token)
        kind, organization, direction, position = _PAYLOAD.unpack(payload)
        if kind != _LISTS.index(listed):
            raise ValueError("belongs to another list")
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
