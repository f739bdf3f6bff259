"""
Public: the names most code needs.

`send` is the function and `edx_ace.ace` the module it lives in. Each is imported when it is first asked for, so that
whoever imports one module of this package (a pytest plug-in, a settings file) does not load the others, nor Django.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edx_ace.ace import explain, send, send_many
    from edx_ace.channel import Channel, ChannelType
    from edx_ace.message import Message, MessageType
    from edx_ace.policy import Policy, PolicyResult
    from edx_ace.recipient import Recipient
    from edx_ace.recipient_resolver import RecipientResolver

__version__ = "2.0.0"

__all__ = [
    "Channel",
    "ChannelType",
    "Message",
    "MessageType",
    "Policy",
    "PolicyResult",
    "Recipient",
    "RecipientResolver",
    "explain",
    "send",
    "send_many",
]

_MODULE_OF = {
    "Channel": "edx_ace.channel",
    "ChannelType": "edx_ace.channel",
    "Message": "edx_ace.message",
    "MessageType": "edx_ace.message",
    "Policy": "edx_ace.policy",
    "PolicyResult": "edx_ace.policy",
    "Recipient": "edx_ace.recipient",
    "RecipientResolver": "edx_ace.recipient_resolver",
    "explain": "edx_ace.ace",
    "send": "edx_ace.ace",
    "send_many": "edx_ace.ace",
}


def __getattr__(name: str) -> Any:
    # Nothing is kept here: while a test replaces `edx_ace.ace.send`, what is looked up must not outlive the test.
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    if f"{__name__}.{name}" in _MODULE_OF.values():
        # `import edx_ace` alone is enough for `edx_ace.ace.send`.
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
