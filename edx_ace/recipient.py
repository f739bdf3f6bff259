"""
Public: `Recipient`, one person and the addresses at which they can be reached.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attr

from edx_ace.serialization import MessageAttributeSerializationMixin

if TYPE_CHECKING:
    from edx_ace.channel import ChannelType


@attr.s(auto_attribs=True)
class Recipient(MessageAttributeSerializationMixin):
    """
    One person. Nothing is checked here: a channel refuses what it cannot use.

    Args:
        lms_user_id: The host's id of the person, if they have an account.

        email_address: Their mailbox.

        addresses: Further addresses by channel type's value (``{"sms": "+4930…"}``); left out of the JSON while empty.
    """

    lms_user_id: Any
    email_address: str | None = None
    addresses: dict[str, str] = attr.ib(factory=dict, kw_only=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles of edx-ace 1.x, in queues and caches, hold no addresses.
        self.__dict__.update({"addresses": {}, **state})

    def address_for(self, channel_type: ChannelType) -> str | None:
        """Return the address for *channel_type*, or None."""
        name = str(channel_type)
        found = self.addresses.get(name)
        if found is None and name == "email":
            return self.email_address
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the fields for the wire."""
        fields = {"lms_user_id": self.lms_user_id, "email_address": self.email_address}
        if self.addresses:
            fields["addresses"] = self.addresses
        return fields
