"""
Internal: the health of the outbox, for monitors. A site includes it where it likes::

    path("outbox/", include("edx_ace.outbox.urls"))
"""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from edx_ace.outbox.health import figures, problems

LOG = logging.getLogger(__name__)


@login_not_required
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """
    Say how the outbox is doing: with status 200 when all is well, with 503 and what is wrong otherwise.

    Needs no login, as it holds figures and codes, and nothing about anybody.
    """
    try:
        found = figures()
    except Error as error:
        LOG.warning("The database does not answer the health view: %s", type(error).__name__)
        return JsonResponse({"problems": {"database": "The database does not answer."}, "figures": None}, status=503)
    wrong = problems(found)
    return JsonResponse({"problems": wrong, "figures": found.as_json()}, status=503 if wrong else 200)
