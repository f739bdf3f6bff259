"""
Internal: what happens with campaigns on the demo site, scene by scene: its settings, its host, its audiences, a mail
server and a worker.

``python -m tests.journeys.campaign_scenes`` plays each once and prints what came of it as JSON; `test_campaigns` says
what that has to be. Each scene has courses and people of its own.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from importlib import import_module
from io import BytesIO, StringIO
from typing import Any

import attrs
from lxml.html import document_fromstring

from tests.journeys.playing import SINK, play, received, scene, text


@attrs.define
class Stage:
    """
    A course, who teaches it, and who takes it.

    Attributes:
        name: The course's slug, and a part of everybody's address.
    """

    name: str
    course: Any = attrs.field(init=False)
    instructor: Any = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        from django.contrib.auth.models import User

        from courses.models import Course

        starts_at = datetime(2040, 3, 5, 9, tzinfo=UTC)
        self.course = Course.objects.create(
            slug=self.name, language="en", title=f"About {self.name}", summary="", weeks=4, starts_at=starts_at
        )
        self.instructor = User.objects.create_user(f"{self.name}-instructor", f"teacher@{self.name}.example")
        self.course.instructors.add(self.instructor)

    @property
    def scope(self) -> str:
        """What its campaigns belong to."""
        from courses.scopes import scope_of

        return scope_of(self.course)

    def learner(self, mailbox: str, *, cohort: str = "", track: str = "audit", **about: Any) -> Any:
        """Return somebody who takes the course from now on."""
        from courses.models import Cohort, Enrolment, Learner

        given = {"email": f"{mailbox}@{self.name}.example", "name": mailbox.title(), "first_name": mailbox.title()}
        learner = Learner.objects.create(**{**given, "language": "en", "time_zone": "UTC", **about})
        group = Cohort.objects.get_or_create(course=self.course, name=cohort)[0] if cohort else None
        Enrolment.objects.create(learner=learner, course=self.course, cohort=group, track=track)
        return learner

    def draft(self, **fields: Any) -> Any:
        """Return a draft to everybody who takes the course."""
        from edx_ace import campaigns

        given: dict[str, Any] = {
            "name": self.name,
            "language": "en",
            "parts": [{"audience": "learners"}],
            "variants": [email("en", "News for {{ first_name|you }}", "<p>Dear {{ full_name }}, hello.</p>")],
        }
        return campaigns.create(self.instructor, scope=self.scope, **{**given, **fields})

    def schedule(self, campaign: Any) -> Any:
        """Let it start at its time."""
        return schedule(self.instructor, campaign)

    def received(self) -> list[EmailMessage]:
        """Return what has come in for people of this scene, in the order of their addresses."""
        return received(f"{self.name}.example")

    def recipients(self) -> list[str]:
        """Return the names of the mailboxes of this scene that something has come in for."""
        return [message["To"].addresses[0].username for message in self.received()]

    def client(self, user: Any = None) -> Any:
        """Return somebody's browser; the instructor's unless *user* is given."""
        from django.test import Client

        client = Client()
        client.force_login(user or self.instructor)
        return client


def email(language: str, subject: str, source: str) -> dict[str, str]:
    """Return what is written for one language."""
    return {"channel_type": "email", "language": language, "subject": subject, "format": "html", "source": source}


def schedule(user: Any, campaign: Any) -> Any:
    """Schedule *campaign* with whatever it is warned of."""
    from edx_ace.campaigns import operations

    seen = [problem.code for problem in warnings(user, campaign)]
    return operations.schedule(user, campaign, version=campaign.version, accept=seen)


def warnings(user: Any, campaign: Any) -> Any:
    """Return what whoever schedules *campaign* has to have seen."""
    from edx_ace.campaigns.preflight import preflight

    return preflight(user, campaign).warnings


def form_of(response: Any, place: int = 0) -> dict[str, Any]:
    """Return what a browser would post of a form of a page, without its buttons."""
    return dict(document_fromstring(response.content).forms[place].form_values())


def work() -> None:
    """Do what workers do until nothing is due."""
    from edx_ace.outbox.worker import Worker, sweep

    for _ in range(3):
        sweep()
        Worker(once=True).run()


def refused(call: Callable[[], Any]) -> str:
    """Return the name of the error that *call* raises, and of what is wrong, or what it returns."""
    from edx_ace.errors import AceError

    try:
        return f"not refused: {call()!r}"
    except AceError as error:
        codes = [problem.code for problem in getattr(error, "problems", [])]
        return " ".join([type(error).__name__, *codes])


def html(message: EmailMessage) -> str:
    """Return the HTML part."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


