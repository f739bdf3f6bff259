"""
Internal: campaigns as one side of a comparison: does what it is told and says what it took.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import letter
import queue_ours
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from plans import scans
from queue_ours import migrate  # noqa: F401  # `serve` answers with it
from serving import peak_memory, serve, timed

from edx_ace.campaigns import content
from edx_ace.campaigns.expanding import expand
from edx_ace.campaigns.forecasting import forecast, kept
from edx_ace.campaigns.models import Campaign, Exclusion, Member, Part, Resolution, Variant
from edx_ace.campaigns.resolving import resolve
from edx_ace.campaigns.source import uuid_of
from edx_ace.outbox.models import Delivery, OnAmbiguous, Payload
from edx_ace.preferences.models import Choice
from edx_ace.tracking.models import Suppression


def fill(count: int) -> None:
    """Make *count* users; of a hundred, one has no address and one is not active."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO auth_user (id, username, email, first_name, last_name, password, is_active, is_staff, "
            "is_superuser, date_joined) SELECT n, 'user' || n, "
            "CASE WHEN n % 100 = 7 THEN '' ELSE 'User' || n || '@learning.example.com' END, 'Ada', 'L', '', "
            f"n % 100 <> 8, FALSE, FALSE, now() FROM generate_series(1, {count}) AS n"
        )
        cursor.execute("VACUUM ANALYZE auth_user")


def clear() -> None:
    """Empty the tables, but for the users."""
    queue_ours.clear()
    tables = (Campaign, Part, Resolution, Member, Exclusion)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(model._meta.db_table for model in tables)} CASCADE")


def start(count: int) -> Campaign:
    """Return a campaign for two audiences that have a fifth of all users in common."""
    campaign = Campaign.objects.create(
        name="News", category="general", language="en", state="sending", due_at=timezone.now()
    )
    ranges = [{"first": 0, "last": count * 6 // 10}, {"first": count * 4 // 10, "last": count}]
    for position, params in enumerate(ranges):
        Part.objects.create(campaign=campaign, position=position, audience="accounts", params=params)
    campaign.resolution = Resolution.objects.create(campaign=campaign, version=1)
    campaign.save()
    return campaign


def send(count: int) -> None:
    """Let a campaign that says what `messages` say start now."""
    import celery_app  # noqa: F401  # as a site's package does

    campaign = Campaign.objects.create(name="News", category="news", language="en", state="scheduled")
    Part.objects.create(campaign=campaign, position=0, audience="accounts", params={"first": 0, "last": count})
    lessons = "".join(
        f'<h3><a href="{one["url"]}?from=weekly">{one["title"]}</a></h3><p>{one["summary"]}</p><p>Due: {one["due"]}</p>'
        for one in letter.CONTEXT["lessons"]
    )
    html = (
        f"<h1>Hello {{{{ first_name|there }}}},</h1><p>this is what happened in {letter.CONTEXT['course_name']}.</p>"
        f'<h2>Next lessons</h2>{lessons}<p><a href="{letter.CONTEXT["course_url"]}?from=weekly">Continue</a></p>'
    )
    Variant.objects.create(
        campaign=campaign, language="en", subject="Your week, {{ first_name|there }}", source=html,
        body=content.sanitised(html),
    )  # fmt: skip
    Campaign.objects.filter(pk=campaign.pk).update(due_at=timezone.now())


def look() -> dict[str, Any]:
    """Look at the page of the campaign; return how long its queries took, in seconds, and how tables are scanned."""
    client = Client()
    # Keys are those that `fill` gave, of which the sequence knows nothing.
    User.objects.filter(pk=1).update(is_superuser=True)
    client.force_login(User.objects.get(pk=1))
    campaign = Campaign.objects.get()
    path = reverse("ace_campaigns_web:detail", args=[campaign.uuid])
    assert client.get(path).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    asked = [one["sql"] for one in captured if one["sql"].startswith("SELECT")]
    tables = [model._meta.db_table for model in (Member, Delivery, Payload)]
    return {
        "wall": sum(float(one["time"]) for one in captured),
        "scans": {table: [scan for sql in asked for scan in scans(sql, table)] for table in tables},
    }


def put_in(count: int) -> dict[str, float]:
    """Find the members of a campaign and put them into the outbox."""
    campaign = start(count)
    resolved = timed(lambda found: resolve(found, _always), [campaign.resolution])
    members = campaign.resolution.numbers[""]
    expanded = timed(lambda one: expand(one, _always), [campaign])
    assert Delivery.objects.count() == members >= 0.98 * count
    return {
        **{key: resolved[key] + expanded[key] for key in resolved},
        "resolved": resolved["cpu"],
        "expanded": expanded["cpu"],
        "resolved_wall": resolved["wall"],
        "expanded_wall": expanded["wall"],
        "peak": peak_memory(),
    }


def fill_reasons(count: int) -> None:
    """Let one person in twenty have turned news off, and one address in fifty be suppressed."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Choice._meta.db_table} "
            "(person, channel_type, category, scope, taking, source, changed_at) "
            "SELECT n::text, 'email', 'general', '', CASE WHEN n % 20 = 1 THEN 'off' ELSE 'immediate' END, 'page', "
            f"now() FROM generate_series(1, {count}) AS n WHERE n % 10 = 1"
        )
        cursor.execute(
            f"INSERT INTO {Suppression._meta.db_table} "
            "(channel_type, digest, address, category, reason, created_at) "
            "SELECT 'email', md5(n::text), 'user' || n || '@learning.example.com', '', 'hard_bounce', now() "
            f"FROM generate_series(1, {count}) AS n WHERE n % 50 = 3"
        )
        cursor.execute("VACUUM ANALYZE")


def count(count: int) -> dict[str, float]:
    """Say who would get a campaign from which one in a hundred is excluded."""
    campaign = start(count)
    params = {"first": 0, "last": count, "every": 100}
    Part.objects.create(campaign=campaign, position=2, audience="accounts", params=params, is_excluded=True)
    took = timed(lambda one: forecast(None, one), [campaign])
    numbers = kept(campaign).numbers  # type: ignore[union-attr]
    assert sum(numbers.values()) == count
    assert numbers["excluded"] == numbers["no_address"] == numbers["inactive"] == count // 100
    assert numbers["opted_out"] == count // 20
    assert numbers["suppressed"] == count // 50
    return took | {"peak": peak_memory()}


def create(count: int) -> dict[str, float]:
    """Write the same rows for *count* users, each with ``create``."""
    campaign = start(count)

    def write(user: User) -> None:
        now = timezone.now()
        member = Member.objects.create(
            resolution=campaign.resolution,
            recipient=str(user.pk),
            address=user.email.lower(),
            part=0,
            key=str(user.pk),
        )
        payload = Payload.objects.create(
            uuid=uuid_of(campaign, member.pk),
            source="ace_campaigns",
            content=str(member.pk),
            message_type="ace_campaigns.campaign",
            batch=campaign.uuid,
            created_at=now,
        )
        Delivery.objects.create(
            payload=payload,
            batch=campaign.uuid,
            recipient=member.recipient,
            address=member.address,
            category="general",
            channel_type="email",
            channel="django_email",
            due_at=now,
            created_at=now,
            on_ambiguous=OnAmbiguous.REPEAT,
        )

    return timed(write, islice(User.objects.exclude(email="").order_by("pk").iterator(), count))


def _always() -> bool:
    return True


if __name__ == "__main__":
    serve(globals())
