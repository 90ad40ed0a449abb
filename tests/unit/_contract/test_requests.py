from __future__ import annotations

import json
import warnings
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._contract import arguments, requests
from accesskeys_async.errors import (
    InvalidRequestError,
)
from accesskeys_async.records import UNSET, RoleRef

ORG = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
KEY = UUID(int=1)
GET = requests.build_get(ORG, KEY)
DELETE = requests.build_delete(ORG, KEY)
LIST = requests.build_list(ORG, limit=100, reverse=False, page_token=None)
CREATE = requests.build_create(ORG, name="ci", description="deploys", role_ids=UNSET)


def test_each_request_is_what_the_contract_says() -> None:
    path = f"/organizations/{ORG}/access-keys"
    update = requests.build_update(ORG, KEY, name="n", description=UNSET, role_ids=UNSET)
    assert [
        (r.operation, r.method, r.path, r.body, r.repeatable) for r in (LIST, GET, CREATE, update, DELETE)
    ] == [
        ("listAccessKeys", "GET", path, None, True),
        ("getAccessKey", "GET", f"{path}/{KEY}", None, True),
        ("createAccessKey", "POST", path, b'{"name":"ci","description":"deploys"}', False),
        ("updateAccessKey", "PATCH", f"{path}/{KEY}", b'{"name":"n"}', True),
        ("deleteAccessKey", "DELETE", f"{path}/{KEY}", None, True),
    ]
    assert all(request.organization_id == ORG for request in (LIST, GET, CREATE, update, DELETE))


def test_a_request_keeps_its_deadline() -> None:
    for request in (
        requests.build_list(ORG, limit=1, reverse=False, page_token=None, deadline=7.0),
        requests.build_get(ORG, KEY, deadline=7.0),
        requests.build_create(ORG, name="n", description="d", role_ids=UNSET, deadline=7.0),
        requests.build_update(ORG, KEY, name="n", description=UNSET, role_ids=UNSET, deadline=7.0),
        requests.build_delete(ORG, KEY, deadline=7.0),
    ):
        assert request.deadline == 7.0


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "limit=100"),
        ({"limit": 1}, "limit=1"),
        ({"reverse": True}, "limit=100&reverse=true"),
        ({"page_token": "a&b=c d/é+%"}, "limit=100&pageToken=a%26b%3Dc%20d%2F%C3%A9%2B%25"),
        ({"limit": 7, "page_token": "x", "reverse": True}, "limit=7&pageToken=x&reverse=true"),
    ],
)
def test_a_listing_s_options_become_its_query(options: dict[str, Any], query: str) -> None:
    defaults: dict[str, Any] = {"limit": 100, "reverse": False, "page_token": None}
    assert requests.build_list(ORG, **(defaults | options)).query == query


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100))
def test_any_page_token_arrives_as_it_is(token: str) -> None:
    query = requests.build_list(ORG, limit=1, reverse=False, page_token=token).query
    assert query.isascii()
    assert parse_qs(query, strict_parsing=True)["pageToken"] == [token]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_any_text_within_bounds_arrives_as_it_is(text: str) -> None:
    body = requests.build_create(ORG, name=text, description=text, role_ids=UNSET).body
    assert body is not None
    assert json.loads(body) == {"name": text, "description": text}


# The bounds of the contract.

LIST_BOUNDS = [
    ({"limit": 0}, "limit is 0; the API takes 1 to 100"),
    ({"limit": -1}, "limit is -1; the API takes 1 to 100"),
    ({"limit": 101}, "limit is 101; the API takes 1 to 100"),
    ({"limit": True}, "limit is of type bool; it takes int"),
    ({"limit": 10.0}, "limit is of type float; it takes int"),
    ({"limit": "10"}, "limit is of type str; it takes int"),
    ({"limit": None}, "limit is of type NoneType; it takes int"),
    ({"page_token": ""}, "page_token is 0 characters; it takes 1 to 4096"),
    ({"page_token": "x" * 4097}, "page_token is 4097 characters; it takes 1 to 4096"),
    ({"page_token": b"x"}, "page_token is of type bytes; it takes str"),
    (
        {"page_token": "ab\udc80"},
        "page_token has half a surrogate pair at 2, which no encoding carries; leave it out",
    ),
]


