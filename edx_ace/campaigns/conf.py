"""
Public: every setting of campaigns, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from typing import Any

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Dotted path of the host's subclass of `edx_ace.campaigns.host.Host`: who may do what, scopes, keywords. Unset:
    #: Django's permissions decide, and there are no scopes.
    CAMPAIGN_HOST: str | None = None
    #: How many recipients a campaign may have without the approval of a second person. None: any number.
    CAMPAIGN_APPROVAL_SIZE: int | None = None
    #: Hosts that pictures may come from; ``*.example.com`` stands for all hosts below that one. Others are refused.
    CAMPAIGN_IMAGE_HOSTS: list[str] = []
    #: Addresses to which anybody who may write may send a test, beside their own.
    CAMPAIGN_TEST_ADDRESSES: list[str] = []
    #: Shares of what was sent above which a campaign pauses by itself: of what bounced, was complained about, or
    #: failed; ``"of"``: from how many messages on; ``"in_a_row"``: how many may not fail one after the other.
    CAMPAIGN_LIMITS: dict[str, Any] = {"bounced": 0.05, "complained": 0.001, "failed": 0.2, "of": 200, "in_a_row": 50}
    #: For how long the recipients of a campaign that has ended are kept, in days; how many they were stays.
    CAMPAIGN_RECIPIENTS_KEEP_DAYS: float = 90
    #: How large all attachments of a campaign may be together, in bytes.
    CAMPAIGN_MAX_ATTACHMENT_BYTES: int = 5_000_000
    #: Types of the files that can be attached; the end of a file's name says of which it is.
    CAMPAIGN_ATTACHMENT_TYPES: list[str] = [
        "application/pdf",
        "application/vnd.oasis.opendocument.spreadsheet",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/gif",
        "image/jpeg",
        "image/png",
        "text/calendar",
        "text/csv",
        "text/plain",
    ]
    #: How large the HTML of a message may be, in bytes, before a warning: mail readers cut off what is longer.
    CAMPAIGN_MAX_HTML_BYTES: int = 102_400


settings = Settings()
