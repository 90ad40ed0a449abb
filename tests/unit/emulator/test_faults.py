import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest

from accesskeys_async.emulator.faults import Fault, Faults
from accesskeys_async.emulator.replies import Reply
from accesskeys_async.emulator.routes import Operation


def reply_of(fault: Fault) -> Reply:
    assert fault.reply is not None
    return fault.reply


def test_faults_come_in_the_order_of_the_script_as_often_as_they_were_added() -> None:
    faults = Faults()
    faults.add(Fault.status(503, times=2), Fault.reset_after())

    taken = [faults.take("list", None) for _ in range(4)]

    assert [fault and fault.kind for fault in taken] == ["status", "status", "reset_after", None]


def test_a_fault_waits_for_a_request_that_it_fits() -> None:
    faults = Faults()
    faults.add(Fault.delay(1, operation="get"), Fault.cut_body(organization="a"))

    assert faults.take("list", "b") is None
    assert faults.take("list", "a") == Fault.cut_body(organization="a")
    assert faults.take("get", "b") == Fault.delay(1, operation="get")
    assert faults.pending == ()


def test_pending_tells_what_is_left_of_each() -> None:
    faults = Faults()
    faults.add(Fault.reset_before(times=3))
    faults.take("get", None)

    assert faults.pending == (Fault.reset_before(times=2),)


def test_faults_not_used_up_are_an_assertion_error_that_names_them() -> None:
    faults = Faults()
    faults.assert_used()
    faults.add(Fault.status(503, operation="list", times=2), Fault.drip(0.1))

    with pytest.raises(AssertionError, match=r"status on list, 2 to come; drip on any operation, 1 to come"):
        faults.assert_used()
    faults.clear()
    faults.assert_used()


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (3, "3"),
        (0.5, "0.5"),
        ("soon", "soon"),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "Thu, 01 Jan 2026 00:00:00 GMT"),
        (datetime(2026, 1, 1, tzinfo=UTC), "Thu, 01 Jan 2026 00:00:00 GMT"),
    ],
)
def test_retry_after_is_sent_in_the_form_that_was_asked_for(given: Any, sent: Any) -> None:
    assert reply_of(Fault.status(429, retry_after=given)).headers["Retry-After"] == sent


@pytest.mark.parametrize(
    ("body", "sent"), [("oops", b"oops"), (b"\xff", b"\xff"), ({"a": 1}, b'{"a": 1}'), ("", b"")]
)
def test_a_body_is_sent_as_it_is_or_as_json(body: Any, sent: Any) -> None:
    assert reply_of(Fault.status(500, body=body)).body == sent


def test_without_a_body_the_answer_has_the_contracts_error_shape() -> None:
    assert set(json.loads(reply_of(Fault.status(500)).body)) == {"code", "message"}


def test_a_status_may_come_with_headers() -> None:
    assert reply_of(Fault.status(302, headers={"Location": "/x"})).headers == {"Location": "/x"}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fault.status(99),
        lambda: Fault.status(600),
        lambda: Fault.status(500, times=0),
        lambda: Fault.delay(-1),
        lambda: Fault.drip(1, chunk=0),
        lambda: Fault.reset_after(operation=cast("Operation", "lst")),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(make: Callable[[], Fault]) -> None:
    with pytest.raises(ValueError):
        make()
