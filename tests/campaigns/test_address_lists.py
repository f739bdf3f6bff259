"""
Internal: tests of lists of addresses.
"""

from __future__ import annotations

import io
import tracemalloc

import pytest

from edx_ace.campaigns.address_lists import import_addresses
from edx_ace.campaigns.errors import RefusedError
from edx_ace.campaigns.models import AddressList, ListedAddress

pytestmark = pytest.mark.django_db


def kept(content: bytes) -> list[tuple[str, str, str]]:
    found = import_addresses(None, io.BytesIO(content), "List")
    assert found.number == found.addresses.addresses.count()
    return list(ListedAddress.objects.order_by("pk").values_list("address", "name", "language"))


def refused(content: bytes) -> list[tuple[str, int]]:
    with pytest.raises(RefusedError) as caught:
        import_addresses(None, io.BytesIO(content), "List")
    assert not AddressList.objects.exists()
    assert not ListedAddress.objects.exists()
    return [(problem.code, problem.line) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "content",
    [
        "address,name,language\nann@example.com,Ann Ö,de\nbo@example.com,,\n",
        "\ufeffaddress;name;language\r\nann@example.com;Ann Ö;de\r\nbo@example.com;;\r\n",
        "Address\tName\tLanguage\nann@example.com\tAnn Ö\tDE\n\n\t\t\nbo@example.com",
        'language,"name",address\nde,"Ann Ö",ann@example.com\n,,bo@example.com\n',
        "address,name,language\nAnn Ö <ann@example.com>,,de\nbo@example.com\n",
    ],
)
def test_a_file_may_look_like_this(content):
    """
    With a byte order mark or without, whatever stands between columns, in any order.
    """
    assert kept(content.encode()) == [("ann@example.com", "Ann Ö", "de"), ("bo@example.com", "", "")]


def test_all_that_is_wrong_is_told_by_line_and_nothing_is_kept():
    """
    Also what comes after thousands of good lines.
    """
    good = "".join(f"user{number}@example.com,,\n" for number in range(2500))
    content = f"address,name,language\n{good}nobody,,\nann@example.com,{'x' * 201},no language\na@example.com,b,c,d\n"

    assert refused(content.encode()) == [
        ("bad_address", 2502),
        ("bad_name", 2503),
        ("bad_language", 2503),
        ("bad_row", 2504),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", [("no_column", 1)]),
        (b"address\n", [("empty", 0)]),
        (b"adress,name\nann@example.com,Ann\n", [("unknown_column", 1)]),
        (b"name\nAnn\n", [("no_column", 1)]),
        (b"address,address\na@example.com,b@example.com\n", [("twice", 1)]),
        ("address\nann@example.com\nÖ@example.com\n".encode("latin-1"), [("bad_encoding", 3)]),
        (b"address\n\xff\xfea\x00", [("bad_encoding", 2)]),
        (b'address\n"ann@example.com\n', [("bad_row", 2)]),
        (b"address\na@example.com,\0\n", [("bad_row", 2)]),
        # One line of a megabyte.
        (b"address\n" + b"x" * 1_000_000, [("bad_address", number) for number in range(2, 10)]),
        ("address\nann@example.com\n".encode("utf-16"), [("bad_encoding", 1)]),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content, expected):
    """
    By the line.
    """
    assert refused(content) == expected


@pytest.mark.parametrize("line", [b"Ann", b"Ann,", b"Ann, "])
def test_a_line_without_an_address_is_told(line):
    """
    Also if it ends before the column of addresses.
    """
    with pytest.raises(RefusedError, match=r"^There is no address in this line\.$") as caught:
        import_addresses(None, io.BytesIO(b"name,address\n" + line), "List")

    assert [(problem.code, problem.line) for problem in caught.value.problems] == [("bad_address", 2)]


def test_an_address_that_comes_again_is_told_and_kept_once():
    """
    In its canonical form, next to the first one and far from it.
    """
    good = "".join(f"user{number}@example.com\n" for number in range(1500))
    domains = "ann@bücher.example\nann@xn--bcher-kva.example\n"
    content = f"address\nAnn@Example.com\nann@example.COM\n{good}ANN@example.com\n{domains}"

    found = import_addresses(None, io.BytesIO(content.encode()), "List")

    assert found.number == 1502
    assert [(one.code, one.line, one.is_error) for one in found.duplicates] == [
        ("duplicate", 3, False),
        ("duplicate", 1504, False),
        ("duplicate", 1506, False),
    ]


def test_a_large_file_is_read_as_a_stream():
    """
    Memory does not grow with it.
    """
    content = io.BytesIO(b"address\n" + b"".join(b"user%d@example.com\n" % number for number in range(20_000)))
    import_addresses(
        None, io.BytesIO(b"address\n" + b"".join(b"warm%d@example.com\n" % n for n in range(2000))), "Warm"
    )
    tracemalloc.start()
    try:
        found = import_addresses(None, content, "List")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found.number == 20_000
    assert peak < 8_000_000


@pytest.mark.parametrize("name", ["", " ", "x" * 201, "a\0b\ud800"])
def test_a_list_has_a_name(name):
    """
    That people can read.
    """
    with pytest.raises(RefusedError, match="A name has 1 to 200 characters"):
        import_addresses(None, io.BytesIO(b"address\na@example.com\n"), name)


def test_a_file_in_which_all_is_wrong_is_not_read_to_its_end():
    """
    After a thousand problems it says so; of lines that come again as many are told, and all of them counted.
    """
    wrong = refused(b"address\n" + b"nobody\n" * 5000)

    assert (len(wrong), wrong[999:]) == (1001, [("bad_address", 1001), ("too_many", 1002)])

    made = import_addresses(None, io.BytesIO(b"address\n" + b"ann@example.com\n" * 5000), "List")
    assert (made.number, len(made.duplicates)) == (1, 1000)
