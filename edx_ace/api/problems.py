"""
Internal: what endpoints answer when something is wrong: ``application/problem+json``, as RFC 9457 has it, with a code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

import attrs
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from edx_ace.automation import errors as automation
from edx_ace.campaigns import errors as campaigns
from edx_ace.campaigns.errors import Problem
from edx_ace.errors import AceError, ConfigurationError, MissingExtraError

CONTENT_TYPE = "application/problem+json"

#: The status of each error; the first class that fits counts.
_STATUSES = (
    ((campaigns.ForbiddenError, automation.ForbiddenError), HTTPStatus.FORBIDDEN),
    ((campaigns.NotFoundError, automation.NotFoundError, automation.UnknownActionError), HTTPStatus.NOT_FOUND),
    ((campaigns.ConflictError, automation.ConflictError), HTTPStatus.CONFLICT),
    (campaigns.CampaignError, HTTPStatus.UNPROCESSABLE_ENTITY),
    # Faults of the site, which whoever asks cannot mend.
    ((ConfigurationError, MissingExtraError), None),
    # What keeps a message from being made.
    (AceError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


class ProblemSerializer(serializers.Serializer[Any]):
    """One thing that is wrong with what was given."""

    code = serializers.CharField(help_text="Short and stable.")
    reason = serializers.CharField(help_text="A sentence for people.")
    where = serializers.CharField(help_text="The field that it is about; empty: the whole.")
    line = serializers.IntegerField(help_text="The line of that field, from 1; 0: none in particular.")
    column = serializers.IntegerField(help_text="The column, from 1; 0: none in particular.")
    is_error = serializers.BooleanField(help_text="Whether it has to be mended; otherwise it can be accepted.")


class ErrorSerializer(serializers.Serializer[Any]):
    """Why a request was not done; nothing was changed."""

    type = serializers.CharField(help_text="Always about:blank: the code says what it is.")
    title = serializers.CharField(help_text="What the status means.")
    status = serializers.IntegerField(help_text="The status of the answer.")
    code = serializers.CharField(help_text="Short and stable.")
    detail = serializers.CharField(help_text="A sentence for people.")
    problems = ProblemSerializer(many=True, help_text="All that is wrong with what was given.")


#: Errors that name all that is wrong.
_WITH_PROBLEMS = (campaigns.RefusedError, automation.RefusedError, automation.RenderingError)


def told(error: AceError) -> Response | None:
    """Return what is answered because of *error*, of which nothing is undone; None: whoever asks cannot mend it."""
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    if status is None:
        return None
    problems = error.problems if isinstance(error, _WITH_PROBLEMS) else []
    return _response(status, error.code, str(error), problems)


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return what is answered to whoever made a request that raised *error*; None: it is nothing that they did."""
    if isinstance(error, AceError):
        said = told(error)
        if said is not None:
            set_rollback()
        return said
    # Headers, such as when to come again, are those of the framework.
    said = exception_handler(error, context)
    if said is None:
        return None
    headers = {name: value for name, value in said.items() if name != "Content-Type"}
    status = HTTPStatus(said.status_code)
    if isinstance(error, exceptions.ValidationError):
        problems = list(_problems(error.get_full_details()))
        detail = " ".join(problem.reason for problem in problems)
        return _response(status, "invalid", detail, problems, headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    assert isinstance(error, exceptions.APIException)
    return _response(status, str(error.get_codes()), str(error.detail), [], headers)


def described(problem: Problem | automation.Problem) -> dict[str, Any]:
    """Return *problem* as the answer has it; those of automation have no columns, and all have to be mended."""
    return {"column": 0, "is_error": True, **attrs.asdict(problem)}


def _response(
    status: HTTPStatus,
    code: str,
    detail: str,
    problems: Sequence[Problem | automation.Problem],
    headers: dict[str, str] | None = None,
) -> Response:
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "problems": [described(problem) for problem in problems],
    }
    return Response(body, status.value, headers=headers, content_type=CONTENT_TYPE)


def _problems(details: Any, where: str = "") -> Iterator[Problem]:
    """Yield the problems that the details of the framework's error, lists and dicts in one another, have."""
    if isinstance(details, list):
        for index, one in enumerate(details):
            is_leaf = isinstance(one, dict) and one.keys() == {"message", "code"}
            yield from _problems(one, where if is_leaf else _joined(where, str(index)))
    elif details.keys() == {"message", "code"}:
        yield Problem(str(details["code"]), str(details["message"]), where)
    else:
        for name, one in details.items():
            yield from _problems(one, where if name == "non_field_errors" else _joined(where, str(name)))


def _joined(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
