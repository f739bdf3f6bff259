"""
Internal: what an action would do because of an object, and why; nothing is done.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from edx_ace.automation import actions, examining
from edx_ace.automation.errors import AutomationError
from edx_ace.automation.strategy import StrategyEnum
from edx_ace.web.automation.access import TONES, automation_page, choices, show
from edx_ace.web.content_policy import policy

#: What people read for what would be done, and how it looks.
_VERDICTS = {
    StrategyEnum.CREATE: (_("A message would be scheduled."), "good"),
    StrategyEnum.UPDATE: (_("Its message would be brought up to date."), ""),
    StrategyEnum.CANCEL: (_("Its message would be cancelled."), "warning"),
    StrategyEnum.NOOP: (_("Nothing would be done."), "quiet"),
}


@require_safe
@automation_page("view_message")
def page(request: HttpRequest) -> HttpResponse:
    """Let an action and an object be chosen, and show what would come of it."""
    name, key = request.GET.get("action", ""), request.GET.get("object", "")
    search = request.GET.get("search", "").strip()
    context: dict[str, Any] = {"actions": choices(), "action": name, "key": key, "search": search}
    if name:
        action = actions.get(name)
        context |= {"chosen": action}
        try:
            context["objects"] = examining.find_objects(action, search)
            if key:
                obj = examining.object_of(action, key)
                found = examining.simulate(action, obj)
                context |= {"obj": obj, "found": found}
                if found.decision is not None:
                    verdict, tone = _VERDICTS[found.decision.strategy]
                    message = found.decision.message
                    context |= {"verdict": verdict, "tone": tone, "message": message}
                    context |= {"message_tone": TONES[message.state] if message is not None else ""}
        except AutomationError as error:
            context["wrong"] = str(error)
    response = show(request, "simulate.html", context)
    response.headers["Content-Security-Policy"] = policy(request, has_message=True)
    return response
