"""Lines of JSON with a digest at their end, so that what a disk changed is noticed."""

from __future__ import annotations

import hashlib
from typing import Final

_MARK: Final = b',"digest":"'
_HEX: Final = 32
_END: Final = b'"}\n'
_SIZE: Final = len(_MARK) + _HEX + len(_END)


def seal_line(line: bytes) -> bytes:
    """Add a digest to the line of an object that has members."""
    body = line[: -len(b"}\n")]
    return b"".join((body, _MARK, _digest(body), _END))


def open_line(line: bytes) -> bytes | None:
    """Return the line as it was sealed; None if it is not, or no longer what was sealed."""
    body = line[:-_SIZE]
    if line[-_SIZE:] != b"".join((_MARK, _digest(body), _END)):
        return None
    return body + b"}\n"


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_HEX // 2).hexdigest().encode()
