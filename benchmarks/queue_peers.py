"""
Internal: the queues that the outbox is compared with, django-post_office and django-mailer, used as their docs say.

A site renders a message before it queues it. It does so with the engine that the outbox renders with.
"""

from __future__ import annotations

from typing import Any

import django

django.setup()

import letter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.template.loader import get_template  # noqa: E402
from django.utils import translation  # noqa: E402
from serving import serve, timed  # noqa: E402


def migrate() -> None:
    """Make the tables."""
    call_command("migrate", verbosity=0)


def post_office(count: int) -> dict[str, float]:
    """Queue *count* messages and send them, by django-post_office."""
    from post_office import mail

    def queue(number: int) -> None:
        subject, body, html = _rendered(number)
        mail.send(letter.address(number), settings.DEFAULT_FROM_EMAIL, subject=subject, message=body, html_message=html)

    took = timed(queue, range(count))
    return _sum(took, timed(lambda _: mail.send_queued_mail_until_done(), [None]))


def mailer(count: int) -> dict[str, float]:
    """Queue *count* messages and send them, by django-mailer."""
    from mailer import send_html_mail
    from mailer.engine import send_all

    def queue(number: int) -> None:
        subject, body, html = _rendered(number)
        send_html_mail(subject, body, html, settings.DEFAULT_FROM_EMAIL, [letter.address(number)])

    took = timed(queue, range(count))
    return _sum(took, timed(lambda _: send_all(), [None]))


def _rendered(number: int) -> list[str]:
    engine = getattr(settings, "ACE_TEMPLATE_ENGINE", None)
    context = {**letter.CONTEXT, **letter.personal_context(number)}
    with translation.override(letter.LANGUAGE):
        subject, *bodies = (
            get_template(f"learning/edx_ace/weeklysummary/email/{name}", using=engine).render(context)
            for name in ("subject.txt", "body.txt", "body.html")
        )
    # A header must not end with the line break that the file of a template ends with.
    return [subject.strip(), *bodies]


def _sum(one: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    return {key: one[key] + other[key] for key in one}


if __name__ == "__main__":
    serve(globals())