@scene
def union_and_exclusion() -> Any:
    """Two cohorts and a track that overlap, without one of them and without whoever is named."""
    stage = Stage("union")
    stage.learner("ann", cohort="Harbour")
    stage.learner("bob", cohort="Harbour", track="verified")
    stage.learner("cleo", cohort="Lighthouse", track="verified")
    stage.learner("dora", cohort="Lighthouse")
    out = stage.learner("eve", cohort="Harbour", track="verified")
    parts = [
        {"audience": "cohort", "params": {"cohort": "Harbour"}},
        {"audience": "track", "params": {"track": "verified"}},
        {"audience": "staff"},
        {"audience": "selected", "params": {"learners": out.email}, "is_excluded": True},
    ]
    campaign = stage.schedule(stage.draft(parts=parts))
    work()
    campaign.refresh_from_db()
    return {"recipients": stage.recipients(), "state": campaign.state, "numbers": campaign.resolution.numbers}


@scene
def one_address_in_different_case() -> Any:
    """One mailbox, of a learner, of whoever teaches, and on a list that somebody brought."""
    from edx_ace import campaigns

    stage = Stage("case")
    stage.learner("Ada", email="Ada@Case.example")
    stage.instructor.email = "ada@CASE.example"
    stage.instructor.save()
    listed = campaigns.import_addresses(stage.instructor, BytesIO(b"address\nada@case.EXAMPLE\n"), "L", stage.scope)
    params = {"list": listed.addresses.pk}
    parts = [{"audience": "learners"}, {"audience": "staff"}, {"audience": "addresses_of", "params": params}]
    stage.schedule(stage.draft(parts=parts))
    work()
    return [taken.recipients[0].lower() for taken in SINK.messages if "@case.example" in taken.recipients[0].lower()]


@scene
def one_leaves_and_one_joins() -> Any:
    """Between scheduling and the start."""
    from edx_ace import campaigns

    stage = Stage("moving")
    stage.learner("stays")
    leaves = stage.learner("leaves")
    campaign = stage.schedule(stage.draft(timing="at", zone="Europe/Dublin", wall_time="2040-03-01T10:00"))
    work()
    before = stage.recipients()
    leaves.enrolments.all().delete()
    stage.learner("joins")
    campaigns.start_now(stage.instructor, campaign)
    work()
    return {"before": before, "after": stage.recipients()}


