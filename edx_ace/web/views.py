"""
Internal: the pages that recipients see: unsubscribing, choosing, and a message in the browser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import attrs
from django.contrib.auth.decorators import login_required
from django.db import router, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect

from edx_ace import Recipient, categories, preview
from edx_ace import channel as channels
from edx_ace.categories import Category
from edx_ace.channel import ChannelType, get_channel_for_message
from edx_ace.channel.base import ALL_TYPES
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.errors import UnknownCategoryError
from edx_ace.outbox import loading
from edx_ace.outbox.people import person_key
from edx_ace.preferences import Taking, choose, links, taking
from edx_ace.preferences.choices import DIGESTS, EVERYTHING, chosen_by, effective
from edx_ace.preferences.links import Mandate
from edx_ace.preferences.lookup import is_enabled
from edx_ace.preferences.models import Choice
from edx_ace.web.conf import settings
from edx_ace.web.pages import BadFormError, by_link, lasting, page, posted, private

#: Methods that only look. Whatever is neither among them nor POST is refused with 400.
LOOKING = ("GET", "HEAD", "OPTIONS")

#: What a mail program posts, and the button of the page, too. Source: RFC 8058, 3.2.
ONE_CLICK = {"List-Unsubscribe": ["One-Click"]}

#: What people read for a channel type.
CHANNEL_LABELS: Mapping[ChannelType, str | Promise] = {
    ChannelType.EMAIL: _("By email"),
    ChannelType.PUSH: _("By push notification"),
    ChannelType.SMS: _("By text message"),
    ChannelType.IN_APP: _("On this site"),
    ChannelType.CHAT: _("In a chat"),
    ChannelType.WEBHOOK: _("To another system"),
}

#: What people read for a way to take a category.
TAKING_LABELS: Mapping[Taking, str | Promise] = {
    Taking.OFF: _("Off"),
    Taking.IMMEDIATE: _("As they come"),
    Taking.DAILY: _("Daily"),
    Taking.WEEKLY: _("Weekly"),
}


@transaction.non_atomic_requests
@by_link
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """
    Turn the category of a message off with one click, and on again; looking changes nothing.

    Its forms are ``List-Unsubscribe=One-Click``, and ``taking`` with how the person takes it from now on.
    """
    mandate = Mandate.read(links.UNSUBSCRIBE, token)
    category = _category_of(mandate)
    wished = None if request.method in LOOKING else _wished(posted(request), category, mandate.channel_type)
    context: dict[str, Any] = {"preferences_path": mandate.path(links.PREFERENCES), "is_test": mandate.is_test}
    if category is None:
        return page(request, "gone", context, language=mandate.language)
    before = taking(mandate.person, category.name, mandate.channel_type, scope=mandate.scope)
    if wished and not mandate.is_test:
        lasting(partial(_choose, mandate, wished))
    context |= {
        "category": category,
        "channel_type": mandate.channel_type,
        "is_scoped": bool(mandate.scope),
        "is_off": (wished or before) == Taking.OFF,
        "has_changed": wished not in (None, before) and not mandate.is_test,
        "on": Taking.IMMEDIATE if before == Taking.OFF else before,
    }
    return page(request, "unsubscribe", context, language=mandate.language)


def _category_of(mandate: Mandate) -> Category | None:
    """Return what the message was about, if people can turn it off; by now it may be gone, or essential."""
    try:
        category = categories.get(mandate.category)
    except UnknownCategoryError:
        return None
    return category if category.can_be_turned_off and category.offers(mandate.channel_type) else None


def _wished(fields: dict[str, list[str]], category: Category | None, channel_type: str) -> Taking:
    if fields == ONE_CLICK:
        return Taking.OFF
    for one in _takings(category, channel_type) if category else ():
        if fields == {"taking": [one.value]} and one != Taking.OFF:
            return one
    raise BadFormError


def _choose(mandate: Mandate, wished: Taking) -> None:
    source = "one_click" if wished == Taking.OFF else "page"
    choose(mandate.person, mandate.category, mandate.channel_type, wished, scope=mandate.scope, source=source)


@transaction.non_atomic_requests
@by_link
def preferences_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Let the person whom a link was sent to choose, without logging in."""
    mandate = Mandate.read(links.PREFERENCES, token)
    return _preferences(request, mandate.person, language=mandate.language, is_by_link=True, is_test=mandate.is_test)


@transaction.non_atomic_requests
@private
@login_required
@csrf_protect
def preferences(request: HttpRequest) -> HttpResponse:
    """Let the person who is logged in choose."""
    hook = settings.RECIPIENT_OF_USER
    user: Any = request.user
    recipient = import_string(hook)(user) if hook else Recipient(user.pk, getattr(user, "email", None))
    person = person_key(recipient)
    if person is None:
        raise Http404("This user gets no messages.")
    try:
        return _preferences(request, person)
    except BadFormError:
        return page(request, "bad_form", status=400)


