import json

from accesskeys_async.emulator.replies import Refusal, error_reply, invalid, not_allowed


def test_an_error_has_a_code_a_message_and_a_list_of_details() -> None:
    reply = error_reply(404, "not_found", "No such thing")

    assert reply.status == 404
    assert json.loads(reply.body) == {"code": "not_found", "message": "No such thing", "details": []}


def test_a_refusal_reads_as_its_message() -> None:
    assert str(Refusal(404, "not_found", "No such thing")) == "No such thing"


def test_invalid_names_every_field_in_its_message_and_details() -> None:
    refusal = invalid([{"field": "a", "message": "is missing"}, {"field": "b", "message": "is short"}])

    assert str(refusal) == "a is missing; b is short"
    assert refusal.reply.status == 422
    assert len(json.loads(refusal.reply.body)["details"]) == 2


def test_not_allowed_names_the_methods() -> None:
    reply = not_allowed(["GET", "POST"]).reply

    assert (reply.status, reply.headers) == (405, {"Allow": "GET, POST"})
