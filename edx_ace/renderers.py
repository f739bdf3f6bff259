"""
Public: renderers, which turn the templates of a message into the fields a channel type needs.

A rendered class has one str field a template: ``subject`` comes from ``subject.txt``, ``body_html`` from ``body.html``.
A field that the class names in ``optional_templates`` is empty where its template does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import attr
from django.template import TemplateDoesNotExist, engines
from django.template.utils import EngineHandler
from django.utils.module_loading import import_string

from edx_ace.conf import settings
from edx_ace.errors import MessageTemplateMissing

if TYPE_CHECKING:
    from edx_ace.channel import Channel
    from edx_ace.message import Message


@attr.s(auto_attribs=True)
class RenderedEmail:
    """The fields of an email. All but subject and body_html may lack a template."""

    optional_templates: ClassVar[frozenset[str]] = frozenset({"from_name", "head_html", "body"})

    from_name: str
    subject: str
    body_html: str
    head_html: str
    body: str


@attr.s(auto_attribs=True)
class RenderedPushNotification:
    """The fields of a push notification."""

    title: str
    body: str


class AbstractRenderer:
    """
    Renders the templates of a message for one rendered class. Stateless: one instance serves all threads.

    Attributes:
        rendered_message_cls: attrs class with one str field a template.
    """

    rendered_message_cls: ClassVar[Any] = None

    def render(self, channel: Channel | type[Channel], message: Message) -> Any:
        """
        Return an instance of `rendered_message_cls` for *message*, in the active language.

        Raises:
            MessageTemplateMissing: Naming the first that does not exist, if one that is not optional is missing.
        """
        # A copy, so that one template cannot change what the next one sees.
        context = {"message": message, "channel": channel, **(message.context or {})}
        rendered: dict[str, str] = {}
        first_missing, needed = None, []
        for field, filename, optional in templates_of(self.rendered_message_cls):
            try:
                template = self.get_template_for_message(channel, message, filename)
            except TemplateDoesNotExist as missing:
                first_missing = first_missing or missing
                if not optional:
                    needed.append(str(missing))
                rendered[field] = ""
            else:
                rendered[field] = template.render(dict(context))
        if first_missing is not None and needed:
            raise MessageTemplateMissing(first_missing, needed)
        return self.rendered_message_cls(**rendered)

    def get_template_for_message(self, channel: Channel | type[Channel], message: Message, filename: str) -> Any:
        """
        Return the template called *filename* of *message* for the type of *channel*.

        Raises:
            TemplateDoesNotExist: If there is none.
        """
        return find_template(f"{message.app_label}/edx_ace/{message.name}/{channel.channel_type}/{filename}")


class EmailRenderer(AbstractRenderer):
    """Renders from_name.txt, subject.txt, body.html, head.html and body.txt."""

    rendered_message_cls = RenderedEmail


class PushNotificationRenderer(AbstractRenderer):
    """Renders title.txt and body.txt."""

    rendered_message_cls = RenderedPushNotification


def find_template(name: str) -> Any:
    """
    Return the backend template called *name* from the engine for messages.

    Raises:
        TemplateDoesNotExist: If no engine has it.
    """
    known = _known.get()
    if known is None:
        return _find_template(name)
    if name not in known:
        try:
            known[name] = _find_template(name)
        except TemplateDoesNotExist as missing:
            known[name] = missing
    found = known[name]
    if isinstance(found, TemplateDoesNotExist):
        # With the traceback of every message that missed it before, it would keep all of them in memory.
        raise found.with_traceback(None)
    return found


#: Templates found so far by name, or the error that there is none; None outside a batch.
_known: ContextVar[dict[str, Any] | None] = ContextVar("edx_ace_templates", default=None)


@contextmanager
def lookups_kept_in(known: dict[str, Any]) -> Iterator[None]:
    """Look each template up once and keep it in *known*."""
    token = _known.set(known)
    try:
        yield
    finally:
        _known.reset(token)


#: The engines that render; elsewhere than in a preview they are the site's own.
_engines: ContextVar[EngineHandler] = ContextVar("edx_ace_engines", default=engines)


@contextmanager
def engines_in_use(handler: EngineHandler) -> Iterator[None]:
    """Render with the engines of *handler* in place of the site's own."""
    token = _engines.set(handler)
    try:
        yield
    finally:
        _engines.reset(token)


def _find_template(name: str) -> Any:
    handler, chain = _engines.get(), []
    is_literal = name.endswith(".txt") and not settings.PLAIN_TEXT_AUTOESCAPE
    alias = settings.TEMPLATE_ENGINE
    for engine in [handler[alias]] if alias else handler.all():
        try:
            return (_plain_text_twin(engine, handler) if is_literal else engine).get_template(name)
        except TemplateDoesNotExist as missing:
            chain.append(missing)
    raise TemplateDoesNotExist(name, chain=chain)


_twins: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def _plain_text_twin(engine: Any, handler: EngineHandler) -> Any:
    """Return an engine configured like *engine* that escapes nothing; every backend takes this as an option."""
    twin = _twins.get(engine)
    if twin is None:
        params = dict(handler.templates[engine.name])
        backend = import_string(params.pop("BACKEND"))
        twin = _twins[engine] = backend({**params, "OPTIONS": {**params["OPTIONS"], "autoescape": False}})
    return twin


@cache
def templates_of(rendered_message_cls: type[Any]) -> tuple[tuple[str, str, bool], ...]:
    """Return for each field its name, its template's filename and whether that may be missing."""
    return tuple(
        (
            field.name,
            f"{field.name.removesuffix('_html')}.html" if field.name.endswith("_html") else f"{field.name}.txt",
            field.name in getattr(rendered_message_cls, "optional_templates", ()),
        )
        for field in attr.fields(rendered_message_cls)
    )
