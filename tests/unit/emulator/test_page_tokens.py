import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async.emulator.page_tokens import PageTokens

ORGANIZATION = "c6338b0d-347c-42b1-acc8-99c03fe91815"
OTHER = "85939ed9-0672-41a3-8723-90aca65baf41"
TOKENS = PageTokens(b"signing key")


@given(st.integers(0, 2**64 - 1), st.booleans())
def test_a_token_holds_its_position(position: int, reverse: bool) -> None:
    token = TOKENS.issue(ORGANIZATION, position=position, reverse=reverse)

    assert TOKENS.read(token, ORGANIZATION, reverse=reverse) == position


@given(st.integers(0, 2**32), st.booleans(), st.data())
def test_a_token_with_any_character_changed_is_refused(
    position: int, reverse: bool, data: st.DataObject
) -> None:
    token = TOKENS.issue(ORGANIZATION, position=position, reverse=reverse)
    index = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda character: character != token[index]))

    with pytest.raises(ValueError, match="is not a page token"):
        TOKENS.read(token[:index] + other + token[index + 1 :], ORGANIZATION, reverse=reverse)


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a page token"):
        TOKENS.read(text, ORGANIZATION, reverse=False)


@pytest.mark.parametrize("change", ["{}=", "{}A", " {}", "{}\n"])
def test_a_token_with_something_added_is_refused(change: str) -> None:
    token = TOKENS.issue(ORGANIZATION, position=1, reverse=False)

    with pytest.raises(ValueError, match="is not a page token"):
        TOKENS.read(change.format(token), ORGANIZATION, reverse=False)


def test_a_token_of_another_list_organization_direction_or_service_is_refused() -> None:
    token = TOKENS.issue(ORGANIZATION, position=7, reverse=False)

    with pytest.raises(ValueError, match="another organization"):
        TOKENS.read(token, OTHER, reverse=False)
    with pytest.raises(ValueError, match="another list"):
        TOKENS.read(token, ORGANIZATION, reverse=False, listed="roles")
    with pytest.raises(ValueError, match="other direction"):
        TOKENS.read(token, ORGANIZATION, reverse=True)
    with pytest.raises(ValueError, match="is not a page token"):
        PageTokens(b"another key").read(token, ORGANIZATION, reverse=False)
