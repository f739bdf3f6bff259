"""
Internal: suppressed addresses in Django's admin: to be found, read, added and lifted.

Nothing is changed: what is to be otherwise is lifted and added anew, so that the audit log says who did what. Addresses
are shown to those with the permission ``ace_outbox.view_recipient``; lifting needs ``ace_tracking.delete_suppression``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import DELETION, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext

from edx_ace import categories
from edx_ace.channel import ChannelType
from edx_ace.channel.base import ALL_TYPES
from edx_ace.errors import InvalidMessageError
from edx_ace.outbox.admin import BoundedPaginator
from edx_ace.outbox.people import address_key, person_keys_of_address
from edx_ace.tracking.models import ProviderEvent, Suppression, SuppressionChange
from edx_ace.tracking.suppression import lift_all, of_address, suppress

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    SuppressionModelForm = forms.ModelForm[Suppression]
else:
    ModelAdmin, SuppressionModelForm = admin.ModelAdmin, forms.ModelForm


def _categories() -> list[tuple[str, Any]]:
    return [("", _("everything")), *((one.name, one.label) for one in categories.all_categories().values())]


def _label(category: str) -> str:
    """Return what *category* is called, by its own name where it is not registered any more."""
    return str(dict(_categories()).get(category, category))


class SuppressionForm(SuppressionModelForm):
    """What is suppressed, and why."""

    address = forms.CharField(label=capfirst(_("address")), max_length=998)
    channel_type = forms.ChoiceField(
        label=capfirst(_("channel type")), choices=[(str(one), str(one)) for one in ALL_TYPES]
    )
    category = forms.ChoiceField(label=capfirst(_("category")), required=False, choices=_categories)
    why = forms.CharField(
        label=capfirst(_("why")),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For the audit log."),
    )

    class Meta:
        model = Suppression
        fields = ("address", "channel_type", "category", "reason", "expires_at")

    def clean(self) -> dict[str, Any]:
        """Refuse what is no address of the channel type."""
        found = super().clean() or self.cleaned_data
        if found.get("address") and found.get("channel_type"):
            try:
                address_key(ChannelType(found["channel_type"]), found["address"])
            except InvalidMessageError as error:
                self.add_error("address", str(error))
        return found


class _FoundByAddress(ModelAdmin):
    """Finds the rows of an address by its digest."""

    # Shows the field; `get_search_results` says what is looked for.
    search_fields = ("digest",)
    search_help_text = _("An address, in full.")
    sortable_by = ()
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    class Media:
        css: ClassVar = {"all": ("ace_outbox/admin.css",)}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows of an address."""
        term = search_term.strip()
        if not term:
            return queryset, False
        digests: list[str] = []
        for channel_type in ALL_TYPES:
            try:
                digests += person_keys_of_address(channel_type, term)
            except InvalidMessageError:
                # It is no mailbox; it may be a number.
                continue
        return queryset.filter(digest__in=digests), False


@admin.register(Suppression)
class SuppressionAdmin(_FoundByAddress):
    """Addresses that must not be used."""

    form = SuppressionForm
    list_display = ("shown_address", "shown_category", "reason", "created_at", "shown_expiry")
    list_filter = ("reason", "channel_type")
    ordering = ("-pk",)
    actions = ("lift",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is to be otherwise is lifted and added anew."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """It is lifted instead, with a line in the audit log."""
        return False

    def has_lift_permission(self, request: HttpRequest) -> bool:
        """Whether the user may lift suppressions."""
        return request.user.has_perm("ace_tracking.delete_suppression")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is asked for a new one, or shown of one."""
        if obj is None:
            return ("address", "channel_type", "category", "reason", "expires_at", "why")
        return ("shown_address", "channel_type", "shown_category", "reason", "created_at", "shown_expiry", "changes")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Everything, of one that is there."""
        return () if obj is None else self.get_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Suppression]:
        """Leave out addresses for those who may not see them."""
        rows = super().get_queryset(request)
        return rows if request.user.has_perm("ace_outbox.view_recipient") else rows.defer("address")

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """Suppress the address."""
        given = form.cleaned_data
        suppress(
            given["address"],
            given["reason"],
            who=request.user.get_username(),
            why=given["why"],
            channel_type=given["channel_type"],
            category=given["category"],
            expires_at=given["expires_at"],
        )
        same = of_address(ChannelType(given["channel_type"]), given["address"])
        row = same.filter(category=given["category"], reason=given["reason"]).latest("pk")
        obj.pk, obj.digest = row.pk, row.digest

    @admin.action(description=_("Lift: let the address be used again"), permissions=["lift"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        """Let the addresses be used again."""
        LogEntry.objects.log_actions(request.user.pk, queryset, DELETION, "Lifted")  # type: ignore[arg-type]
        number = lift_all(queryset.order_by(), who=request.user.get_username())
        said = ngettext("%d suppression is lifted.", "%d suppressions are lifted.", number) % number
        self.message_user(request, said, messages.SUCCESS)

    @admin.display(description=_("address"))
    def shown_address(self, row: Suppression) -> SafeString:
        """Return the address, or the end of its digest for those who may not see it, and where it is erased."""
        address = None if "address" in row.get_deferred_fields() else row.address
        return format_html("<bdi>{}</bdi>", address or f"…{row.digest[-8:]}")

    @admin.display(description=_("audit log"))
    def changes(self, row: Suppression) -> SafeString:
        """Return who added and lifted suppressions of the address, when and why."""
        rows = SuppressionChange.objects.filter(digest=row.digest).order_by("pk")
        lines = format_html_join(
            "",
            '<li><time datetime="{}">{}</time> · {} · <bdi>{}</bdi> · {}, <bdi>{}</bdi>{}</li>',
            (
                (
                    one.at.isoformat(),
                    date_format(localtime(one.at), "DATETIME_FORMAT"),
                    one.get_action_display(),
                    one.who,
                    one.get_reason_display(),
                    _label(one.category),
                    format_html(" · <bdi>{}</bdi>", one.why) if one.why else "",
                )
                for one in rows
            ),
        )
        return format_html('<ul class="ace-changes">{}</ul>', lines)

    @admin.display(description=_("expires at"))
    def shown_expiry(self, row: Suppression) -> Any:
        """Return when it ends by itself."""
        return row.expires_at or pgettext("expires", "never")

    @admin.display(description=_("category"))
    def shown_category(self, row: Suppression) -> str:
        """Return what it covers, as people call it."""
        return _label(row.category)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Offer to lift this one."""
        context["can_lift"] = context["original"] is not None and self.has_lift_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(ProviderEvent)
class ProviderEventAdmin(_FoundByAddress):
    """What providers said, to be found and read."""

    list_display = ("kind", "provider", "code", "at", "is_waiting")
    list_filter = ("is_waiting",)
    ordering = ("-pk",)
    paginator = BoundedPaginator
    fields = readonly_fields = (
        "kind",
        "provider",
        "provider_id",
        "channel_type",
        "code",
        "detail",
        "at",
        "received_at",
        "is_waiting",
        "delivery",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Providers say it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was said stays as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Retention deletes them."""
        return False
