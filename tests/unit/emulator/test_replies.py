import json

from accesskeys_async.emulator.replies import Refusal, error_reply, invalid, not_allowed


def test_an_error_has_a_code_and_a_message_and_details_only_if_there_are_any() -> None:
    reply = error_reply(404, "ResourceNotFound", "No such thing")

    assert reply.status == 404
    assert json.loads(reply.body) == {"code": "ResourceNotFound", "message": "No such thing"}
    detailed = error_reply(422, "InvalidPayload", "No", details={".name": ["is missing"]})
    assert json.loads(detailed.body)["details"] == {".name": ["is missing"]}


def test_a_refusal_reads_as_its_message() -> None:
    assert str(Refusal(404, "ResourceNotFound", "No such thing")) == "No such thing"


def test_invalid_is_a_422_whose_details_tell_of_each_path() -> None:
    details = {".a": ["is missing"], ".b": ["is short", "is odd"]}

    reply = invalid(details).reply

    assert reply.status == 422
    assert json.loads(reply.body)["details"] == details


def test_not_allowed_names_the_methods() -> None:
    reply = not_allowed(["GET", "POST"]).reply

    assert (reply.status, reply.headers) == (405, {"Allow": "GET, POST"})