@attrs.frozen
class _Line:
    """A category over a channel, as the form shows it: one of *options* is *taking*."""

    name: str
    category: Category
    channel_type: ChannelType
    taking: Taking

    @property
    def label(self) -> str | Promise:
        return CHANNEL_LABELS[self.channel_type]

    @property
    def options(self) -> list[tuple[Taking, str | Promise]]:
        return [(one, TAKING_LABELS[one]) for one in _takings(self.category, self.channel_type)]


def _preferences(
    request: HttpRequest, person: str, *, language: str = "", is_by_link: bool = False, is_test: bool = False
) -> HttpResponse:
    before = _lines(person)
    after, verb = before, ""
    if request.method not in LOOKING:
        verb, wished = _choices(posted(request), before)
        if not is_test:
            lasting(partial(_write, person, verb, wished))
            after = _lines(person)
    context = {
        "topics": [(category, _lines_of(category, after)) for category in _categories()],
        "is_everything_off": all(line.taking == Taking.OFF for line in after),
        "verb": verb,
        "before": before if after != before else [],
        "is_by_link": is_by_link,
        "is_test": is_test,
    }
    return page(request, "preferences", context, language=language)


def _categories() -> list[Category]:
    """Return what people can read about; digests only where there are some."""
    shown = categories.all_categories().values()
    return [category for category in shown if category.name != DIGESTS or is_enabled("digest")]


def _takings(category: Category, channel_type: ChannelType | str) -> tuple[Taking, ...]:
    """Return how people may take *category* over *channel_type*; digests are emails."""
    is_digest = category.digest and str(channel_type) == ChannelType.EMAIL.value
    return tuple(Taking) if is_digest else (Taking.OFF, Taking.IMMEDIATE)


def _lines(person: str) -> list[_Line]:
    """Return what *person* can choose, and how it is now; with one query."""
    registered = channels.channels().channel_type_to_channel_impl
    kinds = [kind for kind in ALL_TYPES if registered.get(kind)]
    chosen = chosen_by([person]).get(person, {})
    return [
        _Line(f"{category.name}:{kind}", category, kind, effective(category, kind, chosen.get(str(kind), {})))
        for category in _categories()
        for kind in kinds
        if category.can_be_turned_off and category.offers(kind)
    ]


def _lines_of(category: Category, lines: Sequence[_Line]) -> list[_Line]:
    return [line for line in lines if line.category.name == category.name]


def _choices(fields: dict[str, list[str]], lines: Sequence[_Line]) -> tuple[str, list[tuple[_Line, Taking]]]:
    """
    Return what the form asks for: ``save``, ``nothing`` or ``undo``, and what is wished otherwise than it is.

    Raises:
        BadFormError: If it has what the page does not offer.
    """
    fields.pop("csrfmiddlewaretoken", None)
    (verb,) = fields.pop("do", [""])[:1]
    by_name = {line.name: line for line in lines}
    wished = []
    for name, values in fields.items():
        line = by_name.get(name)
        if line is None or len(values) != 1 or values[0] not in _takings(line.category, line.channel_type):
            raise BadFormError
        wished.append((line, Taking(values[0])))
    if verb not in ("save", "nothing", "undo"):
        raise BadFormError
    return verb, wished


def _write(person: str, verb: str, wished: Sequence[tuple[_Line, Taking]]) -> None:
    with transaction.atomic(router.db_for_write(Choice)):
        if verb in ("nothing", "undo"):
            # Also over channels that the site does not use yet.
            everything = Taking.OFF if verb == "nothing" else Taking.IMMEDIATE
            for kind in ALL_TYPES:
                choose(person, EVERYTHING, kind, everything, source="page")
        if verb in ("save", "undo"):
            now = {line.name: line.taking for line in _lines(person)}
            for line, one in wished:
                if one != now.get(line.name):
                    choose(person, line.category.name, line.channel_type, one, source="page")


#: The body of a document: its start tag, its content, its end tag.
_BODY = re.compile(r"(<body\b[^>]*>)(.*)(</body\s*>)", re.I | re.S)


@by_link
def view(request: HttpRequest, token: str) -> HttpResponse:
    """Show a message that the outbox keeps, as it would be sent now, without anything that tracks."""
    mandate = Mandate.read(links.VIEW, token)
    if request.method not in LOOKING:
        raise BadFormError
    message = loading.kept(UUID(mandate.message))
    if message is None or person_key(message.recipient) != mandate.person:
        return page(request, "message_gone", language=mandate.language, status=404)
    message.language = message.language or mandate.language
    rendered = preview.render(message, ChannelType.EMAIL, get_channel_for_message(ChannelType.EMAIL, message)).rendered
    document = EmailChannelMixin.make_simple_html_template(rendered.head_html, rendered.body_html)
    # What mail programs put around a mail a page has to have itself, for screen readers.
    response = HttpResponse(_BODY.sub(r"\1<main>\2</main>\3", document))
    response["Content-Security-Policy"] = (
        "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline' https:; font-src https:; "
        "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
    )
    return response
