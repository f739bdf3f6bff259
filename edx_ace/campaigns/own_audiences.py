"""
Internal: audiences that campaigns bring themselves: whom an earlier campaign went to, or could not be sent to, and
lists of addresses.

Each belongs to the scope of what it is made from, so that nobody reaches the people of another one by its key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from edx_ace.campaigns import audiences
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.errors import CampaignError
from edx_ace.campaigns.models import AddressList, Campaign, ListedAddress, Member
from edx_ace.campaigns.source import people_of
from edx_ace.outbox import State
from edx_ace.outbox.models import Delivery
from edx_ace.outbox.people import account_of
from edx_ace.recipient import Recipient
from edx_ace.report import Skipped


class _OwnForm(forms.Form):
    """What is made in *scope*, where nothing else can be chosen: its name would be told."""

    def __init__(self, data: Mapping[str, Any] | None, *, scope: str, **options: Any) -> None:
        super().__init__(data, **options)
        self._scope = scope

    def _checked(self, model: Any, name: str) -> Any:
        try:
            return _of_scope(model, self.cleaned_data[name], self._scope).pk
        except CampaignError as error:
            raise forms.ValidationError(str(error)) from None


class EarlierForm(_OwnForm):
    """Which campaign."""

    campaign = forms.IntegerField(label=gettext_lazy("campaign"))

    def clean_campaign(self) -> Any:
        """Return its key."""
        return self._checked(Campaign, "campaign")


class ListForm(_OwnForm):
    """Which list."""

    list = forms.IntegerField(label=gettext_lazy("list of addresses"))

    def clean_list(self) -> Any:
        """Return its key."""
        return self._checked(AddressList, "list")


class _Own(Audience):
    """What is made of what there is in a scope."""

    form_class: ClassVar[type[_OwnForm]]

    def form(self, scope: str, requester: Any, data: Mapping[str, Any] | None = None, **options: Any) -> forms.Form:
        """Return the form, which refuses what is of another scope."""
        return self.form_class(data, scope=scope, **options)


class MembersOf(_Own):
    """Whom an earlier campaign of the same scope goes to; what those who joined since are told from."""

    name = "members_of"
    label = gettext_lazy("Recipients of an earlier campaign")
    form_class = EarlierForm

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Member]:
        """Return the members that something is sent to."""
        campaign = _of_scope(Campaign, params.get("campaign"), scope)
        for part in campaign.parts.all():
            if not audiences.get(part.audience).is_offered(scope, requester):
                raise CampaignError(
                    _("“%(name)s” went to people that you cannot choose here.") % {"name": campaign.name},
                    code="audience_not_offered",
                )
        return Member.objects.filter(resolution=campaign.resolution_id, reason="")

    def people(self, rows: Sequence[Any]) -> list[Person]:
        """Return who each of *rows*, members of one campaign, is by now."""
        found = people_of(rows[0].resolution.campaign, rows) if rows else {}
        return [_still(row, found[row.pk]) for row in rows]

    def describe(self, params: Mapping[str, Any]) -> str:
        """Return which campaign it was."""
        return f"{self.label}: {_name(Campaign, params.get('campaign'))}"


class FailedOf(MembersOf):
    """Those to whom an earlier campaign of the same scope could not be sent."""

    name = "failed_of"
    label = gettext_lazy("Those to whom an earlier campaign could not be sent")

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[Member]:
        """Return the members whose delivery failed."""
        campaign = _of_scope(Campaign, params.get("campaign"), scope)
        failed = Delivery.objects.filter(batch=campaign.uuid, state=State.FAILED)
        return (
            super()
            .resolve(scope, params, requester)
            .filter(
                Q(Exists(failed.filter(recipient=OuterRef("recipient"))))
                | Q(Exists(failed.filter(address=OuterRef("address"))))
            )
        )


class AddressesOf(_Own):
    """A list of addresses that somebody brought into the same scope."""

    name = "addresses_of"
    label = gettext_lazy("A list of addresses")
    form_class = ListForm

    def resolve(self, scope: str, params: Mapping[str, Any], requester: Any) -> QuerySet[ListedAddress]:
        """Return what is on it."""
        return ListedAddress.objects.filter(list=_of_scope(AddressList, params.get("list"), scope))

    def person(self, row: Any) -> Person:
        """Return who has the address, as far as the list says."""
        return Person(Recipient(None, row.address), values={"name": row.name}, language=row.language or None)

    def describe(self, params: Mapping[str, Any]) -> str:
        """Return which list it is."""
        return f"{self.label}: {_name(AddressList, params.get('list'))}"


def _still(member: Member, found: Person | Skipped) -> Person:
    """Return who *member* is: whoever has left is still somebody that the campaign went to."""
    if not isinstance(found, Skipped):
        return found
    account = account_of(member.recipient or "")
    return Person(Recipient(account and account.lms_user_id, member.address), is_active=False)


def _of_scope(model: Any, key: Any, scope: str) -> Any:
    """
    Return the row of *model* with that primary key.

    Raises:
        CampaignError: If there is none in *scope*.
    """
    found = model.objects.filter(pk=key, scope=scope).first()
    if found is None:
        raise CampaignError(
            _("There is no such %(what)s here.") % {"what": model._meta.verbose_name}, code="unknown_reference"
        )
    return found


def _name(model: Any, key: Any) -> str:
    return str(model.objects.filter(pk=key).values_list("name", flat=True).first() or key)
