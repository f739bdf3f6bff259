"""
Internal: registers the audience in every process, those of Celery among them.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class CampusConfig(AppConfig):
    """Has the audience "accounts"."""

    name = "campus"

    def ready(self) -> None:
        from django.contrib.auth.models import User

        from edx_ace.campaigns import audiences
        from edx_ace.campaigns.audiences import Audience, Person
        from edx_ace.recipient import Recipient

        @audiences.register
        class Accounts(Audience):
            """Users with keys in a range, or every so many of them."""

            name = "accounts"
            label = "Accounts"

            def resolve(self, scope: str, params: Any, requester: Any) -> Any:
                """Return the users."""
                found = User.objects.filter(pk__gt=params["first"], pk__lte=params["last"])
                found = found.only("email", "first_name", "is_active")
                return found.extra(where=[f"id %% {params['every']} = 0"]) if "every" in params else found

            def person(self, row: Any) -> Person:
                """Return who a user is."""
                return Person(
                    Recipient(row.pk, row.email),
                    values={"first_name": row.first_name},
                    language="en",
                    is_active=row.is_active,
                )
