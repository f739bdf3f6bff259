"""
Internal: the outbox in Django's admin, for reading, and for queueing again and cancelling.

Nothing is edited here: rows belong to the workers, and old ones go by ``manage.py ace_outbox purge``. Content is not
shown, and whom a message goes to only to those with the permission ``ace_outbox.view_recipient``. Acting needs
``ace_outbox.change_delivery``. No page reads or counts the table: each list follows one index and stops at a limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from edx_ace.channel.base import ALL_TYPES
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox import cancel, figures, requeue
from edx_ace.outbox.health import LIMIT, problems
from edx_ace.outbox.models import Attempt, Delivery, Payload
from edx_ace.outbox.people import address_key
from edx_ace.outbox.states import OPEN, State

if TYPE_CHECKING:
    DeliveryModelAdmin = admin.ModelAdmin[Delivery]
    AttemptTabularInline = admin.TabularInline[Attempt, Delivery]
else:
    DeliveryModelAdmin, AttemptTabularInline = admin.ModelAdmin, admin.TabularInline

#: Deliveries that one action handles at a time.
CHUNK_SIZE = 500


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # at run time it takes no parameters
    """Counts up to `LIMIT`, so that a list of a million rows opens as fast as one of a thousand."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, or the limit."""
        rows: Any = self.object_list
        return int(rows.order_by()[:LIMIT].count())

    @property
    def is_bounded(self) -> bool:
        """Whether there may be more."""
        return self.count >= LIMIT


