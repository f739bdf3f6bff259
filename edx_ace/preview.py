"""
Public: what messages look like, without sending any.

A preview shows what would be sent: it is rendered in the host's context, and those content steps of ACE_CONTENT_STEPS
are applied that change nothing but how a message looks (`LOOKS`). Other steps stay out, as they may make links that
count clicks or write to a database. With sample contexts this needs no data of the site.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import attrs
from django.conf import settings as django_settings
from django.template import Context, Engine, TemplateDoesNotExist, engines
from django.template.utils import EngineHandler
from django.utils.translation import get_language_info, override

from edx_ace import channel as channel_package
from edx_ace import content, message_types, presentation, renderers
from edx_ace.channel import Channel, ChannelType, get_channel_for_message
from edx_ace.channel.django_email import DjangoEmailChannel
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.channel.registry import choose, limits_of
from edx_ace.conf import settings
from edx_ace.envelope import Parcel, seal
from edx_ace.errors import AceError, InvalidMessageError, did_you_mean
from edx_ace.message import Message
from edx_ace.policy import in_order
from edx_ace.recipient import Recipient
from edx_ace.renderers import AbstractRenderer, RenderedEmail, templates_of
from edx_ace.validation import validate

#: The content steps that change nothing but how a message looks.
LOOKS = frozenset({"absolute_urls", "inline_css", "plain_text"})

#: Whom sample messages are for. No account has this id, and the address leads nowhere (RFC 2606).
SAMPLE_RECIPIENT = Recipient(lms_user_id=0, email_address="sample@example.com")


def render(message: Message, channel_type: ChannelType, channel: Channel) -> Parcel:
    """
    Return *message* as it would be handed to *channel*, but untracked.

    Raises:
        Exception: Whatever would keep it from being sent; see `describe`.
    """
    validate(message)
    parcel = Parcel(message, channel, presentation.render(channel, message), seal(message, channel_type))
    looks = [step for step in settings.CONTENT_STEPS if step in LOOKS]
    (changed,) = content.apply([parcel], looks)
    if isinstance(changed, Exception):
        raise changed
    if isinstance(channel, DjangoEmailChannel):
        channel.compose(message, changed.rendered, changed.envelope)
    return changed


def channels_for(message: Message, only: Iterable[ChannelType | str] | None = None) -> dict[ChannelType, Channel]:
    """
    Return the channels over which a preview shows *message*: of each enabled type for which it has templates.

    Args:
        message: The message.

        only: Channel types, or names of channels, to show whether or not there are templates.

    Raises:
        UnknownChannelError: If *only* names none.
        UnsupportedChannelError: If no channel of a type that *only* names is enabled.
        InvalidMessageError: If there are templates for no enabled channel type.
    """
    limits = limits_of(only)
    if limits:
        return {
            channel_type: get_channel_for_message(channel_type, message) if named is None else choose(named, message)
            for channel_type, named in limits.items()
        }
    enabled = enabled_channels(message)
    with presentation.host_context(message):
        found = {kind: channel for kind, channel in enabled.items() if templates_for(channel, message)[0]}
    if not found:
        raise InvalidMessageError(text_without_templates(message, enabled))
    return found


def templates_for(channel: Channel, message: Message) -> tuple[list[str], list[str]]:
    """Return the files of *message* that exist for *channel*, and the templates that are needed and missing."""
    renderer = presentation.renderer_of(channel)
    # A renderer of another kind needs no templates that could be missing.
    if not isinstance(renderer, AbstractRenderer):
        return [type(renderer).__name__], []
    found, missing = [], []
    for _field, filename, optional in templates_of(renderer.rendered_message_cls):
        try:
            renderer.get_template_for_message(channel, message, filename)
        except TemplateDoesNotExist as error:
            if not optional:
                missing.append(str(error))
        except Exception:  # It exists; what is wrong with it comes out when it is rendered.
            found.append(filename)
        else:
            found.append(filename)
    return found, missing


def language_of(text: str) -> str:
    """
    Return *text* if the site has that language.

    Raises:
        InvalidMessageError: If LANGUAGES does not list it.
    """
    known = [code for code, _ in django_settings.LANGUAGES]
    if text not in known:
        raise InvalidMessageError(
            f"Expected a language of the setting LANGUAGES ({', '.join(known)}), given {text!r}."
            f"{did_you_mean(text, known)}"
        )
    return text


def describe(error: Exception) -> str:
    """Return what *error* says to the people who make the site, with the template and the line where it is known."""
    where = getattr(error, "template_debug", None)
    if isinstance(error, TemplateDoesNotExist):
        text = f"The template {error} does not exist."
    elif isinstance(error, AceError):
        text = str(error)
    else:
        # Newer versions of Django put the file before the text of a syntax error; here it comes after, with the line.
        text = f"{type(error).__name__}: {getattr(error, 'raw_error_message', error)}"
    places = [f"{where['name']}, line {where['line']}"] if where else []
    return " ".join([text, *(f"({place})" for place in [*places, *getattr(error, "__notes__", ())])])


def located_errors() -> AbstractContextManager[None]:
    """Return a context in which templates are read anew, and in which their errors carry the template and the line."""
    templates = []
    for alias, engine in engines.templates.items():
        # Jinja2's errors carry it in any case, and that engine has no such option.
        debug = {"debug": True} if hasattr(getattr(engines[alias], "engine", None), "debug") else {}
        templates.append({**engine, "OPTIONS": {**engine["OPTIONS"], **debug}})
    return renderers.engines_in_use(EngineHandler(templates))


def page(
    message_type: str,
    language: str,
    context: Mapping[str, Any] | None = None,
    only: Iterable[ChannelType | str] | None = None,
    *,
    links: bool = False,
) -> str:
    """
    Return an HTML page that shows the message: its fields, its HTML in a frame without scripts, its plain text.

    Args:
        message_type: ``app_label.name``.

        language: Language to render in.

        context: Goes over the sample context.

        only: As for `channels_for`.

        links: Whether to link to the other languages, as ``?language=…``.

    Raises:
        Exception: Whatever would keep it from being sent; see `describe`.
    """
    message = message_types.sample(message_type, SAMPLE_RECIPIENT, language, context)
    with located_errors():
        parcels = [render(message, kind, channel) for kind, channel in channels_for(message, only).items()]
    sections = [{"title": str(p.channel.channel_type), "parts": list(_parts(p))} for p in parcels]
    return _render_page(message_type, language, links, sections=sections)


def error_page(message_type: str, language: str, error: Exception) -> str:
    """Return the page that says what *error* kept from being shown, with links to the other languages."""
    return _render_page(message_type, language, links=True, error=describe(error))


def _render_page(message_type: str, language: str, links: bool, **more: Any) -> str:
    languages = [_language(code) for code, _ in django_settings.LANGUAGES] if links else []
    # An engine of its own: the site's may be another one, and its settings are meant for its own pages.
    engine = Engine(dirs=[str(Path(__file__).parent / "templates")])
    known = {"message_type": message_type, "language": _language(language), "languages": languages}
    with override(None):
        return engine.get_template("edx_ace/preview.html").render(Context({**known, **more}))


def _language(code: str) -> dict[str, str]:
    try:
        return {"code": code, "name": get_language_info(code)["name_local"]}
    except KeyError:
        return {"code": code, "name": code}


def _parts(parcel: Parcel) -> Iterator[dict[str, str]]:
    rendered, channel = parcel.rendered, parcel.channel
    fields = attrs.asdict(rendered) if attrs.has(type(rendered)) else {"text": str(rendered)}
    if parcel.envelope.to:
        yield {"kind": "line", "name": "to", "text": parcel.envelope.to}
    if isinstance(rendered, RenderedEmail):
        if isinstance(channel, DjangoEmailChannel):
            composed = channel.compose(parcel.message, rendered, parcel.envelope)
            yield {"kind": "line", "name": "from", "text": composed.from_email}
        head = fields.pop("head_html")
        fields["body_html"] = EmailChannelMixin.make_simple_html_template(head, fields["body_html"])
    for name, text in fields.items():
        kind = "html" if name.endswith("_html") else "text" if name == "body" or "\n" in text.strip() else "line"
        yield {"kind": kind, "name": name.replace("_", " "), "text": text if kind == "html" else text.strip()}


def enabled_channels(message: Message) -> dict[ChannelType, Channel]:
    """Return the channel over which *message* goes for each type that has an enabled one, in the order of types."""
    # Looked up on the package at each call: tests replace it there.
    implementations = channel_package.channels().channel_type_to_channel_impl
    enabled = in_order(channel_type for channel_type, named in implementations.items() if named)
    return {channel_type: get_channel_for_message(channel_type, message) for channel_type in enabled}


def text_without_templates(message: Message, enabled: Collection[ChannelType]) -> str:
    """Return the sentence that says where templates of *message* are expected, when there are none."""
    folder = f"templates/{message.app_label}/edx_ace/{message.name}"
    if not enabled:
        return "No channel is enabled. Name one in ACE_ENABLED_CHANNELS."
    folders = " or ".join(f"{folder}/{channel_type}/" for channel_type in enabled)
    return f"There are no templates for {', '.join(map(str, enabled))}. Add them in {folders}."
