"""
Internal: who becomes a member, who does not, and that nobody is missed or found twice whatever happens meanwhile.
"""

from __future__ import annotations

import json
import threading
from itertools import count
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.db.models.signals import post_delete
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from edx_ace import Recipient
from edx_ace.campaigns import audiences, looking, resolving
from edx_ace.campaigns.audiences import Audience, Person
from edx_ace.campaigns.errors import CampaignError, UnknownAudienceError
from edx_ace.campaigns.models import Exclusion, Member
from edx_ace.campaigns.resolving import resolve
from edx_ace.outbox.models import Payload
from edx_ace.outbox.people import person_key
from tests.pipeline import always, never

pytestmark = pytest.mark.django_db


@pytest.fixture
def small_chunks(monkeypatch):
    """Three rows are read at a time."""
    monkeypatch.setattr(resolving, "CHUNK_SIZE", 3)


@pytest.fixture
def audience(registered):
    """Return a function that registers an audience which resolves to what its argument returns."""
    made = []

    def make(answer, person=lambda self, row: Person(Recipient(row.pk, row.email)), **fields):
        one = type("One", (Audience,), {"name": "one", "label": "One", "resolve": answer, "person": person, **fields})
        audiences.register(one)
        made.append(one)

    yield make
    for one in made:
        audiences.unregister(one.name)


def members(resolution):
    """Return who gets something: the addresses, in the order in which they were found."""
    return list(resolution.members.filter(reason="").order_by("pk").values_list("address", flat=True))


def test_each_row_becomes_a_member(resolution, accounts):
    """
    Known by account and address, found again by the key of its row.
    """
    ann, bob = accounts(2)
    found = resolution("accounts")

    assert resolve(found, always) is True

    assert list(
        found.members.order_by("pk").values_list("recipient", "address", "key", "part", "reason", "person")
    ) == [
        (str(ann.pk), "user0@example.com", str(ann.pk), 0, "", ""),
        (str(bob.pk), "user1@example.com", str(bob.pk), 0, "", ""),
    ]
    assert found.done_at is not None
    assert found.numbers == {"": 2}


def test_a_union_has_everybody_once(resolution, accounts, small_chunks):
    """
    Whoever belongs to both audiences is found by the first.
    """
    accounts(5, "ann")
    accounts(5, "bob")
    found = resolution(("accounts", {"start": "ann"}), "accounts")

    resolve(found, always)

    assert len(members(found)) == found.numbers[""] == 10
    assert found.members.filter(part=0).count() == 5


def test_an_address_gets_one_message_however_it_is_written(resolution, accounts, listed):
    """
    In other case, with a name beside it, of an account and of a list.
    """
    accounts(1, "ann", email="Ann@Example.COM")
    listed("friends", "ann@example.com", "Ann <ANN@example.com>", "bob@example.com")
    found = resolution("accounts", ("listed", {"list": "friends"}))

    resolve(found, always)

    assert members(found) == ["ann@example.com", "bob@example.com"]


def test_a_person_with_two_addresses_gets_one_message(resolution, given):
    """
    The first that was found.
    """
    given.people = [Person(Recipient(7, "ann@example.com")), Person(Recipient("7", "ann@example.org"))]
    found = resolution("given")

    resolve(found, always)

    assert members(found) == ["ann@example.com"]


def test_a_row_that_comes_twice_is_found_once(resolution, accounts, audience, small_chunks):
    """
    Also where one page ends and the next begins.
    """
    audience(lambda self, scope, params, requester: User.objects.filter(groups__isnull=False))
    for user in accounts(4):
        user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in ("a", "b")))
    User.objects.filter(username__endswith="2").update(email="")
    found = resolution("one")

    resolve(found, always)

    assert found.numbers == {"": 3, "no_address": 1}


@pytest.mark.parametrize("excluded", [("-listed", {"list": "not"}), ("-accounts", {"start": "bob"}), "-given"])
def test_whoever_is_excluded_gets_nothing(excluded, resolution, accounts, listed, given, small_chunks):
    """
    By the same model, by another or by none, wherever it stands; counted are those who would have got something.
    """
    accounts(4, "ann")
    [bob] = accounts(1, "bob")
    listed("not", "Bob0@Example.com", "somebody@example.com")
    given.people = [Person(Recipient(bob.pk, "another@example.com"))]
    found = resolution("accounts", excluded)

    resolve(found, always)

    assert members(found) == [f"ann{number}@example.com" for number in range(4)]
    assert found.numbers == {"": 4, "excluded": 1}
    assert not Exclusion.objects.exists()


