"""
Internal: what the factories of `edx_ace.testing` promise.
"""

import pytest

from edx_ace import MessageType, Recipient
from edx_ace.errors import UnknownMessageTypeError
from edx_ace.testing import make_message, make_recipient


class Reminder(MessageType):
    """A type with an option and a sample context."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.options["transactional"] = True

    @classmethod
    def sample_context(cls):
        return {"name": "Ann", "days": 3}


def test_recipients_differ():
    """
    Two recipients share neither id nor address.
    """
    one, other = make_recipient(), make_recipient()

    assert one.lms_user_id != other.lms_user_id
    assert one.email_address != other.email_address


def test_a_recipient_has_the_fields_that_are_given():
    """
    What is given is taken as it is.
    """
    assert make_recipient(lms_user_id=5, email_address=None) == Recipient(5, None)


def test_a_message_has_the_sample_context_and_the_types_options():
    """
    What is given goes over the sample context and beside the options of the type.
    """
    message = make_message(Reminder, context={"days": 1}, options={"reply_to": "help@example.com"}, language="de")

    assert message.unique_name == "tests.reminder"
    assert message.context == {"name": "Ann", "days": 1}
    assert message.options == {"transactional": True, "reply_to": "help@example.com"}
    assert message.language == "de"
    assert message.recipient is not None


def test_a_message_may_have_no_recipient():
    """
    None is a recipient that code has to live with.
    """
    assert make_message(Reminder, recipient=None).recipient is None


def test_a_message_of_an_unknown_type_needs_only_a_name():
    """
    Tests of a policy need no templates.
    """
    message = make_message("shop.sale", headers={"X-Shop": "1"})

    assert (message.app_label, message.name, message.context) == ("shop", "sale", {})
    assert message.headers == {"X-Shop": "1"}


def test_a_name_without_an_app_is_refused():
    """
    The error shows the form that is expected.
    """
    with pytest.raises(UnknownMessageTypeError, match=r"Expected a message type as app_label\.name, given 'sale'"):
        make_message("sale")


def test_a_mistyped_field_is_refused():
    """
    A field that messages do not have is no silent attribute.
    """
    with pytest.raises(TypeError, match="make_message takes the attributes of a Message, given 'langauge'"):
        make_message(Reminder, langauge="de")
