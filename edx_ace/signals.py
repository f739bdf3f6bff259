"""
Public: the signals this package sends.
"""

from django.dispatch import Signal

#: A message went over a channel. Sent with ``sender=channel`` and ``message``, a JSON-safe dict of name, app_label,
#: recipient {email, user_id}, channel (class name), context, options, uuid, send_uuid, message_language and
#: translation_language.
message_sent = Signal()

#: `edx_ace.send` or `send_many` is done with a message. Sent with ``sender=type(message)``, ``message`` and ``report``,
#: the `edx_ace.report.SendReport`. What the outbox delivers is not reported here.
send_reported = Signal()

#: The name that existing code knows.
ACE_MESSAGE_SENT = message_sent
