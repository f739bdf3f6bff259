"""
Internal: beginning a campaign: a blank one, or one from a saved template.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from edx_ace.campaigns import editing
from edx_ace.campaigns.access import require
from edx_ace.campaigns.errors import Problem, RefusedError
from edx_ace.campaigns.host import Action, host
from edx_ace.campaigns.models import TemplateVersion
from edx_ace.web.campaigns.access import campaign_page, show
from edx_ace.web.campaigns.sheet import number_of


@require_http_methods(["GET", "HEAD", "POST"])
@campaign_page
def page(request: HttpRequest) -> HttpResponse:
    """Ask what it is called, where it belongs and what it begins with, and make a draft."""
    scopes = [one for one in host().scopes(request.user) if host().may(request.user, Action.WRITE, one.key)]
    if not scopes:
        require(request.user, Action.WRITE, "")
    keys = [one.key for one in scopes]
    templates = TemplateVersion.objects.filter(template__scope__in=keys).select_related("template")
    name, scope = request.POST.get("name", "").strip(), request.POST.get("scope", keys[0] if keys else "")
    problems: list[Problem] = []
    if request.method == "POST":
        if not name:
            problems = [Problem("no_name", _("Give it a name."), "name")]
        else:
            given: dict[str, Any] = {"scope": scope, "idempotency_key": request.POST.get("once") or None, "name": name}
            chosen = request.POST.get("template", "")
            version = templates.filter(pk=number_of(chosen)).first()
            try:
                if version is None:
                    made = editing.create(request.user, **given)
                else:
                    made = editing.from_template(request.user, version, **given)
            except RefusedError as error:
                problems = error.problems
            else:
                return redirect("ace_campaigns_web:write", uuid=made.uuid)
    context = {
        "scopes": scopes,
        "scope": scope or request.GET.get("scope", ""),
        "name": name,
        "templates": templates.defer("content").order_by("template__name", "-number"),
        "chosen": request.POST.get("template", ""),
        "once": request.POST.get("once") or uuid4().hex,
        "problems": problems,
    }
    return show(request, "new.html", context, status=422 if problems else 200)
