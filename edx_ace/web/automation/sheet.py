"""
Internal: the form in which staff write what messages say: from a content to its fields, and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

import attrs
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import get_language_info
from django.utils.translation import gettext as _

from edx_ace.automation.errors import Problem, RefusedError
from edx_ace.automation.templates import Content

#: Fields that list mailboxes, one a line.
LISTS = ("reply_to", "cc", "bcc")

#: Texts in one form at most.
_MAX_TEXTS = 100


@attrs.frozen
class Text:
    """What is written in one language."""

    number: int
    language: str
    subject: str = ""
    body: str = ""
    #: What is wrong with it, by field.
    problems: Mapping[str, Sequence[Problem]] = {}

    @property
    def name(self) -> str:
        """What the language is called in itself."""
        return named(self.language)[0]

    @property
    def direction(self) -> str:
        """In which direction it is written."""
        return named(self.language)[1]


@attrs.frozen
class Sheet:
    """The form."""

    texts: Sequence[Text]
    #: Further fields, as texts.
    values: Mapping[str, str]
    #: What is wrong with these, by name; by the empty name, with the whole.
    problems: Mapping[str, Sequence[Problem]] = {}

    @classmethod
    def of(cls, content: Content | None) -> Self:
        """Return the form of *content*; of None one to begin with."""
        if content is None:
            content = Content({settings.LANGUAGE_CODE: {"subject": "", "body": ""}})
        texts = [
            Text(number, language, text["subject"], text["body"])
            for number, (language, text) in enumerate(content.variants.items())
        ]
        values = {"from_address": content.from_address, "fallback": content.fallback}
        return cls(texts, values | {name: "\n".join(getattr(content, name)) for name in LISTS})

    @classmethod
    def posted(cls, data: QueryDict) -> Self:
        """Return the form as a browser posted it."""
        texts = []
        for number in range(_MAX_TEXTS):
            language = data.get(f"text-{number}-language", "")
            if not language:
                break
            # Browsers end lines with two characters.
            body = data.get(f"text-{number}-body", "").replace("\r\n", "\n")
            texts.append(Text(number, language, data.get(f"text-{number}-subject", ""), body))
        return cls(texts, {name: data.get(name, "") for name in ("from_address", "fallback", *LISTS)})

    def content(self) -> Content:
        """
        Return what is written.

        Raises:
            AutomationError: If a language is none.
        """
        lists = {name: [line.strip() for line in self.values[name].splitlines() if line.strip()] for name in LISTS}
        return Content(
            {text.language: {"subject": text.subject, "body": text.body} for text in self.texts},
            from_address=self.values["from_address"].strip(),
            fallback=self.values["fallback"],
            **lists,
        )

    def changed(self, verb: str, about: str) -> Self:
        """Return it with one language more, or without one."""
        codes = [text.language for text in self.texts]
        if verb == "language" and about and about not in codes and len(codes) < _MAX_TEXTS:
            return attrs.evolve(self, texts=[*self.texts, Text(len(codes), about)])
        if verb == "without" and len(codes) > 1:
            kept = [text for text in self.texts if text.language != about]
            fallback = "" if self.values["fallback"] == about else self.values["fallback"]
            texts = [attrs.evolve(text, number=number) for number, text in enumerate(kept)]
            return attrs.evolve(self, texts=texts, values={**self.values, "fallback": fallback})
        return self

    def with_problems(self, problems: Sequence[Problem]) -> Self:
        """Return it with *problems* at the fields that they are about."""
        found: dict[str, list[Problem]] = {}
        for problem in problems:
            found.setdefault(problem.where, []).append(problem)
        texts = []
        for text in self.texts:
            own = {field: found.pop(f"{text.language}.{field}", []) for field in ("subject", "body")}
            texts.append(attrs.evolve(text, problems=own))
        return attrs.evolve(self, texts=texts, problems=found)

    def addable(self) -> list[tuple[str, str]]:
        """Return the languages of the site in which nothing is written yet."""
        written = {text.language for text in self.texts}
        return [(code.lower(), named(code)[0]) for code, _name in settings.LANGUAGES if code.lower() not in written]


def named(code: str) -> tuple[str, str]:
    """Return what a language is called in itself, and in which direction it is written."""
    try:
        found: dict[str, Any] = get_language_info(code)
    except KeyError:
        return code, "auto"
    return str(found["name_local"]), "rtl" if found["bidi"] else "ltr"


def written(moment: datetime) -> str:
    """Return *moment* as a field of a form takes it, in the active time zone."""
    return f"{timezone.localtime(moment):%Y-%m-%dT%H:%M}"


def moment(text: str) -> datetime:
    """
    Return the moment that a field of a form says, in the active time zone.

    Raises:
        RefusedError: If it says none, or one that the clock has twice or not at all.
    """
    try:
        found: datetime = forms.DateTimeField().clean(text)
    except ValidationError as error:
        raise RefusedError([Problem("bad_time", " ".join(error.messages), "scheduled_at")]) from None
    except OverflowError:
        raise RefusedError([Problem("bad_time", _("Choose a time nearer to now."), "scheduled_at")]) from None
    return found
