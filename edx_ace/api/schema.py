"""
Internal: the OpenAPI schema of the endpoints, made from what each says of itself, whatever schemas the site has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
from django.apps import apps
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from edx_ace import __version__
from edx_ace.api.problems import CONTENT_TYPE, ErrorSerializer

Method = TypeVar("Method", bound=Callable[..., Any])

#: What values of fields are called, by the app that has them.
_ENUMS = {
    "edx_ace.campaigns": {
        "ChannelType": "edx_ace.api.serializers.CHANNEL_TYPES",
        "Format": "edx_ace.campaigns.models.Variant.Format",
        "State": "edx_ace.campaigns.states.State",
        "Timing": "edx_ace.campaigns.models.Timing",
    },
    "edx_ace.automation": {"MessageState": "edx_ace.automation.states.State"},
}

#: What drf-spectacular is told in place of the site's settings.
SETTINGS: dict[str, Any] = {
    "TITLE": "Campaigns",
    "DESCRIPTION": "One content for many recipients: write it, send it, follow it.",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "PREPROCESSING_HOOKS": [],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums"],
    # It keeps the first that it is told for the whole process, so that all of our schemas tell it the same.
    "ENUM_NAME_OVERRIDES": {
        name: path for app, names in _ENUMS.items() if apps.is_installed(app) for name, path in names.items()
    },
}

#: By which the same call, made again, is known to be the same.
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Your name for this call. Made again under the same name, it makes nothing and answers what it did.",
)

#: Files and texts, as answers.
FILE, TEXT = OpenApiTypes.BINARY, OpenApiTypes.STR


@attrs.frozen
class Operation:
    """
    What a method of an endpoint is; its docstring says what it does.

    Attributes:
        name: Its id, such as ``"schedule_campaign"``.

        returns: The shape of what it answers; None: nothing.

        takes: The shape of the body of a request; None: there is none.

        query: The shape of the query.

        status: Of an answer.

        media_type: Of an answer.

        is_idempotent: Whether it heeds the header Idempotency-Key.

        needs: The permissions that it takes, all of them; none: the function that it calls asks.
    """

    name: str
    returns: Any = None
    takes: Any = None
    query: Any = None
    status: int = 200
    media_type: str = "application/json"
    is_idempotent: bool = False
    needs: Sequence[str] = ()

    def __call__(self, method: Method) -> Method:
        """Let *method* be it; a decorator."""
        method.operation = self  # type: ignore[attr-defined]
        return method


class Schema(AutoSchema):
    """Reads what methods say of themselves."""

    @property
    def _operation(self) -> Operation:
        found: Operation = getattr(self.view, self.method.lower()).operation
        return found

    def get_operation_id(self) -> str:
        """Return its name."""
        return self._operation.name

    def get_extensions(self) -> dict[str, Any]:
        """Return the permissions that it takes."""
        return {"x-permissions": list(self._operation.needs)} if self._operation.needs else {}

    def get_tags(self) -> list[str]:
        """Return the module that it is in: endpoints are sorted by these."""
        return [type(self.view).__module__.rpartition(".")[2]]

    def get_request_serializer(self) -> Any:
        """Return the shape of a body."""
        return self._operation.takes

    def get_override_parameters(self) -> list[Any]:
        """Return the shape of the query, and headers."""
        query = [self._operation.query] if self._operation.query is not None else []
        return [*query, *([IDEMPOTENCY_KEY] if self._operation.is_idempotent else [])]

    def get_response_serializers(self) -> Any:
        """Return the shapes of answers: one if it was done, one if not."""
        operation = self._operation
        status: Any = operation.status if operation.returns is None else (operation.status, operation.media_type)
        return {
            status: OpenApiResponse(operation.returns, "Done."),
            ("default", CONTENT_TYPE): OpenApiResponse(ErrorSerializer, "It was not done; the body says why."),
        }
