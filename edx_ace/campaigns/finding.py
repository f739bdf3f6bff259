"""
Public: what somebody may see of campaigns, and of what they are written from.

What may not be seen is, for whoever asks, not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from edx_ace import categories as all_categories
from edx_ace.campaigns import audiences as all_audiences
from edx_ace.campaigns import forecasting
from edx_ace.campaigns.access import require
from edx_ace.campaigns.audiences import Audience
from edx_ace.campaigns.errors import CampaignError, NotFoundError
from edx_ace.campaigns.forecasting import Forecast
from edx_ace.campaigns.host import Action, Keyword, Scope, host
from edx_ace.campaigns.models import AddressList, Attachment, Campaign, Entry, TemplateVersion
from edx_ace.categories import Category

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise

#: Campaigns on one page.
PAGE_SIZE = 50


@attrs.frozen
class Page:
    """
    Some campaigns.

    Attributes:
        campaigns: The latest first.

        next: What to ask for those that follow with, as ``after``; empty: these are the last.
    """

    campaigns: list[Campaign]
    next: str


def campaigns(user: Any, *, scope: str | None = None, state: str = "", after: str = "", size: int = PAGE_SIZE) -> Page:
    """
    Return the campaigns that *user* may see, the latest first, a page at a time.

    Args:
        user: Who asks; None: the system.

        scope: Only those of this one. None: of all that the user has.

        state: Only those in this one; empty: in any.

        after: `Page.next` of the page before.

        size: How many on a page.

    Raises:
        CampaignError: If *after* is of no page.
    """
    rows = Campaign.objects.select_related("resolution", "author", "origin", "approved_by").order_by("-pk")
    if scope is not None:
        rows = rows.filter(scope=scope)
    elif user is not None:
        rows = rows.filter(scope__in=[one.key for one in host().scopes(user)])
    if state:
        rows = rows.filter(state=state)
    if after:
        rows = rows.filter(pk__lt=key_of(after))
    found = list(islice((row for row in rows.iterator(chunk_size=size + 1) if _sees(user, row)), size + 1))
    return Page(found[:size], str(found[size - 1].pk) if len(found) > size else "")


def campaign(user: Any, uuid: UUID) -> Campaign:
    """
    Return the campaign with that UUID.

    Raises:
        NotFoundError: If there is none, or *user* may not see it.
    """
    rows = Campaign.objects.select_related("resolution", "author", "origin", "approved_by")
    found = rows.filter(uuid=uuid).first()
    if found is None or not _sees(user, found):
        raise NotFoundError(_("There is no such campaign."))
    return found


def attachment(user: Any, campaign: Campaign, key: int) -> Attachment:
    """
    Return the attachment of *campaign* with that primary key.

    Raises:
        ForbiddenError: If *user* may not see the campaign.
        NotFoundError: If it has none.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    found = campaign.attachments.filter(pk=key).first()
    if found is None:
        raise NotFoundError(_("There is no such attachment."))
    return found


def entries(user: Any, campaign: Campaign) -> QuerySet[Entry]:
    """
    Return the audit trail of *campaign*: who did what, when and why.

    Raises:
        ForbiddenError: If *user* may not see the campaign.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    return campaign.entries.all()


def forecast(user: Any, campaign: Campaign) -> Forecast:
    """
    Return the forecast of *campaign* that workers make, or else the last one.

    Raises:
        CampaignError: If workers could not make it.
        ForbiddenError: If *user* may not see the campaign.
        NotFoundError: If nobody has counted since who gets it was changed.
    """
    require(user, Action.VIEW, campaign.scope, campaign)
    found = forecasting.latest(campaign)
    if found is None:
        raise NotFoundError(_("Nobody has counted its recipients since it was changed."))
    return found


def actions(user: Any, scope: str, campaign: Campaign | None = None) -> list[Action]:
    """Return what *user* may do in *scope*, to *campaign* if one is given."""
    return [action for action in Action if user is None or host().may(user, action, scope, campaign)]


def scopes(user: Any) -> Sequence[Scope]:
    """Return the scopes in which *user* may write or see campaigns."""
    return host().scopes(user)


def audiences(user: Any, scope: str) -> list[Audience]:
    """
    Return the audiences that *user* may choose in *scope*.

    Raises:
        ForbiddenError: If the user may not see what is in the scope.
    """
    require(user, Action.VIEW, scope)
    return [one for one in all_audiences.all_audiences().values() if user is None or one.is_offered(scope, user)]


def keywords(user: Any, scope: str) -> Sequence[Keyword]:
    """
    Return the keywords that can be used in *scope*.

    Raises:
        ForbiddenError: If *user* may not see what is in the scope.
    """
    require(user, Action.VIEW, scope)
    return host().keywords(scope)


def dates(user: Any, scope: str) -> Mapping[str, tuple[_StrOrPromise, datetime]]:
    """
    Return the dates of *scope* that a campaign can go by: by name, the label and the moment.

    Raises:
        ForbiddenError: If *user* may not see what is in the scope.
    """
    require(user, Action.VIEW, scope)
    return host().dates(scope)


def categories() -> list[Category]:
    """Return the categories that campaigns can be of."""
    return [one for one in all_categories.all_categories().values() if one.can_be_turned_off]


def templates(user: Any, scope: str) -> QuerySet[TemplateVersion]:
    """
    Return the versions of the templates that are saved in *scope*, the latest of each first.

    Raises:
        ForbiddenError: If *user* may not see what is in the scope.
    """
    require(user, Action.VIEW, scope)
    rows = TemplateVersion.objects.select_related("template").filter(template__scope=scope)
    return rows.order_by("template__name", "-number")


def template(user: Any, key: int) -> TemplateVersion:
    """
    Return the version of a template with that primary key.

    Raises:
        NotFoundError: If there is none, or *user* may not see what is in its scope.
    """
    found = TemplateVersion.objects.select_related("template").filter(pk=key).first()
    if found is None or Action.VIEW not in actions(user, found.template.scope):
        raise NotFoundError(_("There is no such template."))
    return found


def address_lists(user: Any, scope: str) -> QuerySet[AddressList]:
    """
    Return the lists of addresses that were brought into *scope*, the latest first.

    Raises:
        ForbiddenError: If *user* may not see what is in the scope.
    """
    require(user, Action.VIEW, scope)
    return AddressList.objects.filter(scope=scope).order_by("-pk")


def key_of(text: str) -> int:
    """
    Return the primary key that *text*, where a page began or ended, stands for.

    Raises:
        CampaignError: If it is none.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise bad_page()
    return int(text)


def bad_page() -> CampaignError:
    """Return the error of whoever asks for a page that there is not."""
    return CampaignError(_("There is no such page. Begin with the first."), code="bad_page")


def _sees(user: Any, campaign: Campaign) -> bool:
    return user is None or host().may(user, Action.VIEW, campaign.scope, campaign)