def test_an_address_is_excluded_with_any_person_who_has_it(resolution, given, listed):
    """
    The excluded person was there already, with another address.
    """
    listed("not", "ann@example.com")
    given.people = [
        Person(Recipient(7, "ann@example.com")),
        Person(Recipient(8, "ann@example.com")),
        Person(Recipient(9, "bob@example.com")),
    ]
    found = resolution(("-listed", {"list": "not"}), "given")

    resolve(found, always)

    assert members(found) == ["bob@example.com"]
    assert found.numbers == {"": 1, "excluded": 2}


def test_reasons_say_why_somebody_gets_nothing(resolution, given):
    """
    And who cannot be told from others is counted all the same.
    """
    given.people = [
        Person(Recipient(1, "ann@example.com")),
        Person(Recipient(2, "")),
        Person(Recipient(None, None)),
        Person(Recipient(None, None)),
        Person(Recipient(3, "no mailbox")),
        Person(Recipient(4, "bob@example.com"), is_active=False),
        Person(Recipient(5, "bob@example.com")),
    ]
    found = resolution("given")

    resolve(found, always)

    assert found.numbers == {"": 2, "no_address": 3, "bad_address": 1, "inactive": 1}
    # An address is free for others if the one who has it too gets nothing.
    assert members(found) == ["ann@example.com", "bob@example.com"]


def test_over_other_channel_types_an_address_may_not_be_needed(resolution, given):
    """
    A person is known to the channel by their account; a number is kept.
    """
    given.people = [Person(Recipient(1, None)), Person(Recipient(2, None, addresses={"sms": "+4930123"}))]
    both, numbers = resolution("given", channel_types="email,push,sms"), resolution("given", channel_types="sms")

    resolve(both, always)
    resolve(numbers, always)

    assert both.numbers == {"": 2}
    assert list(both.members.order_by("pk").values_list("addresses", flat=True)) == ["", '{"sms": "+4930123"}']
    assert numbers.numbers == {"": 1, "no_address": 1}


def test_what_is_no_queryset_is_kept_with_its_members(resolution, given):
    """
    The audience is not asked for them again.
    """
    person = Person(
        Recipient("ann", "ann@example.com"), values={"first_name": "Ann"}, language="de", zone="Europe/Berlin"
    )
    given.people = [person]
    found = resolution("given")

    resolve(found, always)

    [member] = found.members.all()
    assert (member.key, member.zone) == ("", "Europe/Berlin")
    assert Person.from_json(json.loads(member.person)) == person


def test_a_zone_that_does_not_exist_is_none(resolution, given):
    """
    It is what people's profiles say.
    """
    given.people = [
        Person(Recipient(number, f"{number}@example.com"), zone=zone)
        for number, zone in enumerate(["Mars/Olympus", "../../etc", "x" * 300, "\0", "", None])
    ]
    found = resolution("given")

    resolve(found, always)

    assert set(found.members.values_list("zone", flat=True)) == {""}


@pytest.mark.parametrize(
    "answer",
    [
        lambda: User.objects.order_by("-username")[:2],
        lambda: User.objects.filter(username="user000000").union(User.objects.filter(username="user000001")),
    ],
)
def test_a_queryset_that_cannot_be_filtered_is_taken_as_it_is(answer, resolution, accounts, audience):
    """
    A slice or a union.
    """
    audience(lambda self, scope, params, requester: answer())
    accounts(4)
    found = resolution("one")

    resolve(found, always)

    assert found.numbers == {"": 2}
    assert not found.members.filter(person="").exists()


def test_a_primary_key_may_be_a_text(resolution, audience, small_chunks):
    """
    It is read in the order of the database.
    """
    audience(
        lambda self, scope, params, requester: Session.objects.all(),
        lambda self, row: Person(Recipient(row.pk, f"{row.pk.lower()}@example.com")),
    )
    keys = [f"{letter}{number}" for letter in ("a", "Zz", "_", "é") for number in range(5)]
    Session.objects.bulk_create(Session(session_key=key, expire_date=timezone.now()) for key in keys)
    found = resolution("one")

    resolve(found, always)

    assert set(found.members.values_list("key", flat=True)) == set(keys)


def test_a_primary_key_may_be_a_uuid(resolution, audience, small_chunks):
    """
    As those of messages are.
    """
    audience(
        lambda self, scope, params, requester: Payload.objects.all(),
        lambda self, row: Person(Recipient(row.pk, f"{row.pk}@example.com")),
    )
    payloads = [Payload(uuid=uuid4(), content="", created_at=timezone.now()) for _ in range(10)]
    Payload.objects.bulk_create(payloads)
    found = resolution("one")

    resolve(found, always)

    assert set(found.members.values_list("key", flat=True)) == {str(payload.pk) for payload in payloads}


