"""
Internal: the files that go with scheduled messages, kept by Django's storages (ACE_AUTOMATION_STORAGE).
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Iterable
from functools import partial
from pathlib import PurePath

from django.core.files.base import ContentFile
from django.db import router, transaction
from django.db.models import Sum
from django.db.models.fields.files import FieldFile
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from edx_ace.automation.conf import settings
from edx_ace.automation.errors import AutomationError, Problem, RefusedError
from edx_ace.automation.models import Attachment, ScheduledMessage
from edx_ace.channel.mailbox import check_attachments
from edx_ace.errors import InvalidMessageError
from edx_ace.report import text_of

LOG = logging.getLogger(__name__)


class StorageError(AutomationError):
    """The storage of attachments does not take or give a file."""

    code = "storage_failed"


def add(message: ScheduledMessage, name: str, content: bytes) -> Attachment:
    """
    Keep a file for *message*. When the caller's transaction is rolled back it stays there, and nobody sends it.

    Raises:
        RefusedError: If it is too large, empty, or its name cannot be sent.
        StorageError: If the storage does not take it.
    """
    problems = _problems(message, name, content)
    if problems:
        raise RefusedError(problems)
    attachment = Attachment(
        message=message,
        name=name,
        content_type=mimetypes.guess_type(name, strict=True)[0] or "application/octet-stream",
        size=len(content),
    )
    # Whoever knows one file's name knows no other's.
    kept_as = f"{get_random_string(32)}{PurePath(name).suffix[:20]}"
    try:
        attachment.file.save(kept_as, ContentFile(content), save=False)
    except Exception as error:
        LOG.exception("The attachment %s cannot be kept.", name)
        raise StorageError(_("“%(name)s” could not be kept: %(why)s") % {"name": name, "why": _said(error)}) from error
    try:
        attachment.save(using=router.db_for_write(Attachment))
    except Exception:
        _delete(attachment.file)
        raise
    return attachment


def read(attachment: Attachment) -> tuple[str, bytes, str]:
    """
    Return the name, the content and the type of *attachment*, as an email takes them.

    Raises:
        StorageError: If the storage does not give it.
    """
    try:
        with attachment.file.open("rb") as file:
            content = bytes(file.read())
    except Exception as error:
        LOG.exception("The attachment %s cannot be read.", attachment.pk)
        text = _("The attachment “%(name)s” could not be read: %(why)s")
        raise StorageError(text % {"name": attachment.name, "why": _said(error)}) from error
    return attachment.name, content, attachment.content_type


def copy(message: ScheduledMessage, to: ScheduledMessage) -> None:
    """
    Give *to* what is attached to *message*, in files of its own.

    Raises:
        StorageError: If the storage does not give or take one.
    """
    for attachment in message.attachments.order_by("pk"):
        name, content, _content_type = read(attachment)
        add(to, name, content)


def remove(attachments: Iterable[Attachment]) -> int:
    """Delete *attachments*, and their files once the caller's transaction is committed; return how many that are."""
    using = router.db_for_write(Attachment)
    rows = list(attachments)
    Attachment.objects.using(using).filter(pk__in=[row.pk for row in rows]).delete()
    for row in rows:
        transaction.on_commit(partial(_delete, row.file), using=using, robust=True)
    return len(rows)


def _delete(file: FieldFile) -> None:
    try:
        file.storage.delete(str(file.name))
    except Exception:
        # Its row is gone, so that nobody sends it.
        LOG.exception("The file %s of an attachment cannot be deleted.", file.name)


def _problems(message: ScheduledMessage, name: str, content: bytes) -> list[Problem]:
    found = []
    if not content:
        found.append(Problem("empty_attachment", _("“%(name)s” is empty.") % {"name": name}, "attachments"))
    try:
        check_attachments([(name, content)], max(len(content), 1))
    except InvalidMessageError:
        text = _("“%(name)s” is no name for a file: leave out slashes and control characters, and shorten it.")
        found.append(Problem("bad_attachment", text % {"name": name}, "attachments"))
    there = message.attachments.aggregate(total=Sum("size"))["total"] or 0
    total, most = there + len(content), settings.AUTOMATION_MAX_ATTACHMENT_BYTES
    if total > most:
        text = _("The attachments have %(total)d bytes together, more than %(most)d. Give links instead.")
        found.append(Problem("attachments_too_large", text % {"total": total, "most": most}, "attachments"))
    return found


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {text_of(error)}"