@scene
def another_scope_by_id() -> Any:
    """Ann teaches one course and knows the id of what is sent in another, on every door."""
    from django.urls import reverse

    from edx_ace import campaigns
    from edx_ace.campaigns import operations
    from edx_ace.campaigns.forecasting import forecast
    from edx_ace.campaigns.models import Campaign
    from edx_ace.campaigns.preflight import preflight
    from edx_ace.campaigns.preview import preview

    own, other = Stage("own"), Stage("other")
    own.learner("mine")
    learner = other.learner("theirs", cohort="Secret")
    scheduled = other.schedule(other.draft(timing="at", zone="UTC", wall_time="2040-03-01T10:00"))
    sent = other.schedule(other.draft())
    draft = other.draft()
    work()
    sent.refresh_from_db()
    listed = campaigns.import_addresses(
        other.instructor, BytesIO(b"address\nx@other.example\n"), "Listed", other.scope
    ).addresses
    template = campaigns.save_template(other.instructor, draft, "Theirs")
    ann = own.instructor

    def with_part(audience: str, **params: Any) -> Any:
        return own.draft(parts=[{"audience": audience, "params": params}])

    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: campaigns.create(ann, scope=other.scope),
        "create everywhere": lambda: campaigns.create(ann),
        "save": lambda: campaigns.save(ann, draft, version=draft.version, name="Mine"),
        "delete": lambda: campaigns.delete(ann, draft, version=draft.version),
        "duplicate": lambda: campaigns.duplicate(ann, draft),
        "attach": lambda: campaigns.attach(ann, draft, version=draft.version, name="a.txt", file=b"a"),
        "save_template": lambda: campaigns.save_template(ann, draft, "Mine"),
        "from_template": lambda: campaigns.from_template(ann, template, scope=own.scope),
        "import_addresses": lambda: campaigns.import_addresses(
            ann, BytesIO(b"address\nx@own.example\n"), "Mine", other.scope
        ),
        "preflight": lambda: preflight(ann, draft),
        "forecast": lambda: forecast(ann, draft),
        "preview": lambda: preview(ann, draft),
        "find_people": lambda: campaigns.find_people(ann, draft),
        "send_test": lambda: campaigns.send_test(ann, draft),
        "schedule": lambda: operations.schedule(ann, draft, version=draft.version),
        "unschedule": lambda: campaigns.unschedule(ann, scheduled),
        "reschedule": lambda: campaigns.reschedule(ann, scheduled, version=scheduled.version, timing="now"),
        "start_now": lambda: campaigns.start_now(ann, scheduled),
        "pause": lambda: campaigns.pause(ann, sent),
        "resume": lambda: campaigns.resume(ann, sent),
        "cancel": lambda: campaigns.cancel(ann, scheduled),
        "approve": lambda: campaigns.approve(ann, draft, version=draft.version),
        "follow_up": lambda: campaigns.follow_up(ann, sent, "joined"),
        "outcomes": lambda: campaigns.outcomes(ann, sent),
        "export": lambda: campaigns.export(ann, sent),
        "a cohort of theirs": lambda: with_part("cohort", cohort="Secret"),
        "a learner of theirs": lambda: with_part("selected", learners=learner.email),
        "a learner of theirs by key": lambda: with_part("selected", learners=[learner.pk]),
        "a campaign of theirs": lambda: with_part("members_of", campaign=sent.pk),
        "a list of theirs": lambda: with_part("addresses_of", list=listed.pk),
    }
    found = {name: refused(call) for name, call in calls.items()}
    client = own.client()
    theirs, mine = (f"/api/instructor_task/v1/schedules/{stage.name}/bulk_email" for stage in (other, own))
    form = {"action": "send", "send_to": '["learners"]', "subject": "Hi", "message": "<p>Hi</p>"}
    statuses = {
        "send": client.post(f"/courses/{other.name}/instructor/api/send_email", form),
        "emails": client.post(f"/courses/{other.name}/instructor/api/list_email_content"),
        "tasks": client.post(f"/courses/{other.name}/instructor/api/list_background_email_tasks"),
        "schedules": client.get(f"{theirs}/"),
        "get": client.get(f"{theirs}/{scheduled.pk}"),
        "patch": client.patch(f"{theirs}/{scheduled.pk}", "{}", "application/json"),
        "delete": client.delete(f"{theirs}/{scheduled.pk}"),
        "get as mine": client.get(f"{mine}/{scheduled.pk}"),
        "delete as mine": client.delete(f"{mine}/{scheduled.pk}"),
    }
    pages = {}
    for pattern in import_module("edx_ace.web.campaigns.urls").urlpatterns:
        for campaign in (draft, scheduled, sent):
            # Of a campaign: the others are of no scope.
            if "uuid" in pattern.pattern.converters:
                values = {"uuid": campaign.uuid, "key": 1, "verb": "cancel"}
                known = {name: values[name] for name in pattern.pattern.converters}
                address = reverse(f"ace_campaigns_web:{pattern.name}", kwargs=known)
                answers = client.get(address).status_code, client.post(address).status_code
                pages[f"{pattern.name} {campaign.state}"] = answers
    endpoints = {}
    for pattern in import_module("edx_ace.api.urls").urlpatterns:
        values = {"id": sent.uuid, "campaign": sent.uuid, "attachment": 1, "number": 1, "template": 1, "list": 1}
        known = {name: values.get(name, 1) for name in pattern.pattern.converters}
        if not known:
            continue
        address = reverse(f"ace_api:{pattern.name}", kwargs=known)
        for method in "get", "post", "put", "patch", "delete":
            status = client.generic(
                method.upper(), address, "" if method == "get" else "{}", "application/json"
            ).status_code
            if status != 405:
                endpoints[f"{method} {pattern.name}"] = status
    states = dict(Campaign.objects.filter(scope=other.scope).values_list("pk", "state"))
    return {
        "calls": found,
        "statuses": {name: response.status_code for name, response in statuses.items()},
        "pages": pages,
        "endpoints": endpoints,
        "states": sorted(states.values()),
        "own recipients": own.recipients(),
    }


