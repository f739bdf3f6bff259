"""
Internal: the pages that recipients see: unsubscribing, choosing, and a message in the browser.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_protect

from edx_ace import Recipient, categories, preview, signals
from edx_ace.categories import Category
from edx_ace.channel import ChannelType, get_channel_for_message
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.errors import UnknownCategoryError
from edx_ace.outbox import loading
from edx_ace.outbox.people import account_of, person_key
from edx_ace.preferences import Taking, choose, links, taking
from edx_ace.preferences.links import Mandate
from edx_ace.preferences.scopes import name_of
from edx_ace.web.centre import Form, nearest, takings
from edx_ace.web.conf import settings
from edx_ace.web.hours import Clock
from edx_ace.web.pages import BadFormError, by_link, in_language, lasting, page, posted, private

#: Methods that only look. Whatever is neither among them nor POST is refused with 400.
LOOKING = ("GET", "HEAD", "OPTIONS")

#: What a mail program posts, and the button of the page, too. Source: RFC 8058, 3.2.
ONE_CLICK = {"List-Unsubscribe": ["One-Click"]}


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
    with in_language(request, mandate.language):
        place = name_of(mandate.scope)
    context |= {
        "category": category,
        "place": place,
        "channel_type": mandate.channel_type,
        "is_scoped": bool(mandate.scope),
        "is_off": (wished or before) == Taking.OFF,
        "has_changed": wished not in (None, before) and not mandate.is_test,
        "on": Taking.IMMEDIATE if before == Taking.OFF else nearest(before, category, mandate.channel_type),
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
    for one in takings(category, channel_type) if category else ():
        if fields == {"taking": [one.value]} and one != Taking.OFF:
            return one
    raise BadFormError


def _choose(mandate: Mandate, wished: Taking) -> None:
    source = signals.ONE_CLICK if wished == Taking.OFF else signals.PAGE
    choose(mandate.person, mandate.category, mandate.channel_type, wished, scope=mandate.scope, source=source)


@transaction.non_atomic_requests
@by_link
def preferences_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Let the person whom a link was sent to choose, without logging in."""
    mandate = Mandate.read(links.PREFERENCES, token)
    recipient = account_of(mandate.person)
    return _preferences(
        request, mandate.person, recipient, language=mandate.language, is_by_link=True, is_test=mandate.is_test
    )


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
        return _preferences(request, person, recipient)
    except BadFormError:
        return page(request, "bad_form", status=400)


def _preferences(
    request: HttpRequest,
    person: str,
    recipient: Recipient | None,
    *,
    language: str = "",
    is_by_link: bool = False,
    is_test: bool = False,
) -> HttpResponse:
    with in_language(request, language):
        context, status = _choices(request, person, recipient, is_test=is_test)
    context |= {"is_by_link": is_by_link, "is_test": is_test}
    return page(request, "preferences", context, language=language, status=status)


def _choices(
    request: HttpRequest, person: str, recipient: Recipient | None, *, is_test: bool
) -> tuple[dict[str, Any], int]:
    """Do what the form says; return what the page shows then, and its status."""
    before = Form.of(person)
    after, verb, status = before, "", 200
    if request.method not in LOOKING:
        wish = before.read(posted(request))
        if wish.is_wrong:
            after, status = before.filled_in(wish), 400
        else:
            verb = wish.verb
            if not is_test:
                lasting(partial(wish.write, person))
                after = Form.of(person)
    context: dict[str, Any] = {
        "topics": after.topics,
        "places": after.places,
        "is_everything_off": after.is_everything_off,
        "quiet": after.quiet,
        "clock": Clock.of(recipient) if after.quiet else None,
        "verb": verb,
        "before": before.fields if after != before else [],
    }
    return context, status


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
