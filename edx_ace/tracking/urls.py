"""
Public: the addresses at which mail providers say what became of messages. A site includes them where it likes::

    path("mail/", include("edx_ace.tracking.urls"))

A provider is then told, for example, ``https://user:password@example.com/mail/postmark/tracking/``.
"""

from django.urls import path

from edx_ace.tracking.webhooks import webhook

app_name = "ace_tracking"
urlpatterns = [path("<slug:provider>/tracking/", webhook, name="webhook")]