@pytest.mark.parametrize(("options", "message"), LIST_BOUNDS)
def test_a_listing_out_of_bounds_is_refused(options: dict[str, Any], message: str) -> None:
    defaults: dict[str, Any] = {"limit": 100, "reverse": False, "page_token": None}
    with pytest.raises(InvalidRequestError) as caught:
        requests.build_list(ORG, **(defaults | options))
    assert str(caught.value) == message
    assert caught.value.argument == next(iter(options))


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({"limit": 1}, "limit=1"),
        ({"limit": 100}, "limit=100"),
        ({"page_token": "x" * 4096}, f"limit=100&pageToken={'x' * 4096}"),
    ],
)
def test_a_listing_at_its_bounds_is_built(options: dict[str, Any], query: str) -> None:
    request = requests.build_list(ORG, **({"limit": 100, "reverse": False, "page_token": None} | options))
    assert request.query == query


TEXT_BOUNDS = [
    ("", "is 0 characters; the API takes 1 to 256"),
    ("x" * 257, "is 257 characters; the API takes 1 to 256"),
    ("😀" * 257, "is 257 characters; the API takes 1 to 256"),
    ("a\ud83d", "has half a surrogate pair at 1, which no encoding carries; leave it out"),
    ("\ude00\ud83d", "has half a surrogate pair at 0, which no encoding carries; leave it out"),
    (None, "is of type NoneType; it takes str"),
    (b"x", "is of type bytes; it takes str"),
    (7, "is of type int; it takes str"),
]


