"""
Internal: the page on which a campaign is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib import messages as said
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language_info, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from edx_ace import categories
from edx_ace.campaigns import address_lists, audiences, editing, own_audiences
from edx_ace.campaigns.access import require
from edx_ace.campaigns.audiences import Audience
from edx_ace.campaigns.conf import settings
from edx_ace.campaigns.errors import ConflictError, Problem, RefusedError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import Campaign
from edx_ace.campaigns.states import EDITABLE
from edx_ace.web.campaigns.access import campaign_of, campaign_page, show
from edx_ace.web.campaigns.sheet import MAX_PARTS, Sheet, enabled_types, number_of
from edx_ace.web.campaigns.trail import trail
from edx_ace.web.centre import CHANNEL_LABELS

#: Where each button that saves leads.
_AFTER = {"save": "write", "preview": "preview", "check": "send"}


@require_http_methods(["GET", "HEAD", "POST"])
@campaign_page
def page(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show the form, change what it offers, or save it."""
    campaign = campaign_of(request, uuid)
    require(request.user, Action.WRITE, campaign.scope, campaign)
    if campaign.state not in EDITABLE:
        raise ConflictError(
            _("This campaign is %(state)s by now. Look at it again, or make a copy of it.")
            % {"state": campaign.get_state_display()}
        )
    if request.method != "POST":
        return _shown(request, Sheet.of(campaign))
    sheet = Sheet.posted(campaign, request.POST)
    verb, _colon, about = request.POST.get("do", "save").partition(":")
    if verb in _AFTER or verb in ("detach", "keep"):
        return _saved(request, sheet, verb, about)
    return _changed(request, sheet, verb, about)


@require_safe
@campaign_page
def attachment(request: HttpRequest, uuid: UUID, key: int) -> HttpResponse:
    """Return an attachment, to be kept and not to be shown: it may be of any type."""
    found = campaign_of(request, uuid).attachments.filter(pk=key).first()
    if found is None:
        raise Http404
    response = HttpResponse(bytes(found.content), content_type="application/octet-stream")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = "attachment"
    return response


def _changed(request: HttpRequest, sheet: Sheet, verb: str, about: str) -> HttpResponse:
    """Show the form with one thing more or less, and nothing saved."""
    chosen, added = "", None
    if verb in ("include", "exclude"):
        audience = audiences.all_audiences().get(request.POST.get("new_audience", ""))
        if audience is not None and len(sheet.choices) < MAX_PARTS:
            sheet, added = sheet.with_choice(audience, verb == "exclude", {}), len(sheet.choices)
    elif verb == "drop" and about.isdecimal():
        sheet = sheet.without_choice(number_of(about))
    elif verb == "language" and (code := request.POST.get("new_language", "").strip().lower()):
        sheet, chosen = sheet.completed([*dict.fromkeys(text.language for text in sheet.texts), code]), code
    elif verb == "without" and about != sheet.values["language"]:
        sheet = sheet.without_language(about)
    elif verb == "upload":
        return _uploaded(request, sheet)
    return _shown(request, sheet, is_changed=True, chosen=chosen, added=added)


def _uploaded(request: HttpRequest, sheet: Sheet) -> HttpResponse:
    """Make a list of the addresses in the file, and choose it; or show what is wrong with the file, line by line."""
    file = request.FILES.get("addresses")
    if file is None:
        return _shown(request, sheet, [Problem("no_file", _("Choose a file."), "parts")], is_changed=True)
    try:
        made = address_lists.import_addresses(request.user, file, file.name or "", sheet.campaign.scope)
    except RefusedError as error:
        return _shown(request, sheet, file_problems=error.problems, is_changed=True)
    text = ngettext("%(number)d address is on the list.", "%(number)d addresses are on the list.", made.number)
    sheet = sheet.with_choice(audiences.get("addresses_of"), False, {"list": made.addresses.pk})
    uploaded = text % {"number": made.number}
    return _shown(request, sheet, file_problems=made.duplicates, uploaded=uploaded, is_changed=True)


