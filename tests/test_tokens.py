"""
Internal: tokens for links in messages.
"""

import pytest

from edx_ace import tokens
from edx_ace.errors import BadTokenError


def test_a_token_stands_for_its_parts_and_shows_none_of_them():
    """
    It is the same each time, so that a message that is sent again has the same link.
    """
    token = tokens.seal("unsubscribe", "42", "news", "email", "")

    assert tokens.unseal("unsubscribe", token) == ["42", "news", "email", ""]
    assert token == tokens.seal("unsubscribe", "42", "news", "email", "")
    assert len(token) < 60 and "news" not in token


@pytest.mark.parametrize(
    "alter",
    [
        lambda token: token[:-1],
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: "A" + token[1:],
        lambda token: token + "=",
        lambda token: token + "A",
        lambda token: "",
        lambda token: "é" * 30,
        lambda token: "\ud800",
        lambda token: "A" * 100_000,
    ],
)
def test_whatever_is_altered_is_refused_in_the_same_words(alter):
    """
    Nobody learns from the answer how near they were.
    """
    with pytest.raises(BadTokenError) as refused:
        tokens.unseal("click", alter(tokens.seal("click", "42")))

    assert str(refused.value) == str(BadTokenError())


def test_a_token_serves_its_purpose_alone():
    """
    Following a link does not unsubscribe.
    """
    with pytest.raises(BadTokenError):
        tokens.unseal("unsubscribe", tokens.seal("click", "42"))


def test_old_tokens_are_good_while_their_key_is_known(settings):
    """
    And new ones are made with the new key.
    """
    settings.ACE_TOKEN_KEYS = ["old"]
    old = tokens.seal("click", "42")
    settings.ACE_TOKEN_KEYS = ["new", "old"]

    assert tokens.unseal("click", old) == ["42"]
    assert tokens.seal("click", "42") != old

    settings.ACE_TOKEN_KEYS = ["new"]
    with pytest.raises(BadTokenError):
        tokens.unseal("click", old)


def test_without_keys_of_their_own_tokens_follow_djangos(settings):
    """
    Rotated as Django's documentation says.
    """
    settings.SECRET_KEY = "old"
    old = tokens.seal("click", "42")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", ["old"]

    assert tokens.unseal("click", old) == ["42"]
