"""
Public: email into files, one a message, for development and tests.

A file is the message's HTML followed by its other parts as comments, so that a browser shows the email and a search
finds ``subject: …``, ``to: …`` and ``body: …``. It goes to ``options["output_file_path"]``, else into
ACE_FILE_CHANNEL_FOLDER under the recipient's id and the time.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from edx_ace import envelope
from edx_ace.channel.base import Channel, ChannelType
from edx_ace.channel.mailbox import parse_mailbox
from edx_ace.channel.mixins import EmailChannelMixin
from edx_ace.conf import settings
from edx_ace.errors import FatalChannelDeliveryError, InvalidMessageError
from edx_ace.text import check_text, shown
from edx_ace.utils.date import get_current_time

if TYPE_CHECKING:
    from edx_ace.message import Message
    from edx_ace.renderers import RenderedEmail

#: The option that names the file of a message.
PATH_OVERRIDE_KEY = "output_file_path"

#: Where files go when ACE_FILE_CHANNEL_FOLDER is not set.
DEFAULT_FOLDER = "/edx/src/ace_messages"

_UNFIT_FOR_FILE_NAME = re.compile(r"[^\w.@+-]+")
_END_OF_COMMENT = re.compile(r"--(!?)>")


class FileEmailChannel(EmailChannelMixin, Channel):
    """Writes each email to a file of its own."""

    def deliver(self, message: Message, rendered_message: RenderedEmail) -> str:
        """
        Write the email and return the path of its file.

        A file that is there already is overwritten when the message names it, and never otherwise.
        """
        mailbox = parse_mailbox(envelope.current(message, ChannelType.EMAIL).to)
        document = check_text(self._document(str(mailbox), rendered_message), "email")
        named = message.options.get(PATH_OVERRIDE_KEY)
        user_id = None if message.recipient is None else message.recipient.lms_user_id
        try:
            path = _write_named(named, document) if named else _write_new(user_id, document)
        except OSError as error:
            raise FatalChannelDeliveryError(
                f"The email could not be written to {shown(error.filename)}: {error.strerror}. Make the folder "
                f"writable, or choose another by ACE_FILE_CHANNEL_FOLDER or options[{PATH_OVERRIDE_KEY!r}].",
                code="not_written",
            ) from error
        return str(path)

    def _document(self, to: str, rendered: RenderedEmail) -> str:
        """Return what goes into the file."""
        parts = {
            "to": to,
            "from_name": rendered.from_name,
            "subject": self.get_subject(rendered),
            "body": rendered.body,
        }
        html = self.make_simple_html_template(rendered.head_html, rendered.body_html)
        return "\n".join([html, *(_comment(name, text) for name, text in parts.items()), ""])


def _comment(name: str, text: str) -> str:
    """Return *text* as an HTML comment that it cannot leave."""
    safe = _END_OF_COMMENT.sub(r"--\1&gt;", text)
    return f"<!-- {name}: {safe} -->"


def _write_named(named: object, document: str) -> Path:
    """Write *document* to the file that the message names."""
    path = _allowed_path(named)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document, encoding="utf-8")
    return path


def _allowed_path(named: object) -> Path:
    """
    Return the path that a message names, without links and dots. A relative one is relative to the folder.

    Raises:
        InvalidMessageError: If it is no path, or leads out of ACE_FILE_CHANNEL_FOLDER, once that is set.
    """
    folder = Path(settings.FILE_CHANNEL_FOLDER or "").resolve()
    try:
        path = (folder / named).resolve()  # type: ignore[operator]  # anything that is no path is a TypeError
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise InvalidMessageError(
            f"options[{PATH_OVERRIDE_KEY!r}]: expected the path of a file, got {shown(named)}. Correct it.",
            code="bad_path",
        ) from error
    if settings.FILE_CHANNEL_FOLDER and not path.is_relative_to(folder):
        raise InvalidMessageError(
            f"options[{PATH_OVERRIDE_KEY!r}]: expected a path inside ACE_FILE_CHANNEL_FOLDER ({folder}), "
            f"got {shown(named)}, which leads out of it. Name a file inside, or leave the option out.",
            code="path_outside_folder",
        )
    return path


def _write_new(user_id: object, document: str) -> Path:
    """Write *document* to a new file, ``<user id>.<date>-<time>.html``; further ones of that second get a number."""
    folder = Path(settings.FILE_CHANNEL_FOLDER or DEFAULT_FOLDER).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    user = _UNFIT_FOR_FILE_NAME.sub("_", str(user_id))[:100].lstrip(".")
    stem = f"{user}.{get_current_time():%Y%m%d-%H%M%S}"
    path, number = folder / f"{stem}.html", 1
    while True:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(document)
        except FileExistsError:
            number += 1
            path = folder / f"{stem}.{number}.html"
        else:
            return path