@scene
def french_arabic_and_no_language() -> Any:
    """Each reads their own; whoever has said nothing reads the campaign's."""
    stage = Stage("languages")
    stage.learner("amelie", language="fr")
    stage.learner("layla", language="ar")
    stage.learner("nobody", language="")
    variants = [
        email("en", "Hello {{ first_name }}", "<p>This is new.</p>"),
        email("fr", "Bonjour {{ first_name }}", "<p>Voici du nouveau.</p>"),
        email("ar", "مرحبًا {{ first_name }}", "<p>هذا جديد.</p>"),
    ]
    stage.schedule(stage.draft(variants=variants))
    work()
    return [
        {
            "subject": str(message["Subject"]),
            "root": re.findall(r"<html[^>]*>", html(message)),
            "text": next(line for line in text(message).splitlines() if line.strip()),
        }
        for message in stage.received()
    ]


@scene
def a_person_with_markup_for_a_name() -> Any:
    """The name is text wherever it comes."""
    from edx_ace import campaigns
    from edx_ace.campaigns.preview import preview

    stage = Stage("markup")
    name = "<img src=x onerror=1>"
    stage.learner("mallory", name=name, first_name=name)
    campaign = stage.draft()
    [found] = campaigns.find_people(stage.instructor, campaign)
    seen = preview(stage.instructor, campaign, reference=found.reference)
    stage.schedule(campaign)
    work()
    [message] = stage.received()
    return {
        "subject": str(message["Subject"]).strip(),
        "is escaped": "Dear &lt;img src=x onerror=1&gt;, hello." in html(message),
        "is markup": "<img src=x" in html(message) or "<img src=x" in seen.html,
        "text": f"Dear {name}, hello." in text(message),
    }


@scene
def approval_of_300_001() -> Any:
    """One more than may go without a second person: refused to the author, approved by another, and scheduled."""
    from django.contrib.auth.models import User
    from django.test import override_settings
    from django.utils import timezone

    from courses.demo_site import DEAN
    from edx_ace import campaigns
    from edx_ace.campaigns.models import Resolution

    stage = Stage("many")
    stage.learner("first")
    dean = User.objects.create_superuser(DEAN, "dean@many.example")

    def counted(number: int) -> Any:
        campaign = stage.draft(timing="at", zone="UTC", wall_time="2040-03-01T10:00")
        Resolution.objects.create(
            campaign=campaign,
            version=campaign.version,
            done_at=timezone.now(),
            numbers={"": number},
            channels={"email": {"": number}},
        )
        return campaign

    with override_settings(ACE_CAMPAIGN_APPROVAL_SIZE=300_000):
        enough, more = counted(300_000), counted(300_001)
        found = {
            "300,000": stage.schedule(enough).state,
            "300,001": refused(lambda: stage.schedule(more)),
            "its author approves": refused(lambda: campaigns.approve(stage.instructor, more, version=more.version)),
        }
        campaigns.approve(dean, more, version=more.version)
        found["approved"] = stage.schedule(more).state
        return found


@scene
def a_start_with_more_than_were_counted() -> Any:
    """Whom an audience gives may be more when it starts: then it waits for a second person, and nothing is sent."""
    from django.test import override_settings

    from edx_ace import Recipient
    from edx_ace.campaigns import audiences
    from edx_ace.campaigns.forecasting import forecast
    from edx_ace.outbox.models import Delivery

    stage = Stage("growing")

    @audiences.register
    class Generated(audiences.Audience):
        name = "generated"
        label = "Generated"
        number = 300

        def resolve(self, scope: str, params: Any, requester: Any) -> Iterator[audiences.Person]:
            return (audiences.Person(Recipient(None, f"p{n}@growing.example")) for n in range(type(self).number))

    with override_settings(ACE_CAMPAIGN_APPROVAL_SIZE=300):
        campaign = stage.draft(parts=[{"audience": "generated"}])
        number = forecast(stage.instructor, campaign).numbers[""]
        campaign.refresh_from_db()
        stage.schedule(campaign)
        Generated.number = 301
        work()
    audiences.unregister("generated")
    campaign.refresh_from_db()
    return {
        "counted": number,
        "state": campaign.state,
        "code": campaign.code,
        "deliveries": Delivery.objects.filter(batch=campaign.uuid).count(),
    }