@pytest.mark.parametrize("argument", ["name", "description"])
@pytest.mark.parametrize(("value", "problem"), TEXT_BOUNDS)
def test_a_text_out_of_bounds_is_refused_with_its_length(argument: str, value: Any, problem: str) -> None:
    texts = {"name": "n", "description": "d", argument: value}
    for build in (
        lambda: requests.build_create(ORG, **texts, role_ids=UNSET),
        lambda: requests.build_update(ORG, KEY, **texts, role_ids=UNSET),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            build()
        assert str(caught.value) == f"{argument} {problem}"
        assert caught.value.argument == argument


@pytest.mark.parametrize("text", ["x", "x" * 256, "😀" * 256, "\x00"])
def test_a_text_at_its_bounds_is_sent(text: str) -> None:
    for request in (
        requests.build_create(ORG, name=text, description=text, role_ids=UNSET),
        requests.build_update(ORG, KEY, name=text, description=text, role_ids=UNSET),
    ):
        assert json.loads(request.body or b"") == {"name": text, "description": text}


@pytest.mark.parametrize("count", [1, 5])
def test_one_to_five_roles_are_sent_from_any_iterable(count: int) -> None:
    ids = [UUID(int=n) for n in range(count)]
    given: list[Any] = [ids, tuple(ids), iter(ids), [str(role) for role in ids], dict.fromkeys(ids, 1)]
    for role_ids in given:
        body = requests.build_create(ORG, name="n", description="d", role_ids=role_ids).body
        assert json.loads(body or b"")["roleIds"] == [str(role) for role in ids]


@pytest.mark.parametrize(
    ("role_ids", "message"),
    [
        ([], "role_ids has 0 ids; the API takes 1 to 5"),
        ([KEY] * 6, "role_ids has 6 ids; the API takes 1 to 5"),
        (str(KEY), "role_ids is a single id; it takes several, such as a list"),
        (KEY, "role_ids is a single id; it takes several, such as a list"),
        (
            [KEY, "admin"],
            "role_ids[1] is 5 characters and not a UUID; give the id, 36 characters with hyphens",
        ),
        ([None], "role_ids[0] is of type NoneType; it takes str or uuid.UUID"),
        (None, "role_ids is of type NoneType; it takes several ids, such as a list"),
        (7, "role_ids is of type int; it takes several ids, such as a list"),
    ],
)
def test_roles_out_of_bounds_are_refused(role_ids: Any, message: str) -> None:
    for build in (
        lambda: requests.build_create(ORG, name="n", description="d", role_ids=role_ids),
        lambda: requests.build_update(ORG, KEY, name=UNSET, description=UNSET, role_ids=role_ids),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            build()
        assert str(caught.value) == message


WORKSPACE = UUID("4c9a1d3e-7e39-4b44-9a3e-6a2e6b0f9c44")


def sent_roles(role_refs: Any) -> Any:
    create = requests.build_create(ORG, name="n", description="d", role_refs=role_refs)
    update = requests.build_update(ORG, KEY, role_refs=role_refs)
    sent = json.loads(create.body or b"")["roleRefs"]
    assert json.loads(update.body or b"") == {"roleRefs": sent}
    return sent


@pytest.mark.parametrize(
    ("role_ref", "sent"),
    [
        (KEY, {"id": str(KEY)}),
        (str(KEY).upper(), {"id": str(KEY)}),
        (RoleRef(KEY), {"id": str(KEY)}),
        (RoleRef(KEY, None, None), {"id": str(KEY)}),
        (RoleRef(KEY, "managed", ()), {"id": str(KEY), "type": "managed", "workspaces": []}),
        (
            RoleRef(KEY, workspaces=(ORG, WORKSPACE)),
            {"id": str(KEY), "workspaces": [str(ORG), str(WORKSPACE)]},
        ),
        ({"id": KEY.hex, "workspaces": [str(WORKSPACE)]}, {"id": str(KEY), "workspaces": [str(WORKSPACE)]}),
        ({"id": KEY, "type": "a new one"}, {"id": str(KEY), "type": "a new one"}),
    ],
)
def test_a_role_reference_is_given_as_a_record_an_id_or_a_mapping(role_ref: Any, sent: Any) -> None:
    assert sent_roles([role_ref]) == [sent]


@pytest.mark.parametrize("count", [1, 5])
def test_one_to_five_role_references_are_sent_in_their_order(count: int) -> None:
    ids = [UUID(int=n) for n in range(count)]
    assert [ref["id"] for ref in sent_roles(ids)] == [str(one) for one in ids]


@pytest.mark.parametrize(
    ("role_refs", "message"),
    [
        ([], "role_refs has 0 roles; the API takes 1 to 5"),
        ([UUID(int=n) for n in range(6)], "role_refs has 6 roles; the API takes 1 to 5"),
        (str(KEY), "role_refs is a single role; it takes several, such as a list"),
        (RoleRef(KEY), "role_refs is a single role; it takes several, such as a list"),
        ({"id": KEY}, "role_refs is a single role; it takes several, such as a list"),
        (None, "role_refs is of type NoneType; it takes several roles, such as a list"),
        (
            [ORG, "admin"],
            "role_refs[1] is 5 characters and not a UUID; give the id, 36 characters with hyphens",
        ),
        (
            [{"type": "managed"}],
            "role_refs[0].id is of type NoneType; it takes str or uuid.UUID",
        ),
        (
            [{"id": KEY, "workspace": []}],
            "role_refs[0] has workspace; a role reference has id, type and workspaces",
        ),
        ([{"id": KEY, "type": 7}], "role_refs[0].type is of type int; it takes str"),
        (
            [{"id": KEY, "workspaces": 7}],
            "role_refs[0].workspaces is of type int; it takes several ids, such as a list",
        ),
        (
            [{"id": KEY, "workspaces": str(ORG)}],
            "role_refs[0].workspaces is of type str; it takes several ids, such as a list",
        ),
        (
            [{"id": KEY, "workspaces": ["x"]}],
            (
                "role_refs[0].workspaces[0] is 1 characters and not a UUID; "
                "give the id, 36 characters with hyphens"
            ),
        ),
        (
            [{"id": KEY, "workspaces": [ORG, str(ORG)]}],
            "role_refs[0].workspaces names a workspace more than once; name each once",
        ),
        ([KEY, ORG, str(KEY)], "role_refs[2] repeats role_refs[0]; leave one out"),
        (
            [RoleRef(KEY, "a", (ORG, KEY)), RoleRef(KEY, "b", (KEY, ORG))],
            "role_refs[1] repeats role_refs[0]; leave one out",
        ),
    ],
)
def test_role_references_out_of_bounds_are_refused(role_refs: Any, message: str) -> None:
    for build in (
        lambda: requests.build_create(ORG, name="n", description="d", role_refs=role_refs),
        lambda: requests.build_update(ORG, KEY, role_refs=role_refs),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            build()
        assert str(caught.value) == message


def test_one_role_may_be_given_for_several_sets_of_workspaces() -> None:
    assert len(sent_roles([RoleRef(KEY, workspaces=(ORG,)), RoleRef(KEY, workspaces=(WORKSPACE,))])) == 2


def test_roles_are_given_in_one_form() -> None:
    for build in (
        lambda: requests.build_create(ORG, name="n", description="d", role_refs=[KEY], role_ids=[KEY]),
        lambda: requests.build_update(ORG, KEY, role_refs=[KEY], role_ids=[KEY]),
    ):
        with pytest.raises(InvalidRequestError, match=r"^role_ids is given beside role_refs"):
            build()


def test_an_update_that_names_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^update names nothing to change; give name"):
        requests.build_update(ORG, KEY, name=UNSET, description=UNSET, role_ids=UNSET)


@pytest.mark.parametrize("value", [ORG, str(ORG), str(ORG).upper(), ORG.hex])
def test_an_id_is_a_uuid_or_its_text(value: arguments.Id) -> None:
    assert arguments.read_id("org", value) == ORG


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "0 characters and not a UUID; give the id, 36 characters with hyphens"),
        ("me", "2 characters and not a UUID; give the id, 36 characters with hyphens"),
        (f"{ORG}/../x", "41 characters and not a UUID; give the id, 36 characters with hyphens"),
        (f" {ORG}", "37 characters and not a UUID; give the id, 36 characters with hyphens"),
        (7, "of type int; it takes str or uuid.UUID"),
        (None, "of type NoneType; it takes str or uuid.UUID"),
        (ORG.bytes, "of type bytes; it takes str or uuid.UUID"),
    ],
)
def test_what_is_no_uuid_is_refused(value: Any, what: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        arguments.read_id("org", value)
    assert str(caught.value) == f"org is {what}"
    assert caught.value.__context__ is None


def test_roles_warn_where_they_are_given_and_only_there() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        arguments.warn_of_role_ids(UNSET, stacklevel=1)
        assert not caught
        arguments.warn_of_role_ids([], stacklevel=1)
    assert [(w.category, str(w.message), w.filename) for w in caught] == [
        (DeprecationWarning, "role_ids is deprecated by the API; use role_refs", __file__)
    ]


@pytest.mark.parametrize(
    "written",
    [
        "0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01",
        "0B0E0F3C-3F5A-4F55-9D0E-6F1F4D1F9A01",
        "0b0e0f3c3f5a4f559d0e6f1f4d1f9a01",
        UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01"),
    ],
)
def test_an_id_is_sent_as_the_api_writes_it_however_it_was_given(written: str | UUID) -> None:
    request = requests.build_get(UUID(int=1), written)
    assert request.path.endswith("/access-keys/0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")
