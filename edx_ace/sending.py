"""
Internal: one message on its way, from the checks of its content to its report.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from django.template import TemplateDoesNotExist

from edx_ace.channel import Channel, ChannelType
from edx_ace.channel.registry import Limits, name_of
from edx_ace.delivery import attempts_before
from edx_ace.errors import AceError, UnsupportedChannelError
from edx_ace.message import Message
from edx_ace.policy import in_order
from edx_ace.report import Delivery, Outcome, SendReport, text_of
from edx_ace.signals import send_reported
from edx_ace.validation import validate

LOG = logging.getLogger(__name__)

_ADDRESS = re.compile(r"[^\s@]*@\S*")


class Sending:
    """
    Collects the deliveries of one message.

    Attributes:
        message: The message.

        deliveries: Those that are known.

        open: How many are still on their way.
    """

    def __init__(self, message: Message) -> None:
        self.message = message
        self.deliveries: list[Delivery] = []
        self.open = 0
        self._errors: list[tuple[Delivery, Exception]] = []

    @property
    def is_complete(self) -> bool:
        """Whether every delivery is known."""
        return not self.open

    def is_valid(self, limits: Limits) -> bool:
        """Check the message's content; one that is refused has failed over every channel type asked for."""
        try:
            validate(self.message)
        except Exception as error:  # A hostile value in it may raise anything.
            for channel_type in in_order(limits or ChannelType):
                self.fail(error, channel_type)
        return not self.deliveries

    def add(self, delivery: Delivery) -> None:
        """Record *delivery*."""
        self.deliveries.append(delivery)

    def fail(self, error: Exception, channel_type: ChannelType, channel: Channel | None = None) -> None:
        """Record that *error* ended the message's way over *channel_type*."""
        name = None if channel is None else name_of(channel)
        if isinstance(error, UnsupportedChannelError) and channel is None:
            self.add(Delivery(channel_type=channel_type, outcome=Outcome.SKIPPED, code=error.code, reason=str(error)))
            return
        delivery = Delivery.failed(channel_type, error, channel=name, attempts=attempts_before(error))
        self.deliveries.append(delivery)
        self._errors.append((delivery, error))

    def report(self) -> SendReport:
        """Log each failure once, tell monitoring and whoever else wants to know, and return the report."""
        missing = []
        for delivery, error in self._errors:
            unexpected = None if isinstance(error, AceError | TemplateDoesNotExist) else error
            # The report shows what was given; the log tells nothing about the person.
            self._log(delivery, _ADDRESS.sub("<address>", delivery.reason), exc_info=unexpected)
            if isinstance(error, TemplateDoesNotExist):
                missing.append(text_of(error))
            else:
                self.message.report(f"{delivery.channel_type}_error", delivery.reason)
        for delivery in self.deliveries:
            if delivery.outcome is Outcome.EXPIRED and delivery.attempts:
                self._log(delivery, delivery.reason)
        for name in missing:
            self.message.report("template_error", f"Unable to send message because template not found\n{name}")
        report = SendReport.of(self.message, self.deliveries)
        for receiver, outcome in send_reported.send_robust(type(self.message), message=self.message, report=report):
            if isinstance(outcome, Exception):
                logger = self.message.get_message_specific_logger(LOG)
                logger.error("A receiver of send_reported failed: %r", receiver, exc_info=outcome)
        return report

    def _log(self, delivery: Delivery, reason: str, **kwargs: Any) -> None:
        logger = self.message.get_message_specific_logger(LOG)
        logger.error("Not sent over %s: %s: %s", delivery.channel_type, delivery.code, reason, **kwargs)