def test_reading_goes_on_where_time_was_over(resolution, accounts, small_chunks):
    """
    A chunk each time it is called, so that it comes to an end however short the time is.
    """
    accounts(7)
    found = resolution("accounts")

    done = [resolve(type(found).objects.get(pk=found.pk), never) for _ in range(4)]

    assert done == [False, False, False, True]
    assert len(members(found)) == 7


def test_nobody_is_missed_while_the_audience_changes(resolution, accounts, small_chunks):
    """
    Some leave and some join behind and before the place that reading has come to.
    """
    users = accounts(9)
    found = resolution("accounts")
    resolve(found, never)

    users[0].delete()
    users[4].delete()
    accounts(2, "late")
    resolve(found, always)

    assert members(found) == [
        *(f"user{number}@example.com" for number in (0, 1, 2, 3, 5, 6, 7, 8)),
        "late0@example.com",
        "late1@example.com",
    ]


def test_people_that_are_no_queryset_are_read_to_their_end(resolution, given, small_chunks):
    """
    They would have to begin anew.
    """
    given.people = [Person(Recipient(number, f"{number}@example.com")) for number in range(8)]
    found = resolution("given")

    assert resolve(found, never) is True
    assert len(members(found)) == 8


def test_people_that_are_no_queryset_begin_anew_after_a_crash(resolution, given, small_chunks):
    """
    Those who were found are there; those whom nothing tells from others are not there twice.
    """
    people = [Person(Recipient(number, f"{number}@example.com")) for number in range(4)]
    people.insert(1, Person(Recipient(None, None)))
    given.people = [*people, None]
    found = resolution("given")
    with pytest.raises(CampaignError):
        resolve(found, always)
    assert found.members.count() == 3

    given.people = people
    resolve(type(found).objects.get(pk=found.pk), always)

    found.refresh_from_db()
    assert found.numbers == {"": 4, "no_address": 1}


def test_whoever_began_last_reads_what_is_no_queryset(resolution, given, small_chunks):
    """
    The one that was thought to be dead stops.
    """
    people = [Person(Recipient(number, f"{number}@example.com")) for number in range(8)]
    found = resolution("given")
    numbers = count()

    class Slow(list):
        def __iter__(self):
            for person in people:
                if next(numbers) == 4:
                    assert resolve(type(found).objects.get(pk=found.pk), always) is True
                yield person

    given.people = Slow()
    resolve(found, always)

    found.refresh_from_db()
    assert found.numbers == {"": 8}


def test_an_audience_that_fails_says_which(resolution, audience):
    """
    It fails the campaign, for which it would fail every time.
    """

    def fail(self, scope, params, requester):
        raise RuntimeError("Password: secret")

    audience(fail)

    with pytest.raises(CampaignError, match="audience 'one' cannot be read: it raised RuntimeError") as caught:
        resolve(resolution("one"), always)
    assert caught.value.code == "audience_failed"
    assert "secret" not in str(caught.value)


def test_a_database_that_is_away_fails_nothing(resolution, audience):
    """
    It is asked again later.
    """

    def fail(self, scope, params, requester):
        raise OperationalError

    audience(fail)

    with pytest.raises(OperationalError):
        resolve(resolution("one"), always)


@pytest.mark.parametrize("answer", [None, 7, ["ann@example.com"], User])
def test_an_audience_gives_people(answer, resolution, audience):
    """
    Anything else is said to be wrong.
    """
    audience(lambda self, scope, params, requester: answer)

    with pytest.raises(CampaignError, match="audience 'one' must give") as caught:
        resolve(resolution("one"), always)
    assert caught.value.code == "bad_audience"


def test_an_audience_that_is_gone_or_not_offered_is_refused(resolution, audience):
    """
    Either may have happened since it was chosen.
    """
    with pytest.raises(UnknownAudienceError):
        resolve(resolution("former"), always)
    audience(lambda *_: [], is_offered=lambda self, scope, requester: False)
    with pytest.raises(CampaignError, match="not offered"):
        resolve(resolution("one"), always)


def test_an_empty_audience_has_no_members(resolution):
    """
    Nor has a campaign without audiences.
    """
    for found in (resolution("accounts"), resolution()):
        assert resolve(found, always) is True
        assert found.numbers == {}
        assert resolve(found, always) is True


