"""
Internal: tokens for links in messages: what they stand for is sealed, so that nobody reads it, makes one, or uses one
for another purpose.

They are encrypted with AES-SIV under a key of each purpose's own, hold no moment and do not run out: a link in an old
mail still unsubscribes. Needs the extra ``links``.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings as django_settings
from django.utils.encoding import force_str

from edx_ace.conf import settings
from edx_ace.errors import BadTokenError, MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

#: Longest token that is looked at, in characters.
MAX_LENGTH = 2048

_SEPARATOR = "\0"


def seal(purpose: str, *parts: str) -> str:
    """
    Return the token that stands for *parts*, always the same one, with characters that a URL can hold.

    Args:
        purpose: What it may be used for, and for nothing else.

        parts: Texts without NUL.
    """
    return sealer(purpose)(*parts)


def sealer(purpose: str) -> Callable[..., str]:
    """Return what `seal` is for *purpose*, with the key of this moment: for whoever makes many tokens at once."""
    encrypt = _ciphers(_keys(), purpose)[0].encrypt

    def sealed(*parts: str) -> str:
        return urlsafe_b64encode(encrypt(_SEPARATOR.join(parts).encode(), None)).rstrip(b"=").decode()

    return sealed


def unseal(purpose: str, token: str) -> list[str]:
    """
    Return the parts that *token* stands for.

    Raises:
        BadTokenError: If it was made for another purpose, with no key that is known, or is no token at all; its text is
            the same for each.
    """
    try:
        if len(token) > MAX_LENGTH or not token.isascii():
            raise ValueError
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        # Other spellings of the same bytes are no token: an address that was altered anywhere is refused.
        if urlsafe_b64encode(sealed).rstrip(b"=").decode() != token:
            raise ValueError
    except ValueError:
        raise BadTokenError from None
    from cryptography.exceptions import InvalidTag

    for cipher in _ciphers(_keys(), purpose):
        try:
            return cipher.decrypt(sealed, None).decode().split(_SEPARATOR)
        except (InvalidTag, ValueError):
            continue
    raise BadTokenError


def _keys() -> tuple[str | bytes, ...]:
    return tuple(settings.TOKEN_KEYS) or (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS)


@lru_cache(maxsize=64)
def _ciphers(keys: tuple[str | bytes, ...], purpose: str) -> list[AESSIV]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    except ImportError as error:
        raise MissingExtraError("A link with a token", "links") from error
    return [AESSIV(hashlib.sha512(f"edx_ace.tokens:{purpose}:{force_str(key)}".encode()).digest()) for key in keys]
