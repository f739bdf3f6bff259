"""
Internal: files that go with scheduled messages, and storages that fail.
"""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.utils import timezone

from edx_ace.automation import controller
from edx_ace.automation.actions import Action
from edx_ace.automation.attachments import StorageError
from edx_ace.automation.errors import ConflictError, RefusedError
from edx_ace.automation.models import Attachment, ScheduledMessage
from edx_ace.automation.states import State
from edx_ace.outbox import purge
from tests.automation_site.models import Workshop

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("storage")]


def files(storage, folder="ace"):
    """The names of all files in *storage*."""
    if not storage.exists(folder):
        return []
    folders, names = storage.listdir(folder)
    return [*names, *(name for one in folders for name in files(storage, f"{folder}/{one}"))]


def test_what_is_attached_arrives(schedule, work):
    """
    Under a name in the storage that nobody can guess.
    """
    message = schedule()
    controller.add_attachment(message, "certificate.pdf", b"%PDF")
    attachment = message.attachments.get()
    assert (attachment.size, attachment.content_type) == (4, "application/pdf")
    assert "certificate" not in attachment.file.name

    work()

    [sent] = mail.outbox
    assert sent.attachments == [("certificate.pdf", b"%PDF", "application/pdf")]
    assert list(message.entries.values_list("did", flat=True))[:2] == ["schedule", "add_attachment"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a/b.pdf", b"x", "bad_attachment"),
        ("a\n.pdf", b"x", "bad_attachment"),
        ("a.pdf", b"", "empty_attachment"),
        ("a.pdf", b"x" * 101, "attachments_too_large"),
    ],
)
def test_what_could_not_be_sent_is_refused(schedule, settings, storage, name, content, code):
    """
    When it is uploaded, and nothing is kept.
    """
    settings.ACE_AUTOMATION_MAX_ATTACHMENT_BYTES = 100
    message = schedule()
    with pytest.raises(RefusedError) as refused:
        controller.add_attachment(message, name, content)

    assert [problem.code for problem in refused.value.problems] == [code]
    assert files(storage) == []
    assert not Attachment.objects.exists()


def test_all_attachments_together_have_a_limit(schedule, settings):
    """
    And not each.
    """
    settings.ACE_AUTOMATION_MAX_ATTACHMENT_BYTES = 100
    message = schedule()
    controller.add_attachment(message, "a.txt", b"x" * 60)
    with pytest.raises(RefusedError, match="120 bytes"):
        controller.add_attachment(message, "b.txt", b"x" * 60)


def test_a_file_goes_with_its_attachment(schedule, storage, django_capture_on_commit_callbacks):
    """
    Once that is committed.
    """
    message = schedule()
    controller.add_attachment(message, "a.txt", b"x")
    key = message.attachments.get().pk
    with django_capture_on_commit_callbacks(execute=True):
        controller.remove_attachment(message, key)
        assert len(files(storage)) == 1

    assert files(storage) == []
    with pytest.raises(ConflictError, match="not there"):
        controller.remove_attachment(message, key)


def test_a_storage_that_takes_nothing_is_told(schedule, storage, monkeypatch):
    """
    Nothing is written.
    """

    def full(*args, **kwargs):
        raise OSError("No space left")

    monkeypatch.setattr(storage, "save", full)
    message = schedule()
    with pytest.raises(StorageError, match="No space left"):
        controller.add_attachment(message, "a.txt", b"x")

    assert list(message.entries.values_list("did", flat=True)) == ["schedule"]


def test_a_storage_that_fails_is_a_failure_of_that_message_alone(schedule, storage, work):
    """
    It is tried again, and sent once the storage is back.
    """
    lacking, whole = schedule(), schedule()
    controller.add_attachment(lacking, "a.txt", b"x")
    attachment = lacking.attachments.get()
    storage.delete(attachment.file.name)

    work()

    lacking.refresh_from_db()
    whole.refresh_from_db()
    assert (lacking.state, lacking.code, whole.state) == (State.FAILED, "storage_failed", State.SUCCEEDED)
    assert "a.txt" in lacking.reason

    storage.save(attachment.file.name, ContentFile(b"x"))
    ScheduledMessage.objects.filter(pk=lacking.pk).update(due_at=timezone.now() - timedelta(seconds=1))
    work()
    lacking.refresh_from_db()
    assert lacking.state == State.SUCCEEDED


def test_what_is_sent_again_has_files_of_its_own(schedule, storage, work):
    """
    So that they stay when those of the first go.
    """
    message = schedule()
    controller.add_attachment(message, "a.txt", b"x")
    work()
    again = controller.resend(message)

    assert len(files(storage)) == 2
    assert again.attachments.get().name == "a.txt"


def test_what_ended_long_ago_goes_with_its_files(schedule, storage, work, django_capture_on_commit_callbacks):
    """
    What is open stays, however old.
    """
    old, waiting = schedule(), schedule(scheduled_at=timezone.now() + timedelta(days=1))
    controller.add_attachment(old, "a.txt", b"x")
    work()
    ScheduledMessage.objects.filter(pk=old.pk).update(ended_at=timezone.now() - timedelta(days=366))
    ScheduledMessage.objects.filter(pk=waiting.pk).update(created_at=timezone.now() - timedelta(days=999))
    with django_capture_on_commit_callbacks(execute=True):
        assert purge().others["scheduled messages"] == 1

    assert files(storage) == []
    assert ScheduledMessage.objects.get() == waiting


def test_what_an_action_attaches_goes_with_its_messages(action, workshop, host):
    """
    The file is made when the message is scheduled, in the same transaction.
    """
    somebody = host()

    class Certificate(Action):
        def should_exist(self, obj):
            return True

        def scheduled_at(self, obj):
            return obj.ends_at

        def recipients(self, obj):
            return [somebody]

        def attachments(self, obj):
            return [(f"{obj.title}.txt", b"well done")]

    action("certificate", Certificate, model=Workshop).run_strategy(workshop("Painting"))

    [attachment] = ScheduledMessage.objects.get().attachments.all()
    assert (attachment.name, attachment.file.read()) == ("Painting.txt", b"well done")