@scene
def a_test_to_myself() -> Any:
    """It is marked, counts nowhere, and its link to unsubscribe changes nothing."""
    from django.test import Client

    from edx_ace import campaigns
    from edx_ace.outbox.models import Delivery
    from edx_ace.preferences.models import Choice

    stage = Stage("trial")
    stage.learner("pupil")
    campaign = stage.draft()
    before = Choice.objects.count(), Delivery.objects.count()
    campaigns.send_test(stage.instructor, campaign)
    [message] = stage.received()
    link = re.sub(r"\s", "", message["List-Unsubscribe"] or "").strip("<>")
    if link:
        path = re.sub(r"^https?://[^/]+", "", link)
        Client().post(path, "List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
    return {
        "to": stage.recipients(),
        "subject": str(message["Subject"]).strip(),
        "has changed": before != (Choice.objects.count(), Delivery.objects.count()),
        "refused": refused(lambda: campaigns.send_test(stage.instructor, campaign, address="pupil@trial.example")),
    }


@scene
def what_happened_to_somebody() -> Any:
    """Somebody opted out, somebody got it; then the latter is erased, and the figures stay."""
    from django.core.management import call_command

    from edx_ace import ChannelType, campaigns
    from edx_ace.campaigns.following import progress
    from edx_ace.campaigns.models import Member
    from edx_ace.preferences import Taking, choose

    stage = Stage("privacy")
    got, out = stage.learner("got"), stage.learner("out")
    choose(out.recipient, "announcements", ChannelType.EMAIL, Taking.OFF)
    campaign = stage.schedule(stage.draft())
    work()
    campaign.refresh_from_db()

    def became(learner: Any) -> list[tuple[str, str]]:
        page = campaigns.outcomes(stage.instructor, campaign, search=learner.email)
        return [(one.state, one.code) for one in page.outcomes]

    found: dict[str, Any] = {"got": became(got), "out": became(out), "before": dict(progress(campaign).numbers)}
    call_command("ace_erase", got.email, "--no-input", stdout=StringIO())
    found["erased"] = became(got)
    found["after"] = dict(progress(campaign).numbers)
    found["is kept"] = Member.objects.filter(address=got.email).exists()
    return found


@scene
def every_audience_on_the_pages() -> Any:
    """An instructor chooses each on the page, as a browser without scripts does, counts, sends and follows."""
    from courses.models import Enrolment
    from edx_ace.campaigns.models import Campaign

    stage = Stage("pages")
    harbour = stage.learner("harbour", cohort="Harbour")
    stage.learner("verified", track="verified")
    for name, about in (("half", {"completion": 50}), ("good", {"grade": 90}), ("named", {}), ("nowhere", {})):
        learner = stage.learner(name)
        seen = datetime(2040, 1, 31, tzinfo=UTC)
        Enrolment.objects.filter(learner=learner).update(**{"completion": 100, "last_seen": seen, **about})
    Enrolment.objects.filter(learner=harbour).update(completion=100, last_seen=datetime(2019, 12, 31, tzinfo=UTC))
    Enrolment.objects.filter(learner__name="Verified").update(completion=100, last_seen=datetime.now(UTC))
    chosen = {
        "staff": {},
        "cohort": {"cohort": "Harbour"},
        "track": {"track": "verified"},
        "completion": {"at_least": "40", "at_most": "60"},
        "grade": {"at_least": "80", "at_most": "100"},
        "inactive": {"since": "2020-01-01"},
        "selected": {"learners": "Named\n"},
    }
    client = stage.client()
    page = client.get("/staff/campaigns/new/")
    address = client.post("/staff/campaigns/new/", {**form_of(page), "name": "By pages"}).url
    for number, (audience, params) in enumerate(chosen.items()):
        filled = {f"part-{number}-{name}": value for name, value in params.items()}
        page = client.post(address, {**form_of(client.get(address)), "new_audience": audience, "do": "include"})
        given = {**form_of(page), **filled, "text-0-subject": "Hello", "text-0-source": "<p>Hello</p>", "do": "save"}
        page = client.post(address, given, follow=True)
    campaign = Campaign.objects.get(name="By pages")
    answer = {"params": {part.audience: part.params for part in campaign.parts.all()}, "scope": campaign.scope}
    answer["params"]["selected"]["learners"] = len(answer["params"]["selected"]["learners"])
    answer["shows"] = "named@pages.example" in client.get(address).content.decode()
    send = f"/staff/campaigns/{campaign.uuid}/send/"
    ticked = {"accept": [problem.code for problem in warnings(stage.instructor, campaign)]}
    client.post(send, {**form_of(client.get(send), -1), **ticked, "do": "schedule"})
    work()
    campaign.refresh_from_db()
    return {**answer, "state": campaign.state, "recipients": stage.recipients()}


@scene
def the_front_end_of_an_lms() -> Any:
    """It sends at once; schedules, changes and cancels; and reads what was sent."""
    from django.test import Client

    from edx_ace.campaigns.models import Campaign

    stage = Stage("compose")
    stage.learner("ann", cohort="Harbour")
    stage.learner("bob", track="verified")
    client = stage.client()
    send, schedules = (
        f"/courses/{stage.name}/instructor/api/send_email",
        (f"/api/instructor_task/v1/schedules/{stage.name}/bulk_email"),
    )
    form = {
        "action": "send",
        "send_to": json.dumps(["myself", "staff", "cohort:Harbour", "track:verified"]),
        "subject": "News of %%COURSE_DISPLAY_NAME%%",
        "message": "<p>Dear %%USER_FULLNAME%%, until %%COURSE_END_DATE%%.</p>",
    }
    found: dict[str, Any] = {"sent": client.post(send, form).json()}
    work()
    found["recipients"] = stage.recipients()
    mail = stage.received()[0]
    found["mail"] = [str(mail["Subject"]).strip(), text(mail).splitlines()[0]]
    later = {**form, "send_to": '["learners"]', "schedule": "2040-03-01T10:00:00.000Z"}
    client.post(send, later)
    listed = client.get(f"{schedules}/").json()
    [one] = listed["results"]
    address = f"{schedules}/{one['id']}"
    found["scheduled"] = {name: one[name] for name in ("task_due",)} | {
        name: one["course_email"][name] for name in ("subject", "html_message", "targets")
    }
    change = {
        "email": {"targets": ["staff"], "subject": "Changed", "message": "<p>%%USER_FULLNAME%%</p>"},
        "schedule": "2040-03-02T11:30:00Z",
    }
    changed = client.patch(address, json.dumps(change), "application/json").json()
    found["changed"] = [changed["task_due"], changed["course_email"]["subject"], changed["course_email"]["targets"]]
    wrong_bodies = ['{"schedule": 5}', '{"email": ' + "[" * 100_000]
    found["changed wrongly"] = [client.patch(address, body, "application/json").status_code for body in wrong_bodies]
    found["deleted"] = client.delete(address).status_code
    found["deleted again"] = client.delete(address).status_code
    found["left"] = client.get(f"{schedules}/").json()["count"]
    emails = client.post(f"/courses/{stage.name}/instructor/api/list_email_content").json()["emails"]
    found["emails"] = [(one["number_sent"], one["email"]["subject"], one["requester"]) for one in emails]
    tasks = client.post(f"/courses/{stage.name}/instructor/api/list_background_email_tasks").json()["tasks"]
    found["tasks"] = [(one["task_state"], one["task_message"]) for one in tasks]
    wrong = {
        "keyword": {**form, "message": "<p>%%USER_SHOE_SIZE%%</p>"},
        "recipients": {**form, "send_to": '["everybody"]'},
        "no list": {**form, "send_to": "learners"},
        "cohort": {**form, "send_to": '["cohort:Nowhere"]'},
        "past": {**form, "schedule": "2020-01-01T10:00:00Z"},
        "no time": {**form, "schedule": "soon"},
        "no year": {**form, "schedule": "9999-12-31T23:59:00-12:00"},
        "nested": {**form, "send_to": "[" * 100_000},
        "action": {**form, "action": "delete"},
        "nothing": {},
    }
    answers = {name: client.post(send, given) for name, given in wrong.items()}
    found["wrong"] = {name: [answer.status_code, answer.json()["error"]] for name, answer in answers.items()}
    found["stranger"] = Client().post(send, form).status_code
    found["campaigns"] = Campaign.objects.filter(scope=stage.scope).count()
    return found


if __name__ == "__main__":
    sys.path.insert(0, "test_project")
    play()
