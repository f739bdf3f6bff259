"""
Internal: what all endpoints have in common.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from edx_ace.api.problems import answer
from edx_ace.api.schema import Schema
from edx_ace.text import is_sendable

if TYPE_CHECKING:
    from rest_framework.permissions import _SupportsHasPermission

Shape = type[BaseSerializer[Any]]


class Parser(JSONParser):
    """Reads JSON that can be kept and answered with."""

    def parse(self, *args: Any, **options: Any) -> Any:
        """
        Return what a request has.

        Raises:
            ParseError: If that is no JSON, nested too deeply, or has half of a surrogate pair in it.
        """
        try:
            found = super().parse(*args, **options)
            text = json.dumps(found, ensure_ascii=False)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        if not is_sendable(text):
            raise ParseError("The JSON has half of a surrogate pair in it, which no encoding can carry.")
        return found


class Endpoint(APIView):
    """
    One address: it reads a request, calls a function as the user who is logged in, and shows the result.

    Authentication, throttling, and permissions beyond the host's own are those of Django REST framework's settings.
    """

    schema = Schema()
    parser_classes: Sequence[type[BaseParser]] = [Parser]
    renderer_classes: Sequence[type[BaseRenderer]] = [JSONRenderer]

    def get_permissions(self) -> Sequence[_SupportsHasPermission]:
        """Return the site's permissions, and that somebody has to be logged in; functions ask the host."""
        return [IsAuthenticated(), *super().get_permissions()]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Return what turns errors into problems."""
        return answer


class FileEndpoint(Endpoint):
    """One address that answers with a file, whatever type is asked for."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Return how problems are written."""
        return super().perform_content_negotiation(request, force=True)


class UploadEndpoint(Endpoint):
    """One address that takes a file."""

    parser_classes = [MultiPartParser]


def read(shape: Shape, data: Any) -> dict[str, Any]:
    """
    Return what *data* says, as *shape* reads it.

    Raises:
        ValidationError: If it is of another shape.
    """
    serializer = shape(data=data)
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found


def show(request: Request, shape: Shape, value: Any, *, status: int = 200, **context: Any) -> Response:
    """Return *value*, as *shape* writes it, which may look into *context*."""
    return Response(shape(value, context={"request": request, **context}).data, status)


def show_all(request: Request, shape: Shape, values: Any, **context: Any) -> Response:
    """Return all *values*, as *shape* writes each, which may look into *context*."""
    return Response([shape(value, context={"request": request, **context}).data for value in values])


def idempotency_key(request: Request) -> str | None:
    """Return the caller's name for the call, if it has one."""
    found: str | None = request.headers.get("Idempotency-Key")
    return found or None
