"""
The file channel: what it writes, where, and where it refuses to.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edx_ace.channel.file import PATH_OVERRIDE_KEY, FileEmailChannel
from edx_ace.errors import FatalChannelDeliveryError, InvalidMessageError
from edx_ace.message import Message
from edx_ace.recipient import Recipient
from edx_ace.renderers import RenderedEmail


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """The folder that the site has configured."""
    folder = tmp_path / "messages"
    settings.ACE_FILE_CHANNEL_FOLDER = str(folder)
    return folder


def a_message(**fields: Any) -> Message:
    """A message to a person with a mailbox."""
    fields = {"recipient": Recipient(7, "zoe@example.com"), **fields}
    return Message(app_label="courses", name="welcome", **fields)


def test_the_file_holds_the_html_and_a_line_for_each_part(tmp_path: Path, rendered_email: RenderedEmail) -> None:
    """
    The HTML stands first, so that a browser shows it; the other parts follow, the subject on one line.
    """
    target = tmp_path / "new" / "mail.html"

    provider_id = FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: str(target)}), rendered_email)

    text = target.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<p>Grüße</p>" in text
    assert "to: zoe@example.com" in text
    assert "from_name: Courses" in text
    assert "subject: Olá, Zoë" in text
    assert "body: Grüße" in text
    assert provider_id == str(target)


@pytest.mark.parametrize("end", ["-->", "--!>"])
def test_a_part_cannot_leave_its_comment(tmp_path: Path, rendered_email: RenderedEmail, end: str) -> None:
    """
    What ends an HTML comment is written so that it does not.
    """
    rendered_email.body = f"{end}<script>alert(1)</script>"
    target = tmp_path / "mail.html"

    FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: str(target)}), rendered_email)

    assert f"{end}<script>" not in target.read_text()


def test_a_named_file_is_overwritten(tmp_path: Path, rendered_email: RenderedEmail) -> None:
    """
    A message that names its file replaces what was there.
    """
    target = tmp_path / "mail.html"
    target.write_text("before" * 1000)

    FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: str(target)}), rendered_email)

    assert "before" not in target.read_text()


def test_every_message_gets_a_file_of_its_own(folder: Path, rendered_email: RenderedEmail) -> None:
    """
    Messages to one person within one second do not overwrite each other.
    """
    paths = {FileEmailChannel().deliver(a_message(), rendered_email) for _ in range(3)}

    assert sorted(paths) == sorted(str(path) for path in folder.iterdir())
    assert len(paths) == 3
    assert all(path.name.startswith("7.2") and path.suffix == ".html" for path in folder.iterdir())


@pytest.mark.parametrize("user_id", ["../../etc/passwd", "a/b", "a\0b", "..", "x" * 5000, "Zoë Ω", None])
def test_an_id_that_is_no_file_name_stays_in_the_folder(
    folder: Path, rendered_email: RenderedEmail, user_id: str | None
) -> None:
    """
    Whatever the recipient's id holds, the file is directly in the folder.
    """
    path = FileEmailChannel().deliver(a_message(recipient=Recipient(user_id, "zoe@example.com")), rendered_email)

    assert [str(found) for found in folder.iterdir()] == [path]


class TestConfinement:
    """output_file_path, once ACE_FILE_CHANNEL_FOLDER is set."""

    @pytest.mark.parametrize(
        "path",
        [
            "../outside.html",
            "inside/../../outside.html",
            "/etc/outside.html",
            # A folder whose name merely begins like the configured one.
            "../messages-of-others/outside.html",
            "link/outside.html",
            "link-to-file.html",
            "loop/outside.html",
        ],
    )
    def test_what_leads_out_is_refused(self, folder: Path, rendered_email: RenderedEmail, path: str) -> None:
        """
        Dots, absolute paths and symbolic links that lead out of the folder are refused; nothing is written.
        """
        folder.mkdir()
        outside = folder.parent / "outside"
        outside.mkdir()
        (folder / "link").symlink_to(outside)
        (folder / "link-to-file.html").symlink_to(outside / "file.html")
        (folder / "loop").symlink_to("../outside/loop")
        (outside / "loop").symlink_to(outside)

        with pytest.raises(
            InvalidMessageError, match=r"expected a path inside ACE_FILE_CHANNEL_FOLDER .* leads out of it"
        ):
            FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: path}), rendered_email)

        assert list(outside.iterdir()) == [outside / "loop"]
        assert not Path("/etc/outside.html").exists()

    @pytest.mark.parametrize(
        "path", ["mail.html", "a/b/mail.html", "a/../mail.html", "link/mail.html", "{folder}/mail.html"]
    )
    def test_what_stays_inside_is_written(self, folder: Path, rendered_email: RenderedEmail, path: str) -> None:
        """
        Any path inside the folder will do; a relative one is relative to the folder.
        """
        (folder / "real").mkdir(parents=True)
        (folder / "link").symlink_to(folder / "real")

        written = FileEmailChannel().deliver(
            a_message(options={PATH_OVERRIDE_KEY: path.format(folder=folder)}), rendered_email
        )

        assert Path(written).is_relative_to(folder)
        assert Path(written).name == "mail.html"

    def test_without_a_folder_any_path_will_do(self, tmp_path: Path, rendered_email: RenderedEmail) -> None:
        """
        As long as no folder is configured a message may name any file.
        """
        target = tmp_path / "a" / ".." / "mail.html"

        FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: str(target)}), rendered_email)

        assert (tmp_path / "mail.html").exists()


@pytest.mark.parametrize("path", [7, "a\0b", ["mail.html"]])
def test_what_is_no_path_is_refused(folder: Path, rendered_email: RenderedEmail, path: Any) -> None:
    """
    An option that is no path is the message's fault.
    """
    with pytest.raises(InvalidMessageError, match="expected the path of a file"):
        FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: path}), rendered_email)


def test_a_path_that_cannot_be_written(folder: Path, rendered_email: RenderedEmail) -> None:
    """
    An error of the file system ends this delivery and says what to do.
    """
    folder.mkdir()

    with pytest.raises(FatalChannelDeliveryError, match=r"could not be written to .* Make the folder writable"):
        FileEmailChannel().deliver(a_message(options={PATH_OVERRIDE_KEY: os.curdir}), rendered_email)


@pytest.mark.parametrize("recipient", [None, Recipient(7), Recipient(7, "a@example.com, b@example.com")])
def test_a_recipient_without_one_mailbox_is_refused(
    folder: Path, rendered_email: RenderedEmail, recipient: Recipient | None
) -> None:
    """
    As in every email channel there must be exactly one mailbox; nothing is written otherwise.
    """
    with pytest.raises(InvalidMessageError, match="expected one mailbox"):
        FileEmailChannel().deliver(a_message(recipient=recipient), rendered_email)

    assert not folder.exists()


def test_half_characters_are_refused(folder: Path, rendered_email: RenderedEmail) -> None:
    """
    Text that no encoding can carry is the message's fault.
    """
    rendered_email.body = "half of a smile: \ud83d"

    with pytest.raises(InvalidMessageError, match="surrogate"):
        FileEmailChannel().deliver(a_message(), rendered_email)


def test_the_channel_is_always_enabled() -> None:
    """
    Files need no setting.
    """
    assert FileEmailChannel.enabled()
