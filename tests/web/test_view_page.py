"""
Internal: a message in the browser.
"""

from __future__ import annotations

import attrs
import pytest

from edx_ace import Message, Recipient
from edx_ace.channel import ChannelType
from edx_ace.outbox import enqueue
from edx_ace.outbox.models import Payload
from edx_ace.preferences import links
from edx_ace.presentation import render
from tests.pipeline import Recorder, welcome

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def steps(settings):
    settings.ACE_CONTENT_STEPS = ["unsubscribe", "absolute_urls", "inline_css"]
    settings.ACE_POSTAL_ADDRESS = "Northwind, 1 Harbour Street"


def path_of(message):
    return links.Mandate.of(message, ChannelType.EMAIL).path(links.VIEW)


def test_a_message_that_is_kept_is_shown_as_it_was_sent(client):
    """
    In a page that can run nothing, and without what would act for its recipient if it were passed on.
    """
    enqueue(message := welcome(context={"name": "<Ann>"}))

    response = client.get(path_of(message))

    assert response.status_code == 200
    assert "&lt;Ann&gt;" in response.text
    assert "/unsubscribe/" not in response.text
    assert "sandbox" in response["Content-Security-Policy"]
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["Referrer-Policy"] == "no-referrer"


def test_a_message_that_is_not_kept_any_more_is_missed_kindly(client):
    """
    Purged, or never in the outbox.
    """
    enqueue(message := welcome())
    Payload.objects.all().delete()

    response = client.get(path_of(message))

    assert response.status_code == 404
    assert "This message is not here any more" in response.text


def test_nobody_sees_a_message_to_somebody_else(client):
    """
    The link names its person, too: a source may give another one by now.
    """
    enqueue(message := welcome())
    mandate = links.Mandate.of(message, ChannelType.EMAIL)
    other = links.Mandate.of(welcome(recipient=Recipient(8, "bo@example.com")), ChannelType.EMAIL)
    mandate = attrs.evolve(mandate, person=other.person)

    assert client.get(mandate.path(links.VIEW)).status_code == 404


def test_a_message_is_only_looked_at(client):
    """
    There is nothing to post.
    """
    enqueue(message := welcome())

    assert client.post(path_of(message), {"List-Unsubscribe": "One-Click"}).status_code == 400
    assert client.get("/messages/view/none/").status_code == 400


def test_templates_link_to_the_pages(templates, use_channels):
    """
    By tags, in HTML and in text; there is no way out of what is essential.
    """
    tags = "{% preferences_url %} {% view_url %} {% unsubscribe_url as off %}{{ off|default:'-' }}"
    templates(
        {
            f"note/email/{name}": f"{{% load ace_preferences %}}{tags}"
            for name in ("subject.txt", "body.html", "body.txt")
        }
    )
    message = Message("preview", "note", Recipient(7, "ann@example.com"))
    urgent = Message("preview", "note", Recipient(7, "ann@example.com"), options={"transactional": True})

    given = render(Recorder(), message).body.split()
    assert [url.rpartition("/")[0].rpartition("/")[0] for url in given] == [
        "https://news.example/messages/preferences",
        "https://news.example/messages/view",
        "https://news.example/messages/unsubscribe",
    ]
    assert render(Recorder(), urgent).body.split()[2] == "-"
