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

#: Somebody chose anew what reaches them. Sent inside the transaction that writes it, with ``sender=None``, ``person``
#: (see `edx_ace.outbox.people.person_key`), ``category`` (empty: everything), ``channel_type`` (its value), ``scope``,
#: ``taking`` (``off``, or how they take it) and ``source``, where it was chosen. What was so already is no change.
choice_changed = Signal()

#: Values of its ``source`` where people chose for themselves: by one click in their mail program, on a page, and at a
#: mail provider.
ONE_CLICK, PAGE, PROVIDER = "one_click", "page", "provider"

#: A mail provider says that somebody unsubscribed there. Sent inside the transaction that records it, with
#: ``sender=None``, ``person`` (see `edx_ace.outbox.people.person_key`), ``category`` (empty: everything) and
#: ``channel_type``. A receiver that makes it the person's choice returns True; if none does, the address is suppressed.
unsubscribed_at_provider = Signal()

#: The name that existing code knows.
ACE_MESSAGE_SENT = message_sent