@pytest.mark.django_db(transaction=True)
def test_three_that_resolve_at_once_find_each_once(resolution, accounts, listed, at_once, monkeypatch):
    """
    Whoever is second learns how far the first has come.
    """
    monkeypatch.setattr(resolving, "CHUNK_SIZE", 20)
    accounts(200)
    User.objects.filter(username__endswith="7").update(email="")
    listed("not", *(f"user{number}@example.com" for number in range(0, 200, 10)))
    found = resolution("accounts", ("-listed", {"list": "not"}))

    done = at_once(lambda: resolve(type(found).objects.get(pk=found.pk), always), 3)

    assert done == [True, True, True]
    found.refresh_from_db()
    assert found.numbers == {"": 160, "no_address": 20, "excluded": 20}


def test_no_page_reads_a_table_from_its_beginning(resolution, accounts, listed, small_chunks):
    """
    Rows are found by their key, and who is excluded by an index.
    """
    accounts(4)
    listed("not", "user0@example.com")
    found = resolution("accounts", ("-listed", {"list": "not"}))
    with CaptureQueriesContext(connection) as captured:
        resolve(found, always)

    pages = [one["sql"] for one in captured if one["sql"].startswith("SELECT") and "LIMIT 3" in one["sql"]]
    assert any("auth_user" in page and " > " in page for page in pages)
    assert not any("OFFSET" in page for page in pages)
    reads = [one["sql"] for one in captured if one["sql"].startswith("SELECT")]
    lookups = [sql for sql in reads if "ace_campaigns_exclusion" in sql]
    people, addresses, *_ = lookups
    assert "ace_campaigns_no_person" in plan(people)
    assert "ace_campaigns_no_address" in plan(addresses)


def plan(sql):
    """Return how the database answers *sql*, if it takes an index wherever it can."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of a few rows it reads all.
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        return str(cursor.fetchall())


def test_whom_a_digest_names_is_found_by_their_address(resolution, given):
    """
    People without an account are known by their address.
    """
    given.people = [Person(Recipient(None, "Ann@example.com"))]
    found = resolution("given")

    resolve(found, always)

    assert Member.objects.get().recipient == person_key(Recipient(None, "ann@example.com"))


@pytest.mark.parametrize("number", [10, 50])
def test_people_of_an_earlier_campaign_take_few_queries(number, resolution, accounts, django_assert_max_num_queries):
    """
    However many they are, found or looked at.
    """
    accounts(number)
    earlier = resolution("accounts")
    resolve(earlier, always)
    again = resolution(("members_of", {"campaign": earlier.campaign_id}))

    with django_assert_max_num_queries(20):
        resolve(again, always)
    with django_assert_max_num_queries(10):
        seen = looking.look(again.campaign, 100)

    assert again.numbers == {"": number}
    assert len(seen) == number


@pytest.mark.skipif(not connection.features.has_select_for_update, reason="SQLite locks no rows.")
@pytest.mark.parametrize("is_listened_to", [False, True])
@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_while_it_is_resolved_leaves_no_members(resolution, accounts, monkeypatch, is_listened_to):
    """
    Whoever deletes it waits for those who are writing some, and nobody writes any after that.
    """
    if is_listened_to:
        # Then Django reads beforehand what there is to delete.
        monkeypatch.setattr(post_delete, "has_listeners", lambda sender=None: True)
    accounts(4)
    found = resolution("accounts")
    insert_lines = resolving.insert_lines

    def delete():
        try:
            found.campaign.delete()
        finally:
            connection.close()

    def insert(*args, **options):
        deleting.start()
        deleting.join(0.5)
        insert_lines(*args, **options)

    deleting = threading.Thread(target=delete)
    monkeypatch.setattr(resolving, "insert_lines", insert)

    resolve(type(found).objects.get(pk=found.pk), never)
    deleting.join()

    assert not type(found).objects.exists()
    assert not Member.objects.exists()


@pytest.mark.parametrize("is_twice", [False, True])
def test_whoever_is_called_oddly_is_written_as_they_are(resolution, given, is_twice):
    """
    Nothing in a text means anything to the database, whether or not somebody is there already.
    """
    odd = ["O'Neil", 'say "hi"', "C:\\new", "100 %s", "$$; --", "{a,b}", "NULL", "line\nbreak", "ünï"]
    people = [Person(Recipient(name, f"o'{number}@example.com")) for number, name in enumerate(odd)]
    given.people = people * 2 if is_twice else people
    found = resolution("given")

    resolve(found, always)

    assert set(found.members.values_list("recipient", flat=True)) == set(odd)
    assert found.numbers == {"": len(odd)}
