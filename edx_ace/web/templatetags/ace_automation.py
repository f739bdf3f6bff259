"""
Public: shows an object's scheduled messages on the host's own pages of that object.

::

    {% load ace_automation %}{% ace_related_messages workshop %}
"""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.template import Context, Library

register = Library()

#: Messages that are shown.
LIMIT = 20


@register.inclusion_tag("edx_ace/web/automation/related.html", takes_context=True)
def ace_related_messages(context: Context, obj: Model) -> dict[str, Any]:
    """Show the latest messages about *obj* to whoever may see messages; to others, nothing."""
    # A site without automation has this library as well.
    from edx_ace.automation import access, finding
    from edx_ace.web.automation.listing import about_of, lines_of

    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not access.may(user, "view_message"):
        return {}
    found = finding.page(finding.messages(about=obj), size=LIMIT, latest_first=True)
    lines = lines_of(found.messages)
    about = about_of(lines[0].message) if lines else ""
    return {"may_see": True, "lines": lines, "has_more": bool(found.next), "about": about}
