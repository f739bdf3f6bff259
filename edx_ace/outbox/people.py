"""
Public: what tables keep of whom a message goes to, so that it is found again: the person, and the address.

An address is known in one form, however it is written: `canonical`. It is made wherever one is written, looked up or
compared, and nowhere else.

A person with an account is the host's id as text. Without one they are known by their address, of which tables keep a
keyed digest: it tells nobody the address, and whoever knows the address finds them again.

The keys are ACE_ADDRESS_KEYS, oldest first. A digest is made with all of them, one over the other, so that a key which
is added needs no address: the new digest is made from the old one (`manage.py ace_rehash`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Sequence
from email.utils import unquote
from functools import lru_cache

from django.conf import settings as django_settings

from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.channel.mailbox import is_plain, parse_mailbox
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.conf import settings
from edx_ace.recipient import Recipient
from edx_ace.text import is_sendable

#: Longest text that a key of a table holds, in characters.
MAX_KEY_LENGTH = 255

#: Longest one that `shortened` leaves as it is, in octets of UTF-8: links hold keys, and the header line of a mail that
#: holds such a link has 998.
_MAX_OCTETS = 255

_PREFIX = "address"
_SHORTENED = "sha256:"

#: Characters that normalising or lowering turns into ASCII, such as the sign for kelvin:
#: they are not that letter, and a mailbox that has one is another mailbox.
_IN_DISGUISE = re.compile("([\u037e\u1fef\u212a])")

#: What may stand in a local part without the quotes.
_is_dot_atom = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*").fullmatch


def canonical(channel_type: ChannelType, address: str) -> str:
    """
    Return the one form of *address*: the addr-spec of a mailbox, as NFC in lower case, with its domain by IDNA 2008.

    Letters that only look like others stay what they are, so that nobody's address matches that of somebody else.

    Raises:
        InvalidMessageError: If the address of an email is not exactly one mailbox.
    """
    if channel_type is not ChannelType.EMAIL:
        return address
    # Hosts give what their columns hold.
    if isinstance(address, str) and is_plain(address):
        return address.lower()
    local, _, domain = parse_mailbox(address, smtputf8=True).address.rpartition("@")
    if local.startswith('"') and _is_dot_atom(unquote(local)):
        local = unquote(local)
    if not local.isascii():
        parts = _IN_DISGUISE.split(local)
        parts[::2] = [unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).lower()) for part in parts[::2]]
        local = "".join(parts)
        return f"{local}@{domain.lower()}"
    return f"{local}@{domain}".lower()


def address_key(channel_type: ChannelType, address: str | None) -> str | None:
    """
    Return what the table keeps of *address*, to find it again: its `canonical` form, or of a longer one the digest.

    Raises:
        InvalidMessageError: If the address of an email is not exactly one mailbox.
    """
    if channel_type is ChannelType.EMAIL:
        return shortened(canonical(channel_type, address or ""))
    return shortened(address) if address else None


def person_key(recipient: Recipient | None) -> str | None:
    """Return what the table keeps of who *recipient* is; None when there is neither an account nor a usable address."""
    person = None if recipient is None else recipient.lms_user_id
    # Existing code writes 0 and None for "no account".
    if person:
        return shortened(str(person))
    return None if recipient is None else _key_by_address(recipient)


def account_of(key: str) -> Recipient | None:
    """
    Return the recipient whose account *key* names, without an address; None: it is a digest, which names nobody.

    An id that reads like a number is one: keys do not tell ``7`` from ``"7"``.
    """
    if key.startswith((f"{_PREFIX}:", _SHORTENED)):
        return None
    return Recipient(int(key) if key.isdecimal() and str(int(key)) == key else key)


def person_keys_of_address(channel_type: ChannelType, address: str) -> list[str]:
    """
    Return the keys under which tables may know who has *address* and no account, the latest first.

    Raises:
        InvalidMessageError: If the address of an email is not exactly one mailbox.
    """
    key = address_key(channel_type, address)
    return [] if key is None else [_labelled(*one) for one in reversed(_digests(key, _secrets()))]


def keyed_digest(text: str) -> str:
    """Return the digest of *text* with the site's oldest key alone (64 characters): adding keys does not change it."""
    return _digest(_secrets()[0], text)


def rehashed(key: str) -> str | None:
    """Return the latest form of *key*, which `person_key` returned before keys were added; None: it is no older one."""
    prefix, _, rest = key.partition(":")
    generation, _, digest = rest.partition(":")
    secrets = _secrets()
    if prefix != _PREFIX or not generation.isdecimal() or not 0 < int(generation) < len(secrets):
        return None
    for secret in secrets[int(generation) :]:
        digest = _digest(secret, digest)
    return _labelled(len(secrets), digest)


def shortened(text: str) -> str:
    """Return *text*, or its digest where a key cannot hold it: it is too long, or not every database keeps it."""
    # MariaDB takes what differs in spaces at the end for equal.
    if is_sendable(text) and len(text.encode()) <= _MAX_OCTETS and not text.endswith(" "):
        return text
    return f"{_SHORTENED}{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _key_by_address(recipient: Recipient) -> str | None:
    for channel_type in ALL_TYPES:
        address = recipient.address_for(channel_type)
        if address:
            try:
                return person_keys_of_address(channel_type, address)[0]
            except InvalidMessageError:
                continue
    return None


def _secrets() -> tuple[str, ...]:
    return tuple(settings.ADDRESS_KEYS) or (django_settings.SECRET_KEY,)


# A message over two channels, and its retries, ask for the same one.
@lru_cache(maxsize=1024)
def _digests(key: str, secrets: Sequence[str]) -> list[tuple[int, str]]:
    """Return the digest of *key* with the first secret, with the first two, and so on, each with how many these are."""
    found = []
    digest = key
    for generation, secret in enumerate(secrets, start=1):
        digest = _digest(secret, digest)
        found.append((generation, digest))
    return found


def _digest(secret: str, text: str) -> str:
    return hmac.digest(f"edx_ace.people:{secret}".encode(), text.encode(), "sha256").hex()


def _labelled(generation: int, digest: str) -> str:
    return f"{_PREFIX}:{generation}:{digest}"