class StateFilter(admin.SimpleListFilter):
    """The state, with the conditions of the index that has the rows of that state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what can be chosen."""
        return [(state.value, state.label) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Return the rows in the chosen state."""
        state = self.value()
        if state is None:
            return queryset
        if state not in State.values:
            return queryset.none()
        if state == State.QUEUED:
            return queryset.filter(state=state)
        return queryset.filter(state=state, **{f"{_orders(state)}__isnull": False})


class AttemptInline(AttemptTabularInline):
    """What came of each hand-over."""

    model = Attempt
    fields = readonly_fields = ("at", "outcome", "code", "reply")
    ordering = ("pk",)
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Workers write them."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the delivery may see its attempts."""
        return request.user.has_perm("ace_outbox.view_delivery") or request.user.has_perm("ace_outbox.change_delivery")


@admin.register(Delivery)
class DeliveryAdmin(DeliveryModelAdmin):
    """Deliveries, to be found, read, queued again and cancelled."""

    list_display = ("message_type", "badge_and_code", "to", "when")
    list_display_links = ("message_type",)
    list_filter = (StateFilter,)
    list_select_related = ("payload",)
    list_per_page = 50
    # Sorting by any other column would read the table.
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = BoundedPaginator
    # Shows the field; `get_search_results` says what is looked for.
    search_fields = ("address",)
    search_help_text = _("The UUID of a message or of a send, an idempotency key, or an address, in full.")
    actions = ("requeue", "cancel")
    inlines = (AttemptInline,)
    fieldsets = (
        (None, {"fields": (("message_type", "to"), ("uuid", "batch"), ("channel_type", "channel", "priority_name"))}),
        (
            _("Where it stands"),
            {
                "fields": (
                    ("badge", "code", "attempts"),
                    "reason",
                    "provider_id",
                    ("may_have_arrived", "is_stopped", "on_ambiguous"),
                )
            },
        ),
        (_("When"), {"fields": (("created_at", "due_at", "expires_at"), ("lease_until", "finished_at"))}),
    )

    class Media:
        css = {"all": ("ace_outbox/admin.css",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Messages are enqueued by code."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows belong to the workers."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Purging deletes them, with their counts."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may act may look."""
        return super().has_view_permission(request, obj) or self.has_operate_permission(request)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the user may queue deliveries again and cancel them."""
        return request.user.has_perm("ace_outbox.change_delivery")

    def get_ordering(self, request: HttpRequest) -> list[str | Combinable]:
        """Return the order of the index that the list follows."""
        state = request.GET.get("state")
        # What is queued is ordered channel by channel.
        return ["-pk"] if state in (None, "", State.QUEUED) else [f"-{_orders(state)}"]

    def get_list_display(self, request: HttpRequest) -> list[str | Callable[[Delivery], str | bool]]:
        """Leave out whom a message goes to for those who may not see it."""
        return [name for name in self.list_display if name != "to" or _may_see_recipients(request)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out whom a message goes to for those who may not see it."""
        hidden = () if _may_see_recipients(request) else ("to",)
        return [
            (
                title,
                {
                    "fields": [
                        tuple(name for name in line if name not in hidden) if isinstance(line, tuple) else line
                        for line in part["fields"]
                    ]
                },
            )
            for title, part in self.fieldsets
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Return what *search_term* names; each way of naming has an index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(_named(term, _may_see_recipients(request))), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the figures above the list."""
        found = figures()
        shown = {
            "figures": found,
            "in_flight": found.claimed + found.handing,
            "failed": sum(found.failed.values()),
            "problems": problems(found),
            "figure_limit": LIMIT,
        }
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer what can be done with this one."""
        row = context["original"]
        if self.has_operate_permission(request):
            context["can_requeue"] = row.state == State.FAILED
            context["can_cancel"] = row.state in OPEN
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description=_("Queue failed ones again"), permissions=["operate"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Try what has failed again, with a fresh retry budget."""
        number = sum(self._on_chunks(request, queryset, "Queued again", lambda keys: requeue(deliveries=keys)))
        said = ngettext("%d delivery is queued again.", "%d deliveries are queued again.", number) % number
        self.message_user(request, said, messages.SUCCESS if number else messages.WARNING)

    @admin.action(description=_("Cancel what has not been handed over"), permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Stop what has not been handed over yet."""
        done = list(self._on_chunks(request, queryset, "Cancelled", lambda keys: cancel(deliveries=keys)))
        stopped, in_flight = sum(one.stopped for one in done), sum(one.in_flight for one in done)
        said = ngettext("%d delivery is stopped.", "%d deliveries are stopped.", stopped) % stopped
        if in_flight:
            said += " " + ngettext(
                "%d was being handed over and may arrive; it is not repeated.",
                "%d were being handed over and may arrive; they are not repeated.",
                in_flight,
            ) % (in_flight,)
        self.message_user(request, said, messages.SUCCESS if stopped else messages.WARNING)

    def _on_chunks(
        self, request: HttpRequest, queryset: QuerySet[Delivery], said: str, act: Callable[[list[int]], Any]
    ) -> Iterator[Any]:
        """Yield what *act* returns for some of the keys of *queryset* at a time; who asked for it is logged."""
        keys = list(queryset.values_list("pk", flat=True))
        for start in range(0, len(keys), CHUNK_SIZE):
            chunk = keys[start : start + CHUNK_SIZE]
            rows = Delivery.objects.filter(pk__in=chunk)
            LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, said)  # type: ignore[arg-type]
            yield act(chunk)

    @admin.display(description=_("message"))
    def message_type(self, row: Delivery) -> str:
        """Return the message's type, or the source that gives it."""
        if row.payload.source:
            return row.payload.source
        try:
            fields = json.loads(row.payload.content)
            return f"{fields['app_label']}.{fields['name']}"
        except (ValueError, LookupError, TypeError):
            return str(row.payload_id)

    @admin.display(description=_("UUID"))
    def uuid(self, row: Delivery) -> UUID:
        """Return the message's UUID, which its Message-ID holds."""
        return row.payload_id

    @admin.display(description=_("state"))
    def badge(self, row: Delivery) -> SafeString:
        """Return the state, coloured by what it means."""
        return format_html('<span class="ace-state ace-{}">{}</span>', row.state, row.get_state_display())

    @admin.display(description=_("state"))
    def badge_and_code(self, row: Delivery) -> SafeString:
        """Return the state, and why it is in it."""
        return format_html("{} <bdi>{}</bdi>", self.badge(row), row.code) if row.code else self.badge(row)

    @admin.display(description=_("to"), empty_value="–")
    def to(self, row: Delivery) -> SafeString | None:
        """Return whom it goes to: the address, or the id of the person; a piece of text of its own direction."""
        who = row.address or row.recipient
        return format_html("<bdi>{}</bdi>", who) if who else None

    @admin.display(description=_("when"))
    def when(self, row: Delivery) -> Any:
        """Return when it ended, or else when it is due."""
        return row.finished_at or row.due_at

    @admin.display(description=_("priority"))
    def priority_name(self, row: Delivery) -> str:
        """Return the priority as text."""
        return row.get_priority_display()


def _may_see_recipients(request: HttpRequest) -> bool:
    return request.user.has_perm("ace_outbox.view_recipient")


def _named(term: str, may_see_recipients: bool) -> Q:
    """Return what matches the deliveries that *term* names; one condition each time, so that it has an index."""
    try:
        uuid = UUID(term)
    except ValueError:
        named = list(Payload.objects.filter(idempotency_key=term).values_list("pk", flat=True))
        if named or not may_see_recipients:
            return Q(payload__in=named)
        return Q(address__in=_keys_of(term))
    return Q(payload=uuid) if Payload.objects.filter(pk=uuid).exists() else Delivery.in_batch(uuid)


def _keys_of(address: str) -> set[str]:
    """Return how deliveries over one channel type or another have *address*."""
    found = set()
    for channel_type in ALL_TYPES:
        with suppress(InvalidMessageError):
            found.add(address_key(channel_type, address) or "")
    return found


def _orders(state: str) -> str:
    """Return the column by which an index orders the rows of *state*, which is not null in them."""
    return "lease_until" if state in OPEN else "finished_at"
