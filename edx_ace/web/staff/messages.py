"""
Internal: the search for messages, the way of one, what was really sent, and sending it again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from django.apps import apps
from django.contrib import messages as said
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from edx_ace import categories
from edx_ace.channel import ChannelType
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.outbox import requeue
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.states import State
from edx_ace.preferences import Taking, taking
from edx_ace.preferences.scopes import name_of
from edx_ace.tracking import copies, links
from edx_ace.tracking.models import PASSED_BY_ESSENTIAL, Suppression
from edx_ace.tracking.search import TONES, Found, Step, find, verdict_on, way_of, why
from edx_ace.tracking.suppression import in_force
from edx_ace.web.centre import CHANNEL_LABELS
from edx_ace.web.staff.access import OPERATE, SEE_COPIES, SEE_PEOPLE, may_see_people, staff_only

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: What a term was taken for.
_TAKEN_FOR = {
    "message": gettext_lazy("The message with this UUID."),
    "send": gettext_lazy("Messages of the send with this UUID."),
    "key": gettext_lazy("The message that was enqueued under this key."),
    "address": gettext_lazy("Messages to this address."),
    "person": gettext_lazy("Messages to the person with this id."),
}

#: What people read for a field of a copy; the template has the text itself.
_FIELDS = {
    "from_name": gettext_lazy("Sender"),
    "subject": gettext_lazy("Subject"),
    "title": gettext_lazy("Title"),
}

#: What a copy may load: pictures and fonts, and nothing that runs.
_COPY_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src https: http: data:; '
    "font-src https: data:; style-src 'unsafe-inline'\">"
)


@attrs.frozen
class Told:
    """A delivery as pages tell it: the answer in one sentence, why, and what the user may see and do."""

    row: Delivery
    verdict: _StrOrPromise
    why: _StrOrPromise
    tone: str
    channel: str | Promise
    category: _StrOrPromise
    to: str
    way: list[Step] = attrs.field(factory=list)
    against: list[_StrOrPromise] = attrs.field(factory=list)
    #: Until when it waits for something.
    waits_until: datetime | None = None
    #: What people call what it belongs to.
    scope: str = ""
    has_copy: bool = False
    can_be_sent_again: bool = False


@require_safe
@staff_only()
def search(request: HttpRequest) -> HttpResponse:
    """Find messages by what names them, or the person they are for."""
    term = request.GET.get("q", "").strip()
    found = find(term, may_see_people=may_see_people(request)) if term else Found([], True, "")
    context = {
        "section": "messages",
        "term": term,
        "told": [_told(request, row) for row in found.deliveries],
        "taken_for": _TAKEN_FOR.get(found.by, ""),
        "is_all": found.is_all,
        "limit": len(found.deliveries),
        "may_see_people": may_see_people(request),
    }
    return render(request, "edx_ace/web/staff/search.html", context)


@require_safe
@staff_only()
def message(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Tell the way of a message over each channel."""
    rows = list(_deliveries(uuid))
    if not rows:
        raise Http404
    told = [
        attrs.evolve(
            _told(request, row),
            way=way_of(row),
            scope=name_of(row.scope) or row.scope,
            against=_against(row) if may_see_people(request) else [],
            has_copy=_may_see_copies(request) and copies.kept(row.payload_id, row.channel_type).exists(),
            can_be_sent_again=row.state == State.FAILED and request.user.has_perm(OPERATE),
        )
        for row in rows
    ]
    context = {"section": "messages", "payload": rows[0].payload, "batch": rows[0].batch, "told": told}
    return render(request, "edx_ace/web/staff/message.html", context)


@require_POST
@csrf_protect
@staff_only(OPERATE)
def resend(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Queue what failed of a message again."""
    rows = [row for row in _deliveries(uuid) if row.state == State.FAILED]
    number = requeue(deliveries=[row.pk for row in rows]) if rows else 0
    if number and apps.is_installed("django.contrib.admin"):
        from django.contrib.admin.models import CHANGE, LogEntry

        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, "Queued again")  # type: ignore[arg-type]
    if number:
        said.success(request, _("It is queued again."))
    else:
        said.warning(request, _("Nothing of it has failed, so that nothing was queued again."))
    return redirect("ace_staff:message", uuid=uuid)


@require_safe
@staff_only(SEE_COPIES, SEE_PEOPLE)
def copy(request: HttpRequest, uuid: UUID, channel_type: str) -> HttpResponse:
    """Show what was really sent, without links and without telling anybody that it was looked at."""
    fields = copies.content_of(uuid, channel_type)
    if fields is None:
        raise Http404
    html = fields.pop("body_html", None)
    head = fields.pop("head_html", "")
    context = {
        "section": "messages",
        "uuid": uuid,
        "html": html and _COPY_POLICY + links.harmless(EmailChannelMixin.make_simple_html_template(head, html)),
        "fields": [(_FIELDS.get(name, name), links.without_tokens(text)) for name, text in fields.items() if text],
    }
    return render(request, "edx_ace/web/staff/copy.html", context)


def _deliveries(uuid: UUID) -> Any:
    return Delivery.objects.filter(payload=uuid).select_related("payload").defer("payload__content").order_by("pk")


def _told(request: HttpRequest, row: Delivery) -> Told:
    known = categories.all_categories().get(row.category)
    return Told(
        row=row,
        verdict=verdict_on(row),
        why=why(row),
        tone=TONES.get(row.state, ""),
        channel=CHANNEL_LABELS[ChannelType(row.channel_type)],
        category=row.category if known is None else known.label,
        to=(row.address or row.recipient or "") if may_see_people(request) else "",
        waits_until=row.due_at if row.state == State.QUEUED and row.code else None,
    )


def _against(row: Delivery) -> list[_StrOrPromise]:
    """Return what keeps messages like this one from whom it is for, as of now; each has an index."""
    found: list[_StrOrPromise] = []
    if row.address is not None:
        for one in Suppression.objects.filter(in_force(), address=row.address, channel_type=row.channel_type):
            is_passed = row.is_essential and one.reason in PASSED_BY_ESSENTIAL
            if one.category in ("", row.category) and not is_passed:
                found.append(_("The address is suppressed: %(reason)s.") % {"reason": one.get_reason_display()})
    category = categories.all_categories().get(row.category)
    if row.recipient is not None and category is not None and not row.is_essential:
        how = taking(row.recipient, category.name, row.channel_type, scope=row.scope)
        if how is not Taking.IMMEDIATE:
            found.append(_("They take %(category)s: %(taking)s.") % {"category": category.label, "taking": how.label})
    return found


def _may_see_copies(request: HttpRequest) -> bool:
    return request.user.has_perms([SEE_COPIES, SEE_PEOPLE])