def _saved(request: HttpRequest, sheet: Sheet, verb: str, about: str) -> HttpResponse:
    """Save the form and its files, and lead on; or show it again with what is wrong."""
    campaign, version = sheet.campaign, sheet.version
    try:
        if changes := sheet.changes():
            version = editing.save(request.user, campaign, version=version, **changes).version
        for file in request.FILES.getlist("attachments"):
            editing.attach(request.user, campaign, version=campaign.version, name=file.name or "", file=file.read())
        if verb == "detach":
            for one in campaign.attachments.filter(pk=number_of(about)):
                editing.detach(request.user, campaign, version=campaign.version, attachment=one)
        if verb == "keep":
            kept = editing.save_template(request.user, campaign, request.POST.get("template_name", ""))
            said.success(
                request,
                _("Saved as the template “%(name)s”, version %(number)d.")
                % {"name": kept.template.name, "number": kept.number},
            )
    except RefusedError as error:
        return _shown(
            request,
            Sheet.posted(_now(campaign), request.POST),
            error.problems,
            version=campaign.version if version != sheet.version else version,
        )
    except ConflictError as error:
        now = _now(campaign)
        if now.state not in EDITABLE or now.version == sheet.version:
            raise
        # What was written is not lost: whoever has seen what is there now may save over it.
        return _shown(request, Sheet.posted(now, request.POST), version=now.version, conflict=str(error), status=409)
    if verb in ("save", "detach"):
        said.success(request, _("Your draft is saved.") if campaign.state == "draft" else _("Your changes are saved."))
    return redirect(f"ace_campaigns_web:{_AFTER.get(verb, 'write')}", uuid=campaign.uuid)


def _now(campaign: Campaign) -> Campaign:
    return Campaign.objects.get(pk=campaign.pk)


def _shown(
    request: HttpRequest,
    sheet: Sheet,
    problems: Sequence[Problem] = (),
    *,
    file_problems: Sequence[Problem] = (),
    version: int | None = None,
    conflict: str = "",
    is_changed: bool = False,
    chosen: str = "",
    added: int | None = None,
    uploaded: str = "",
    status: int = 200,
) -> HttpResponse:
    campaign = sheet.campaign
    written = {text.language for text in sheet.texts}
    listed = dict(django_settings.LANGUAGES)
    # The language that it has is offered even if the site lists it no more: the first of the list is nobody's choice.
    known = listed if campaign.language in listed else {campaign.language: campaign.language, **listed}
    context = {
        "campaign": campaign,
        "scope": host().label(campaign.scope),
        "sheet": sheet.with_problems(problems),
        "version": sheet.version if version is None else version,
        "is_changed": is_changed,
        "chosen": chosen,
        "added": added,
        "uploaded": uploaded,
        "problems": problems,
        "file_problems": file_problems,
        "conflict": conflict,
        "trail": trail(campaign, 5) if conflict else [],
        "categories": [one for one in categories.all_categories().values() if one.can_be_turned_off],
        "channel_types": [(str(kind), CHANNEL_LABELS[kind]) for kind in enabled_types()],
        "keywords": host().keywords(campaign.scope),
        "audiences": _offered(request, campaign),
        "languages": [(code, _local(code, name)) for code, name in listed.items() if code not in written],
        "known_languages": [(code, _local(code, name)) for code, name in known.items()],
        "attachments": campaign.files,
        "editor_labels": _editor_labels(),
    }
    return show(request, "write.html", context, status=422 if problems else status)


def _offered(request: HttpRequest, campaign: Campaign) -> list[Audience]:
    """Return what can be chosen: what the host brings, then what campaigns do."""
    found = [one for one in audiences.all_audiences().values() if one.is_offered(campaign.scope, request.user)]
    return sorted(found, key=lambda one: type(one).__module__ == own_audiences.__name__)


def _local(code: str, name: str) -> str:
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return str(name)


def _editor_labels() -> dict[str, Any]:
    """Return what the editor calls its buttons, and where pictures may come from."""
    hosts = settings.CAMPAIGN_IMAGE_HOSTS
    return {
        "bold": _("Bold"),
        "bullets": _("Bullets"),
        "code": _("Code"),
        "heading1": _("Heading"),
        "indent": _("Further in"),
        "italic": _("Italic"),
        "link": _("Link"),
        "numbers": _("Numbers"),
        "outdent": _("Further out"),
        "quote": _("Quotation"),
        "redo": _("Redo"),
        "strike": _("Struck through"),
        "undo": _("Undo"),
        "unlink": _("No link"),
        "url": _("Address of the link"),
        "urlPlaceholder": "https://",
        "picture": _("Picture"),
        "pictureAddress": _("Address of the picture"),
        "pictureText": _("What it shows, in words"),
        "pictureInsert": _("Insert"),
        "pictureHosts": hosts,
        "pictureRefused": _("Give it an https address at: %(hosts)s.") % {"hosts": ", ".join(hosts)},
    }
