"""What goes wrong on purpose: scripted faults, each for so many requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

import attrs

from .replies import Reply, error_reply
from .routes import OPERATIONS, Operation

FaultKind = Literal[
    "status", "delay", "reset_before", "reset_after", "cut_headers", "cut_body", "malformed_json", "drip"
]
FaultBody = str | bytes | Mapping[str, object]


def _known(_: object, __: object, operation: Operation | None) -> None:
    if operation is not None and operation not in OPERATIONS:
        raise ValueError(f"operation is {operation!r}; it is one of {', '.join(OPERATIONS)}, or None for all")


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong for the next `times` requests that it fits; made by its class methods.

    `operation` and `organization` (an id) narrow down what it fits; None fits all.
    """

    kind: FaultKind
    operation: Operation | None = attrs.field(default=None, validator=_known)
    organization: str | None = None
    times: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    reply: Reply | None = None
    seconds: float = attrs.field(default=0.0, validator=attrs.validators.ge(0.0))
    chunk: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    @classmethod
    def status(
        cls,
        status: int,
        *,
        operation: Operation | None = None,
        organization: str | None = None,
        times: int = 1,
        body: FaultBody | None = None,
        retry_after: float | str | datetime | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fault:
        """Answer with a status, and do nothing else.

        `body` is text or bytes sent as they are, or an object sent as JSON; left out, the contract's Error.
        `retry_after` is seconds, a moment for an HTTP date, or text sent as it is.
        """
        if not 200 <= status <= 599:
            raise ValueError(f"status is {status}; it takes 200 to 599")
        sent = dict(headers or {})
        if retry_after is not None:
            sent["Retry-After"] = _retry_after(retry_after)
        if body is None:
            reply = error_reply(status, "InjectedFault", "This fault was scripted", headers=sent)
        else:
            reply = Reply(status, _encode(body), sent)
        return cls(kind="status", reply=reply, operation=operation, organization=organization, times=times)

    @classmethod
    def delay(
        cls,
        seconds: float,
        *,
        operation: Operation | None = None,
        organization: str | None = None,
        times: int = 1,
    ) -> Fault:
        """Wait so many seconds before the request has any effect, then answer as ever."""
        return cls(kind="delay", seconds=seconds, operation=operation, organization=organization, times=times)

    @classmethod
    def reset_before(
        cls, *, operation: Operation | None = None, organization: str | None = None, times: int = 1
    ) -> Fault:
        """Reset the connection before the request has any effect."""
        return cls(kind="reset_before", operation=operation, organization=organization, times=times)

    @classmethod
    def reset_after(
        cls, *, operation: Operation | None = None, organization: str | None = None, times: int = 1
    ) -> Fault:
        """Reset the connection once the effect is durable, without a byte of the reply."""
        return cls(kind="reset_after", operation=operation, organization=organization, times=times)

    @classmethod
    def cut_headers(
        cls, *, operation: Operation | None = None, organization: str | None = None, times: int = 1
    ) -> Fault:
        """Close the connection in the middle of the reply's headers; the effect is durable."""
        return cls(kind="cut_headers", operation=operation, organization=organization, times=times)

    @classmethod
    def cut_body(
        cls, *, operation: Operation | None = None, organization: str | None = None, times: int = 1
    ) -> Fault:
        """Close the connection in the middle of the reply's body; the effect is durable.

        A reply that has no body is cut in its headers.
        """
        return cls(kind="cut_body", operation=operation, organization=organization, times=times)

    @classmethod
    def malformed_json(
        cls, *, operation: Operation | None = None, organization: str | None = None, times: int = 1
    ) -> Fault:
        """Send the first half of the reply's body as if it were the whole; the effect is durable.

        A reply that has no body becomes a 200 with half of an object.
        """
        return cls(kind="malformed_json", operation=operation, organization=organization, times=times)

    @classmethod
    def drip(
        cls,
        seconds: float,
        *,
        chunk: int = 1,
        operation: Operation | None = None,
        organization: str | None = None,
        times: int = 1,
    ) -> Fault:
        """Send the reply's body `chunk` bytes at a time, with so many seconds between."""
        return cls(
            kind="drip",
            seconds=seconds,
            chunk=chunk,
            operation=operation,
            organization=organization,
            times=times,
        )

    @property
    def cuts(self) -> bool:
        """Whether the connection ends before a whole reply."""
        return self.kind in {"reset_before", "reset_after", "cut_headers", "cut_body"}

    def fits(self, operation: Operation, organization_id: str | None) -> bool:
        """Tell whether a request is one of those that this is for."""
        return self.operation in (None, operation) and self.organization in (None, organization_id)


class Faults:
    """The faults still to come, first come first served; any thread may add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Fault] = []

    @property
    def pending(self) -> tuple[Fault, ...]:
        """What has not happened yet; `times` is what is left of each."""
        with self._lock:
            return tuple(self._pending)

    def add(self, *faults: Fault) -> None:
        """Put faults at the end of the script."""
        with self._lock:
            self._pending.extend(faults)

    def take(self, operation: Operation, organization_id: str | None) -> Fault | None:
        """Use up one time of the first fault that fits a request, or return None."""
        if not self._pending:
            return None
        with self._lock:
            for index, fault in enumerate(self._pending):
                if fault.fits(operation, organization_id):
                    rest = [attrs.evolve(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self._pending[index : index + 1] = rest
                    return fault
        return None

    def clear(self) -> None:
        """Forget what has not happened yet."""
        with self._lock:
            self._pending.clear()

    reset = clear

    def assert_used(self) -> None:
        """Fail if a fault has not happened as often as it was scripted.

        Raises:
            AssertionError: It names every such fault and how often it was still to come.
        """
        left = [
            f"{fault.kind} on {fault.operation or 'any operation'}, {fault.times} to come"
            for fault in self.pending
        ]
        if left:
            raise AssertionError(f"scripted faults were not used up: {'; '.join(left)}")


def _retry_after(value: float | str | datetime) -> str:
    if isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    return str(value)


def _encode(body: FaultBody) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()
