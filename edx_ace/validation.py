"""
Public: the checks of a message's content, made when it is sent; building one checks nothing.

What concerns one channel alone (mailboxes, header names, attachments) is checked by that channel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise

from edx_ace.errors import InvalidMessageError
from edx_ace.text import check_text, is_sendable, shown

if TYPE_CHECKING:
    from edx_ace.message import Message

#: Deepest nesting of lists and dicts in a message's context and options.
MAX_DEPTH = 32

#: Largest size of a message's context and options, in characters of text plus one for each other value.
MAX_SIZE = 1_000_000

#: One folder's name, and what a language may look like (``pt-br``, ``sr@latin``).
_SEGMENT = re.compile(r"(?!\.+$)[^/\\:\x00-\x1f\x7f\ud800-\udfff]+")
#: What may stand for a uuid, which becomes part of the Message-ID.
_ID = re.compile(r"[A-Za-z0-9_.-]+")
_LANGUAGE = re.compile(r"[A-Za-z0-9]+(?:[-_@.][A-Za-z0-9]+)*")

#: Everything that ends a line for Python, Unicode or a mail server.
LINE_BREAKS = re.compile("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

#: Longest name of a folder or language, in bytes: what file systems take.
_MAX_NAME_BYTES = 255

#: What Django can activate as a language.
_LANGUAGE_TYPES = (str, bytes, Promise)

#: What is looked into; anything else in a context (model instances) is not.
_CONTAINERS = (dict, list, tuple, set, frozenset)


def validate(message: Message) -> None:
    """
    Check what would leave the template tree, break a line of a header or not survive a queue.

    Values that are no plain data (model instances in the context) are not looked into.

    Raises:
        InvalidMessageError: Saying what was expected, what was given and where.
    """
    # As the renderer writes them into a path, whatever their type: a lazy string is no str.
    _check_folder("app_label", str(message.app_label))
    _check_folder("name", str(message.name))
    # Nothing else can be activated, and stand-ins of existing tests pass.
    if message.language and isinstance(message.language, _LANGUAGE_TYPES):
        _check_language(str(message.language))
    if isinstance(message.uuid, str) and not _ID.fullmatch(message.uuid):
        raise InvalidMessageError(f"uuid must be a UUID, given {shown(message.uuid)}.")
    if not isinstance(message.expiration_time, datetime | None):
        raise InvalidMessageError(
            f"expiration_time must be a datetime or None, given {shown(message.expiration_time)}."
        )
    if message.context:
        _check_is_dict("context", message.context)
    if message.headers:
        _check_is_dict("headers", message.headers)
    _check_is_dict("options", message.options)
    check_data(message.context, "context")
    check_data(message.headers, "headers")
    if message.options and isinstance(message.options, dict):
        # Attachments have lines and a limit of their own, which the channel checks.
        options = {name: value for name, value in message.options.items() if name != "attachments"}
        check_data(options, "options")
        for name, value in options.items():
            _check_one_line(value, f"options[{name!a}]")


# The same few names come again and again.
@lru_cache(maxsize=1024)
def _check_folder(field: str, name: str) -> None:
    if not _SEGMENT.fullmatch(name) or len(name.encode()) > _MAX_NAME_BYTES:
        raise InvalidMessageError(
            f"{field} must name one folder of the template tree (no slash, colon or control character; "
            f"more than dots; at most {_MAX_NAME_BYTES} bytes), given {shown(name)}."
        )


@lru_cache(maxsize=1024)
def _check_language(language: str) -> None:
    if not _LANGUAGE.fullmatch(language) or len(language) > _MAX_NAME_BYTES:
        raise InvalidMessageError(f"language must be a language code such as 'pt-br', given {shown(language)}.")


def _check_is_dict(field: str, value: Any) -> None:
    if not hasattr(value, "items"):
        raise InvalidMessageError(f"{field} must be a dict, given {shown(value)}.")


def check_data(value: Any, path: str) -> None:
    """
    Check the size, the depth and the characters of plain data.

    Raises:
        InvalidMessageError: Naming the place by its path.
    """
    if not value:
        return
    # Level by level and without paths: writing those would take longer than all the rest, and only an error needs one.
    size, depth, text = 0, 0, ""
    containers = [value] if isinstance(value, _CONTAINERS) else []
    while containers:
        if depth == MAX_DEPTH:
            where = next(
                where for item, where, at in _walk(value, path) if at == depth and isinstance(item, _CONTAINERS)
            )
            raise InvalidMessageError(
                f"{path} may be nested {MAX_DEPTH} levels deep, but it is deeper at {where[:200]}. "
                f"Flatten it, or pass an id and look the data up in the template's context."
            )
        level, containers, texts = containers, [], [text]
        for container in level:
            size += len(container)
            if size > MAX_SIZE:
                raise _too_large(path)
            # Of a dict the keys, then the values.
            for items in (container, container.values()) if isinstance(container, dict) else (container,):
                for item in items:
                    if isinstance(item, str):
                        texts.append(item)
                    elif isinstance(item, _CONTAINERS):
                        containers.append(item)
        text = "".join(texts)
        if size + len(text) > MAX_SIZE:
            raise _too_large(path)
        depth += 1
    if not is_sendable(text):
        for item, where, _ in _walk(value, path):
            if isinstance(item, str):
                check_text(item, where, code=InvalidMessageError.code)


def _too_large(path: str) -> InvalidMessageError:
    return InvalidMessageError(
        f"{path} may hold {MAX_SIZE} characters, but it is larger. Pass an id and look the data up when rendering."
    )


def _walk(value: Any, path: str) -> Iterator[tuple[Any, str, int]]:
    """Yield everything in *value*, with its path and depth, down to MAX_DEPTH."""
    stack: list[tuple[Any, str, int]] = [(value, path, 0)]
    while stack:
        item, where, depth = stack.pop()
        yield item, where, depth
        if depth == MAX_DEPTH:
            continue
        if isinstance(item, dict):
            for key, nested in item.items():
                stack.append((key, f"a key of {where}", depth + 1))
                stack.append((nested, f"{where}[{key!a}]", depth + 1))
        elif isinstance(item, _CONTAINERS):
            stack.extend((nested, f"{where}[{index}]", depth + 1) for index, nested in enumerate(item))


def _check_one_line(value: Any, where: str) -> None:
    if isinstance(value, str):
        found = LINE_BREAKS.search(value)
        if found:
            raise InvalidMessageError(
                f"{where} must be one line, but it holds the line separator {found.group()!a} "
                f"at character {found.start()}."
            )
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _check_one_line(item, where)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_one_line(key, f"a key of {where}")
            _check_one_line(item, f"{where}[{key!a}]")
