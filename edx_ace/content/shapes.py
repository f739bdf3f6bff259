"""
Internal: what documents of one message type have in common, so that work on their markup is done once for all of them.

A message differs from the next of its type in a few texts and links. The shape of a document is everything else, and a
transformation that depends on nothing else (such as inlining CSS) is done once for each shape, with slots where the
variables stand. Two documents share a result only if their shapes are equal, character for character.

To divide a document into its shape and its variables takes far longer than to compare strings. So each shape learns
which of its variables really vary, and a document is first compared with what lies between those. That suffices: a
text ends with the next ``<``, a link with the next ``"``, and as neither has ``<`` or ``>``, all that lies around them
is read as before, whatever they say.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from sys import getsizeof
from threading import Lock

import attrs

#: What all documents of one shape have in common: what was removed from them, and the constants of the rest.
_Key = tuple[tuple[str, ...], tuple[str, ...]]

_TEXT = r"\s*+[^\s<>][^<>]*+"
_LINK = r"""\s*+[^\s<>"][^<>"]*+"""
#: What may differ in documents of one shape: a text, a link's target, a picture's source.
_VARIABLE = re.compile(rf""">({_TEXT})(?=<)|="(?:(?<=\shref=")|(?<=\ssrc="))({_LINK})(?=")""")
#: The variable that stands before a constant, by the first character of that.
_BEFORE = {"<": re.compile(_TEXT), '"': re.compile(_LINK)}
#: What stands for a variable while a document is transformed.
_SLOT = re.compile(r"ace(\d+)slot")

#: Stands for a slot where it matters only where one is.
_ANY_SLOT = "\0"
_ATTRIBUTES = r"""(?:\s++(?:(?:href|src)="\0"|[^\s"'<>=/\0]++(?:="[^"\0]*"|='[^'\0]*')?+))*+"""
#: The elements whose content is no markup. The attributes of a style block are as the author wrote them.
_RAW = "|".join(
    rf"<{tag}\b(?:{_ATTRIBUTES}|[^<>\0]*)>.*?(?:</{tag}\s*>|\Z)"
    for tag in ["style", "script", "xmp", "iframe", "noembed", "noframes", "noscript"]
)
#: A document as serializers write it, with slots nowhere but in texts, in comments, and as whole links.
_SAFE = re.compile(
    rf"""
    [^<]*+ (?:
        (?: <!--.*?-->
        |   <[!?][^<>]*>
        |   </[a-z][^<>]*>
        |   {_RAW}
        |   <[a-z][^\s"'<>=/\0]*+{_ATTRIBUTES}\s*/?>
        ) [^<]*+
    )*+
    """,
    re.S | re.I | re.X,
)

#: What a variable and the constants beside it take, beyond their characters, in the shape and in its pattern, about.
_BYTES_PER_PIECE = 500


@attrs.frozen
class _Pattern:
    """
    Recognizes the documents of one shape that differ from an example in known places only.

    Attributes:
        keys: What the documents say before, between and behind these places.

        around: What they say there when they are transformed.
    """

    keys: tuple[str, ...]
    around: tuple[str, ...]

    def transform(self, document: str) -> str | None:
        """Return the transformed *document*, None if it is not one of those."""
        if not document.startswith(self.keys[0]):
            return None
        position = len(self.keys[0])
        pieces = [self.around[0]]
        for key, around in zip(self.keys[1:], self.around[1:], strict=True):
            variable = _BEFORE[key[0]].match(document, position)
            if variable is None or not document.startswith(key, variable.end()):
                return None
            pieces += variable[0], around
            position = variable.end() + len(key)
        return "".join(pieces) if position == len(document) else None


class _Shape:
    """
    What is known of one shape.

    Args:
        around: What the transformation says around the variables, None if that cannot be told.

        variables: Those of its first document.

        tags: How many ``<`` its documents have.

        size: How many bytes all this takes, about.
    """

    def __init__(self, around: Sequence[str] | None, variables: Sequence[str], tags: int, size: int) -> None:
        self.around = around
        self.tags = tags
        self.size = size
        self.pattern: _Pattern | None = None
        #: Whether the pattern recognized a document since the shape last was the next to be forgotten.
        self.is_used = False
        self._example = variables
        self._varying: set[int] = set()

    def learn(self, constants: Iterable[str], variables: Sequence[str]) -> None:
        """Make the pattern fit a document too that is *constants* around *variables*."""
        pairs = enumerate(zip(self._example, variables, strict=True))
        differing = {number for number, (one, other) in pairs if one != other}
        if self.around is None or (self.pattern and differing <= self._varying):
            return
        self._varying |= differing
        self.pattern = _Pattern(tuple(self._merged(constants, variables)), tuple(self._merged(self.around, variables)))

    def _merged(self, constants: Iterable[str], variables: Sequence[str]) -> Iterator[str]:
        """Yield *constants*, with those *variables* as parts of them that do not vary."""
        run: list[str] = []
        for number, (constant, variable) in enumerate(zip(constants, [*variables, ""], strict=True)):
            run.append(constant)
            if number in self._varying:
                yield "".join(run)
                run = []
            else:
                run.append(variable)
        yield "".join(run)


class Shapes:
    """
    Remembers the shapes of the documents that were transformed lately.

    Args:
        max_bytes: How much it may keep, about. A shape that would take more than a quarter of that is not kept.
    """

    def __init__(self, max_bytes: int = 32 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            #: The one that was used last is at the end.
            self._shapes: OrderedDict[_Key, _Shape] = OrderedDict()
            #: Of the shapes with so many ``<``, the one that was used last: a document is tried against its pattern and
            #: no other, as to try many could take longer than it saves.
            self._by_tags: dict[int, _Shape] = {}
            self._bytes = 0

    def recall(self, document: str) -> str | None:
        """Return the transformed *document* if a pattern recognizes it."""
        shape = self._by_tags.get(document.count("<"))
        if shape is None or shape.pattern is None:
            return None
        transformed = shape.pattern.transform(document)
        if transformed is not None:
            shape.is_used = True
        return transformed

    def transform(
        self,
        document: str,
        shell: str,
        removed: Sequence[str],
        restore: Callable[[str], str],
        transformation: Callable[[str], str],
    ) -> str:
        """
        Return ``transformation(shell)``, but with its variables as they are written in the shell.

        Args:
            document: The whole document.

            shell: The document without what was *removed* from it.

            restore: Puts what was removed back into a part of the shell.

            transformation: Depends on the shape of the shell, and on what was removed, alone.
        """
        constants, variables = _split(shell)
        key = (tuple(removed), tuple(constants))
        shape = known = self._shapes.get(key)
        if shape is None:
            transformed = transformation(_joined(constants, [f"ace{number}slot" for number in range(len(variables))]))
            # The shape and its pattern each have both sides.
            size = 2 * (getsizeof(document) + getsizeof(transformed)) + _BYTES_PER_PIECE * (
                len(constants) + len(removed)
            )
            shape = _Shape(_around_slots(transformed, len(variables)), variables, document.count("<"), size)
        if shape.size <= self._max_bytes // 4:
            with self._lock:
                self._keep(key, shape)
                if known:
                    shape.learn(map(restore, constants), variables)
                if shape.pattern:
                    self._by_tags[shape.tags] = shape
        return transformation(shell) if shape.around is None else _joined(shape.around, variables)

    def _keep(self, key: _Key, shape: _Shape) -> None:
        """Remember *shape*, and forget those that were not used for longest when all are too much."""
        known = self._shapes.pop(key, None)
        self._bytes += shape.size - (known.size if known else 0)
        while self._bytes > self._max_bytes:
            oldest, candidate = self._shapes.popitem(last=False)
            if candidate.is_used:
                candidate.is_used = False
                self._shapes[oldest] = candidate
                continue
            self._bytes -= candidate.size
            if self._by_tags.get(candidate.tags) is candidate:
                del self._by_tags[candidate.tags]
        self._shapes[key] = shape


def _split(shell: str) -> tuple[list[str], list[str]]:
    """Return what *shell* says around its variables, and these."""
    parts = _VARIABLE.split(shell)
    constants = parts[0::3]
    variables = []
    for number, (text, link) in enumerate(zip(parts[1::3], parts[2::3], strict=True)):
        constants[number] += '="' if text is None else ">"
        variables.append(link if text is None else text)
    return constants, variables


def _joined(around: Sequence[str], between: Sequence[str]) -> str:
    """Return *around* with each of *between* in its place."""
    pieces = [""] * (len(around) + len(between))
    pieces[0::2] = around
    pieces[1::2] = between
    return "".join(pieces)


def _around_slots(transformed: str, count: int) -> list[str] | None:
    """
    Return what lies around the *count* slots of a *transformed* document.

    Returns:
        None if a slot was moved or dropped (a text where HTML allows none is moved), or if it stands where a variable
        could be more than a text or a link: behind a ``>`` or an ``href="`` that is part of an attribute's value.
    """
    around = _SLOT.split(transformed)
    in_order = around[1::2] == [str(number) for number in range(count)]
    return around[0::2] if in_order and _SAFE.fullmatch(_ANY_SLOT.join(around[0::2])) else None
