"""
Public: every setting of preferences, with its type, default and meaning; read as those of `edx_ace.conf`.
"""

from __future__ import annotations

from edx_ace import conf


class Settings(conf.Settings):
    """Reads ``ACE_<NAME>`` from Django's settings on every access, else the default given here."""

    #: Postal address of whoever sends, which has to stand in every mail that is not essential: lines of text, or the
    #: dotted path of a callable ``postal_address(message)`` returning them.
    POSTAL_ADDRESS: str | None = None
    #: Dotted path of a callable ``hook(recipients)`` that returns, for each recipient in order, a pair of a time zone
    #: (``"Asia/Tokyo"``) and a language (``"ja"``), or None for either. Unset, or None: ``TIME_ZONE`` and
    #: ``LANGUAGE_CODE``.
    PEOPLE: str | None = None
    #: Dotted path of a callable ``hook(scopes)`` that returns, for each ``options["scope"]`` in order, what people call
    #: it in the active language (``"Statistics for the Curious"``), or None. Unset: no page names any.
    SCOPE_NAMES: str | None = None
    #: From when to when people are left alone who have not said it themselves: ``("22:00", "07:00")``. Unset: never.
    QUIET_HOURS: tuple[str, str] | None = None
    #: How many messages a person gets at most in a day or a week of theirs, by channel type, and under ``"all"`` over
    #: all of them together: ``{"all": "5/day", "email": "3/day, 10/week"}``. What exceeds it waits. Weeks begin on
    #: Monday.
    FREQUENCY_CAPS: dict[str, str] = {}
    #: When digests go out, in the time zone of each person.
    DIGEST_TIME: str = "08:00"
    #: On which day those go out that people get once a week.
    DIGEST_WEEKDAY: str = "monday"
    #: Entry-point name (group ``openedx.ace.send_time``) of what the policy ``send_time`` asks for a better moment.
    SEND_TIME: str | None = None
    #: For how long that may put a message off at most, in hours.
    SEND_TIME_HOURS: float = 24


settings = Settings()
