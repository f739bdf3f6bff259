"""
Internal: endpoints for what the messages of actions say, and for switching actions on and off.
"""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from edx_ace.api.automation.base import Endpoint
from edx_ace.api.automation.serializers import (
    ActiveSerializer,
    NumberOfVersionSerializer,
    PreviewedTemplateSerializer,
    ProblemsSerializer,
    RenderedSerializer,
    SavedTemplateSerializer,
    SwitchSerializer,
    TemplateSerializer,
    TemplateSummarySerializer,
    TemplateVersionSerializer,
    TriedTemplateSerializer,
)
from edx_ace.api.base import read, show, show_all
from edx_ace.api.schema import Operation
from edx_ace.automation import actions, controller, examining, templates
from edx_ace.automation.actions import Action
from edx_ace.automation.templates import Content

_NEEDS = ["change_template"]


class Templates(Endpoint):
    """All templates."""

    @Operation("list_templates", TemplateSummarySerializer(many=True), needs=_NEEDS)
    def get(self, request: Request) -> Response:
        """List the actions, and how the template of each stands."""
        return show_all(request, TemplateSummarySerializer, _summaries())


class Template(Endpoint):
    """What the messages of one action say."""

    @Operation("get_template", TemplateSerializer, needs=_NEEDS)
    def get(self, request: Request, action: str) -> Response:
        """Return the newest version of what the messages of an action say, and which variables it can use."""
        return _shown(request, actions.get(action))

    @Operation("save_template", TemplateSerializer, takes=SavedTemplateSerializer, needs=_NEEDS)
    def put(self, request: Request, action: str) -> Response:
        """Save the next version, unless something is wrong with it: each problem has its field and its line."""
        found = actions.get(action)
        given = read(SavedTemplateSerializer, request.data)
        content = Content.from_json(given["content"])
        templates.save(found, content, who=request.user, version=given["version"])
        return _shown(request, found)


class Problems(Endpoint):
    """What is wrong with a template."""

    @Operation("check_template", ProblemsSerializer, takes=TriedTemplateSerializer, needs=_NEEDS)
    def post(self, request: Request, action: str) -> Response:
        """Return what is wrong with what somebody wrote, rendered on trial; nothing is saved."""
        found = actions.get(action)
        given = read(TriedTemplateSerializer, request.data)
        obj = examining.object_of(found, given["object"]) if "object" in given else None
        return show(request, ProblemsSerializer, templates.problems(found, Content.from_json(given["content"]), obj))


class Preview(Endpoint):
    """What a template says."""

    @Operation("preview_template", RenderedSerializer, takes=PreviewedTemplateSerializer, needs=_NEEDS)
    def post(self, request: Request, action: str) -> Response:
        """Return what the first recipient would get because of an object; nothing is saved, and nobody gets it."""
        found = actions.get(action)
        given = read(PreviewedTemplateSerializer, request.data)
        obj = examining.object_of(found, given["object"])
        content = Content.from_json(given["content"])
        return show(request, RenderedSerializer, examining.preview_template(found, content, obj, given.get("language")))


class Versions(Endpoint):
    """Versions of a template."""

    @Operation("list_versions", TemplateVersionSerializer(many=True), needs=_NEEDS)
    def get(self, request: Request, action: str) -> Response:
        """List all versions, the newest first."""
        return show_all(request, TemplateVersionSerializer, templates.versions(actions.get(action)))


class RollBack(Endpoint):
    """An older version again."""

    @Operation("roll_back_template", TemplateSerializer, takes=NumberOfVersionSerializer, needs=_NEEDS)
    def post(self, request: Request, action: str) -> Response:
        """Let what an older version says be the newest."""
        found = actions.get(action)
        templates.roll_back(found, who=request.user, **read(NumberOfVersionSerializer, request.data))
        return _shown(request, found)


class Active(Endpoint):
    """Whether a template is used."""

    @Operation("set_template_active", TemplateSerializer, takes=ActiveSerializer, needs=_NEEDS)
    def put(self, request: Request, action: str) -> Response:
        """Say whether messages are scheduled by a template; those that are stay."""
        found = actions.get(action)
        templates.set_active(found, **read(ActiveSerializer, request.data))
        return _shown(request, found)


class ActionSwitch(Endpoint):
    """The switch of one action."""

    @Operation("switch_action", TemplateSerializer, takes=SwitchSerializer, needs=_NEEDS)
    def put(self, request: Request, action: str) -> Response:
        """Switch an action on or off: while it is off, it schedules nothing."""
        found = actions.get(action)
        templates.switch(found, who=request.user, **read(SwitchSerializer, request.data))
        return _shown(request, found)


class Switch(Endpoint):
    """The switch of all actions."""

    @Operation("get_switch", SwitchSerializer, needs=_NEEDS)
    def get(self, request: Request) -> Response:
        """Return whether the switch of all actions is on."""
        return show(request, SwitchSerializer, {"is_on": not templates.are_all_off()})

    @Operation("switch_all", SwitchSerializer, takes=SwitchSerializer, needs=_NEEDS)
    def put(self, request: Request) -> Response:
        """Switch all actions on or off at once: while they are off, nothing is scheduled."""
        templates.switch(None, who=request.user, **read(SwitchSerializer, request.data))
        return show(request, SwitchSerializer, {"is_on": not templates.are_all_off()})


def _summaries() -> list[dict[str, Any]]:
    are_on = not templates.are_all_off()
    return [
        {
            "action": one.action,
            "version": 0 if one.version is None else one.version.number,
            "content": None if one.version is None else one.version.content,
            "message_type": controller.path_of(one.action.message_type),
            "is_active": one.is_active,
            "is_switched_on": one.is_switched_on,
            "is_on": one.is_active and one.is_switched_on and are_on,
        }
        for one in templates.summaries()
    ]


def _shown(request: Request, action: Action) -> Response:
    summary = next(one for one in _summaries() if one["action"] is action)
    return show(request, TemplateSerializer, {**summary, "variables": templates.offered(action)})
