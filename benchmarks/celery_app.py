"""
Internal: Celery in both environments: a site's app, and the task for each email that the released edx-ace needs.
"""

from __future__ import annotations

from celery import Celery

app = Celery("benchmark")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task(ignore_result=True)
def send_message(text: str) -> None:
    """Send the message that *text* is."""
    from edx_ace import ace
    from edx_ace.message import Message

    ace.send(Message.from_string(text))
