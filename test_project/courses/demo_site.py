"""
Internal: the content of the demo site: twelve courses and five hundred learners, all invented.

The same people come out every time: nothing here is random, so that a figure, a test or a screenshot can be compared
with yesterday's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import cycle, islice, product
from typing import Any

import attrs
from django.contrib.auth.models import User
from django.db import transaction

from courses.models import Cohort, Course, Enrolment, Learner, Track
from courses.scopes import scope_of
from edx_ace import ChannelType
from edx_ace.preferences import Taking, choose
from edx_ace.preferences.models import Choice


@attrs.frozen
class _Plan:
    slug: str
    language: str
    weeks: int
    title: str
    summary: str


COURSES = [
    _Plan(
        "statistics-for-the-curious",
        "en",
        6,
        "Statistics for the Curious",
        "Read a chart, doubt it, and say by how much.",
    ),
    _Plan(
        "writing-that-works", "en", 4, "Writing That Works", "Letters, reports and notices that people finish reading."
    ),
    _Plan(
        "the-night-sky",
        "en",
        8,
        "The Night Sky with Your Own Eyes",
        "Planets, seasons and constellations; no telescope needed.",
    ),
    _Plan("sauerteig", "de", 5, "Brot backen mit Sauerteig", "Vom ersten Ansatz bis zum Laib, der gelingt."),
    _Plan(
        "wahrscheinlichkeit",
        "de",
        6,
        "Einführung in die Wahrscheinlichkeitsrechnung",
        "Würfel, Wetter und Wartezeiten: mit dem Zufall rechnen.",
    ),
    _Plan(
        "gaerten-und-boeden",
        "de",
        7,
        "Gärten & Böden: Ökologie vor der Haustür",
        "Was unter unseren Füßen lebt und warum es zählt.",
    ),
    _Plan("hajimete-no-data", "ja", 6, "はじめてのデータ分析", "身近な数字を集め、まとめ、図にして読み解きます。"),
    _Plan("tegami-no-kakikata", "ja", 4, "手紙の書き方入門", "季節のあいさつからお礼状まで、伝わる手紙を学びます。"),
    _Plan("umi-no-ikimono", "ja", 8, "海辺の生きもの観察", "磯の観察ノートをつけながら、海の生態系を知ります。"),
    _Plan("ilm-al-falak", "ar", 6, "مدخل إلى علم الفلك", "من حركة القمر إلى أطوار النجوم، خطوة بخطوة."),
    _Plan("al-kitaba-al-ibdaiya", "ar", 5, "الكتابة الإبداعية", "تمارين أسبوعية في القصة القصيرة والمقالة الشخصية."),
    _Plan("barmajat-python", "ar", 8, "أساسيات البرمجة بلغة Python", "اكتب أول برنامج لك ثم طوّره حتى يصبح أداة نافعة."),
]


@attrs.frozen(kw_only=True)
class _Pool:
    """
    People who share a script and a language.

    Attributes:
        given, family: Names, comma-separated; outside Latin scripts each with its romanisation (``蓮=ren``).

        join: How a full name is written.
    """

    how_many: int
    language: str
    time_zone: str
    domains: tuple[str, ...]
    given: str
    family: str
    join: str = "{given} {family}"

    def people(self) -> Iterator[tuple[str, str, str]]:
        """Yield full names with first names and mailbox names: neighbours share no name, and no pair comes twice."""
        given, family = _names(self.given), _names(self.family)
        for round_, (index, (first, first_roman)) in product(range(len(family)), enumerate(given)):
            last, last_roman = family[(index + round_) % len(family)]
            yield self.join.format(given=first, family=last), first, f"{first_roman}.{last_roman}"


def _names(text: str) -> list[tuple[str, str]]:
    pairs = (entry.partition("=") for entry in text.split(","))
    return [(name, roman or _ascii(name)) for name, _, roman in pairs]


#: Letters that are no plain letter with a mark.
_SPELT = {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i"}


def _ascii(name: str) -> str:
    """Return *name*, of a Latin script, as a mailbox name has it."""
    letters = unicodedata.normalize("NFKD", "".join(_SPELT.get(letter, letter) for letter in name.lower()))
    return "".join(letter for letter in letters if letter.isascii() and (letter.isalnum() or letter == "-"))


#: People whose names catch out careless software, with their mailboxes' names.
_FIRST_PEOPLE = [
    ("O'Brien & Co", "obrien.and.co", "en", "Europe/Dublin", "example.com"),
    ('Rosalind "Roz" Fairweather-Øyen', "roz", "en", "Europe/Oslo", "example.org"),
    ("Li", "li", "en", "Asia/Singapore", "example.net"),
    ("María-José Íñiguez i Puig de la Fontana", "mj", "de", "Europe/Madrid", "bücher.example"),
]

_POOLS = [
    _Pool(
        how_many=52,
        language="en",
        time_zone="Europe/London",
        domains=("example.com", "example.org"),
        given=("Imogen,Rhys,Saoirse,Callum,Niamh,Gareth,Zoë,Fergus,Bronwyn,Desmond,Chloë,Alasdair,Winifred"),
        family=("O'Dwyer,Fitzwarren,MacAskill,Pritchard-Hale,Ní Bhriain,Thistlewood,Llewelyn,Ashcombe,D'Arcy-Quill"),
    ),
    _Pool(
        how_many=34,
        language="en",
        time_zone="America/Chicago",
        domains=("example.com", "example.net"),
        given="Renée,Marcus,Inés,Tobias,Noemí,Wendell,Aïssatou,Lucía,Thandiwe,Amadou,Beatriz",
        family="Castellón,Whitlock,Núñez-Ortega,Diabaté,Fontaine,Mkhabela,Ribeiro,Van der Linde",
    ),
    _Pool(
        how_many=32,
        language="en",
        time_zone="Asia/Kolkata",
        domains=("example.org", "campus.test"),
        given=("आरव=aarav,मीरा=meera,रोहन=rohan,अनन्या=ananya,ईशान=ishaan,काव्या=kavya,निखिल=nikhil,तारा=tara"),
        family=("कुलकर्णी=kulkarni,जोशी=joshi,त्रिपाठी=tripathi,देशपांडे=deshpande,मिश्रा=mishra,चौधरी=chaudhary,बंसल=bansal"),
    ),
    _Pool(
        how_many=28,
        language="en",
        time_zone="Europe/Athens",
        domains=("example.net", "campus.test"),
        given=("Ελένη=eleni,Νίκος=nikos,Δάφνη=dafni,Στέλιος=stelios,Ιφιγένεια=ifigeneia,Θανάσης=thanasis,Μυρτώ=myrto"),
        family=("Καραγιάννης=karagiannis,Θεοδώρου=theodorou,Μαυρίδης=mavridis,Ζαχαρίου=zachariou,Ξενάκη=xenaki"),
    ),
    _Pool(
        how_many=62,
        language="de",
        time_zone="Europe/Berlin",
        domains=("bücher.example", "example.org", "example.net"),
        given=("Jörg,Käthe,Götz,Bärbel,Lüder,Annelie,Sönke,Änne,Friedhelm,Mareike,Till,Rüdiger,Hannelore"),
        family=("Großkopf,Öhlschläger,Weißgerber,Brückner,Süßmilch,Köhlbrandt,Rößler,von der Heyde,Ährenfeld"),
    ),
    _Pool(
        how_many=24,
        language="de",
        time_zone="Europe/Zurich",
        domains=("example.com", "bücher.example"),
        given="Żaneta,Łukasz,İpek,Çağla,Tuğrul,Dragoslav,Đurđica,Søren,Åse,Břetislav,Eliška",
        family="Wróblewski,Yıldırımoğlu,Kovačević,Dvořáková,Østergaard,Szczepański,Güneş",
    ),
    _Pool(
        how_many=30,
        language="de",
        time_zone="Europe/Vienna",
        domains=("example.org", "campus.test"),
        given=("Олена=olena,Тарас=taras,Людмила=lyudmila,Богдан=bohdan,Зоряна=zoriana,Юрій=yurii,Ярина=yaryna"),
        family=("Коваленко=kovalenko,Щербина=shcherbyna,Гнатюк=hnatiuk,Жураковська=zhurakovska,Їжакевич=yizhakevych"),
    ),
    _Pool(
        how_many=78,
        language="ja",
        time_zone="Asia/Tokyo",
        domains=("example.com", "例え.example", "example.org"),
        given=(
            "颯太=sota,陽菜=hina,蓮=ren,結衣=yui,大和=yamato,美咲=misaki,"
            "悠真=yuma,さくら=sakura,健=ken,千尋=chihiro,つむぎ=tsumugi"
        ),
        family=(
            "藤原=fujiwara,小野寺=onodera,髙橋=takahashi,渡邉=watanabe,"
            "五十嵐=igarashi,長谷川=hasegawa,東雲=shinonome,榊=sakaki"
        ),
        join="{family} {given}",
    ),
    _Pool(
        how_many=24,
        language="ja",
        time_zone="Asia/Taipei",
        domains=("example.net", "campus.test"),
        given="雅婷=yating,志豪=zhihao,佩君=peijun,俊傑=junjie,詩涵=shihan,宗翰=zonghan,欣怡=xinyi",
        family="歐陽=ouyang,葉=ye,賴=lai,蕭=xiao,魏=wei",
        join="{family}{given}",
    ),
    _Pool(
        how_many=16,
        language="ja",
        time_zone="Asia/Seoul",
        domains=("example.org",),
        given="서준=seojun,하은=haeun,도윤=doyun,지우=jiu,예린=yerin",
        family="남궁=namgung,백=baek,신=shin,황=hwang",
        join="{family}{given}",
    ),
    _Pool(
        how_many=64,
        language="ar",
        time_zone="Africa/Cairo",
        domains=("example.com", "مثال.example", "example.org"),
        given=(
            "ليلى=layla,يوسف=yusuf,مريم=maryam,خالد=khalid,نور=nour,سلمى=salma,"
            "طارق=tariq,هناء=hanaa,زياد=ziyad,رنا=rana,عمر=omar"
        ),
        family=(
            "البغدادي=albaghdadi,القاسم=alqasim,حداد=haddad,الشامي=alshami,"
            "النجار=alnajjar,عبد الرحيم=abdulrahim,الزهراني=alzahrani"
        ),
    ),
    _Pool(
        how_many=52,
        language="ar",
        time_zone="Asia/Riyadh",
        domains=("example.net", "campus.test"),
        given=(
            "عبد العزيز=abdulaziz,فاطمة=fatima,سعود=saud,أمينة=amina,إبراهيم=ibrahim,"
            "جواهر=jawaher,راشد=rashid,شيماء=shaima,مؤيد=muayyad"
        ),
        family=(
            "الدوسري=aldosari,بن ناصر=binnasser,العتيبي=alotaibi,الأنصاري=alansari,المطيري=almutairi,الحربي=alharbi"
        ),
    ),
]


_STRIDE = 181

#: Which learners want no mail about their courses: the one of this number, and as many further on each time.
_FIRST_OPTED_OUT, _STRIDE_OPTED_OUT = 90, 100

#: Names, and passwords as well, of the user who runs the site, of one who may approve what that one writes to
#: everybody, and of one who teaches the courses named.
STAFF, DEAN, INSTRUCTOR = "staff", "dean", "instructor"
TAUGHT = ("statistics-for-the-curious", "writing-that-works", "gaerten-und-boeden")

_USERS: dict[str, dict[str, Any]] = {
    STAFF: {"is_staff": True, "is_superuser": True},
    DEAN: {
        "email": "dean@campus.test",
        "first_name": "Ottoline",
        "last_name": "Marchbanks",
        "is_staff": True,
        "is_superuser": True,
    },
    # May log in where the others do, and has no permission there.
    INSTRUCTOR: {
        "email": "instructor@campus.test",
        "first_name": "Ingrid",
        "last_name": "Solheim",
        "is_staff": True,
    },
}

_COHORTS = ("Harbour", "Lighthouse")
#: Which learners have closed their account: the one of this number, and as many further on each time.
_FIRST_INACTIVE, _STRIDE_INACTIVE = 150, 100
#: How much of a course is done before something is marked, and how much when it is complete.
_FIRST_MARK, _COMPLETE = 15, 97


def load(today: datetime) -> None:
    """
    Fill the database with the demo site, or bring it up to date; nothing comes twice.

    Args:
        today: Aware; courses begin in the weeks after it.
    """
    monday = datetime.combine(today.date() + timedelta(days=7 - today.weekday()), time(9), UTC)
    courses = [
        Course(starts_at=monday + timedelta(days=7 * (number % 3), hours=number // 3), **attrs.asdict(plan))
        for number, plan in enumerate(COURSES)
    ]
    with transaction.atomic():
        _upsert(courses, "slug")
        _upsert(learners(), "email")
        _add_staff()
        Cohort.objects.bulk_create(
            (Cohort(course=course, name=name) for course in Course.objects.all() for name in _COHORTS),
            ignore_conflicts=True,
        )
        _upsert(list(_enrolments(today)), "learner", "course")
        _opt_out()


def learners() -> list[Learner]:
    """Return the learners, unsaved and always the same."""
    first = [
        Learner(name=name, email=f"{mailbox}@{domain}", language=language, time_zone=time_zone)
        for name, mailbox, language, time_zone, domain in _FIRST_PEOPLE
    ]
    others = []
    for pool in _POOLS:
        domains = cycle(pool.domains)
        others += [
            Learner(
                name=name,
                first_name=first_name,
                email=f"{mailbox}@{next(domains)}",
                language=pool.language,
                time_zone=pool.time_zone,
            )
            for name, first_name, mailbox in islice(pool.people(), pool.how_many)
        ]
    # Languages come mixed, as people do: a stride that shares no divisor with the number of people meets each once.
    mixed = first + [others[number * _STRIDE % len(others)] for number in range(len(others))]
    for learner in mixed[_FIRST_INACTIVE::_STRIDE_INACTIVE]:
        learner.is_active = False
    return mixed


def _add_staff() -> None:
    """
    Add the users; the site is reachable from here alone.

    One may see everything and is the first learner, one helps with that, and one teaches.
    """
    there = set(User.objects.values_list("username", flat=True))
    for name, about in _USERS.items():
        if name not in there:
            User.objects.create_user(name, password=name, **about)
    for course in Course.objects.filter(slug__in=TAUGHT):
        course.instructors.set(User.objects.filter(username=INSTRUCTOR))
    Learner.objects.filter(pk=Learner.objects.values("pk")[:1]).update(user=User.objects.get(username=STAFF))


def _opt_out() -> None:
    """Let a few learners want no mail about their courses, and nobody want anything else than they did at first."""
    Choice.objects.all().delete()
    for learner in Learner.objects.order_by("pk")[_FIRST_OPTED_OUT::_STRIDE_OPTED_OUT]:
        choose(learner.recipient, "courses", ChannelType.EMAIL, Taking.OFF, source="page")
        choose(learner.recipient, "announcements", ChannelType.EMAIL, Taking.OFF, source="page")
    # The first, whom the one user is, wants no reminders in one of their courses.
    first = Enrolment.objects.select_related("learner", "course").order_by("learner", "pk")[0]
    choose(first.learner.recipient, "deadlines", ChannelType.EMAIL, Taking.OFF, scope=scope_of(first.course))


def _enrolments(today: datetime) -> Iterator[Enrolment]:
    """Yield a course in their own language for everyone and, for every fifth learner, one in the next language."""
    cohorts: dict[int, list[Cohort]] = {}
    for cohort in Cohort.objects.order_by("pk"):
        cohorts.setdefault(cohort.course_id, []).append(cohort)
    for number, (learner, course) in enumerate(_who_takes_what()):
        # Strides that share no divisor with a hundred.
        completion = number * 37 % 100
        completed = completion >= _COMPLETE
        last_seen = None if completion < 5 else today - timedelta(days=number * 13 % 60)
        yield Enrolment(
            learner=learner,
            course=course,
            cohort=cohorts[course.pk][number // 3 % len(_COHORTS)],
            track=Track.VERIFIED if number % 3 == 0 else Track.AUDIT,
            completion=100 if completed else completion,
            grade=number * 29 % 101 if completion >= _FIRST_MARK else None,
            last_seen=last_seen,
            completed_at=last_seen if completed else None,
        )


def _who_takes_what() -> Iterator[tuple[Learner, Course]]:
    by_language: dict[str, list[Course]] = {}
    for course in Course.objects.order_by("pk"):
        by_language.setdefault(course.language, []).append(course)
    languages = list(by_language)
    for number, learner in enumerate(Learner.objects.order_by("pk")):
        at_home = by_language[learner.language]
        yield learner, at_home[number % len(at_home)]
        if number % 5 == 0:
            abroad = by_language[languages[(languages.index(learner.language) + 1) % len(languages)]]
            yield learner, abroad[number % len(abroad)]


def _upsert(rows: list[Any], *unique: str) -> None:
    model = type(rows[0])
    changing = [field.name for field in model._meta.concrete_fields if field.name not in ("id", "user", *unique)]
    model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=unique, update_fields=changing)
