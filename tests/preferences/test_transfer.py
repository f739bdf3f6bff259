"""
Internal: choices come from CSV and go there, and nothing is imported by half.
"""

import tracemalloc
from io import BytesIO, StringIO, TextIOBase, TextIOWrapper

import pytest
from django.core.management import CommandError, call_command

from edx_ace import Recipient
from edx_ace.outbox import State, enqueue, status
from edx_ace.preferences import Taking, choose, taking
from edx_ace.preferences.errors import TransferError
from edx_ace.preferences.models import Choice
from edx_ace.preferences.transfer import import_choices
from edx_ace.signals import choice_changed
from tests.outbox.test_worker import work
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

HEADER = "person,email,category,channel_type,scope,taking\r\n"


def run(action, *arguments):
    out, err = StringIO(), StringIO()
    call_command("ace_preferences", action, *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue()


def rows():
    return set(Choice.objects.values_list("person", "category", "channel_type", "scope", "taking"))


def test_what_was_exported_can_be_imported(tmp_path):
    """
    It is the same afterwards, for people without an account, too.
    """
    choose("7", "news", "email", Taking.DAILY)
    choose("7", "news", "email", Taking.OFF, scope="course, 1")
    choose(Recipient(None, "ann@example.com"), "", "push", Taking.OFF)
    before = rows()
    file = tmp_path / "choices.csv"
    file.write_text(run("export"), newline="")
    Choice.objects.all().delete()

    assert run("import", file) == "3 choices imported.\n"
    assert rows() == before
    assert run("export", tmp_path / "again.csv") == ""
    assert (tmp_path / "again.csv").read_text() == file.read_text()


def test_people_may_be_named_by_their_address():
    """
    As a host's list of opt-outs has them.
    """
    import_choices(StringIO("email,category,channel_type,taking\nANN@Example.com,news,email,off\n"))

    assert taking(Recipient(None, "ann@example.com"), "news", "email") is Taking.OFF
    assert Choice.objects.get().source == "import"


def test_what_was_chosen_before_is_replaced():
    """
    The last row for the same counts.
    """
    choose("7", "news", "email", Taking.DAILY)
    choose("7", "news", "email", Taking.OFF, scope="course:1")

    assert import_choices(StringIO(HEADER + "7,,news,email,,off\n\n7,,news,email,,weekly\n")) == 2

    assert {row[3:] for row in rows()} == {("", "weekly"), ("course:1", "off")}


def test_what_an_import_changes_is_told():
    """
    As what people choose themselves is, and what was so already is not.
    """
    choose("7", "news", "email", Taking.DAILY)
    choose("8", "news", "email", Taking.OFF)
    told = []

    def hear(sender, **kwargs):
        told.append((kwargs["person"], kwargs["category"], kwargs["scope"], kwargs["taking"], kwargs["source"]))

    choice_changed.connect(hear)
    rows = "7,,news,email,,weekly\n8,,news,email,,off\n9,,,email,,off\n9,,news,email,course:1,off\n"
    import_choices(StringIO(HEADER + rows))
    choice_changed.disconnect(hear)

    assert told == [
        ("7", "news", "", "weekly", "import"),
        ("9", "", "", "off", "import"),
        ("9", "news", "course:1", "off", "import"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: expected the names of the columns"),
        ("person,kategorie,channel_type,taking\n", "line 1: expected the names"),
        ("person,category,channel_type,taking,taking\n", "line 1: expected the names"),
        (HEADER + "7,,news,email,off\n", "line 2: expected 6 values, given 5"),
        (HEADER + "7,,new,email,,off\n", "line 2: Expected the name of a category, given 'new'. Did you mean 'news'?"),
        (HEADER + "7,,news,mail,,off\n", "line 2: Expected a channel type"),
        (HEADER + "7,,news,email,,never\n", "line 2: Expected one of off, immediate"),
        (HEADER + "7,,security,email,,off\n", "line 2: The category 'security' cannot be turned off"),
        (HEADER + "7,,,email,,immediate\n", "line 2: everything can only be turned off"),
        (HEADER + ",,news,email,,off\n", "line 2: expected either a person or an email"),
        (HEADER + "7,ann@example.com,news,email,,off\n", "line 2: expected either a person or an email"),
        (HEADER + ",ann,news,email,,off\n", "line 2: "),
        (HEADER + "7\0,,news,email,,off\n", "line 2: "),
        (HEADER + '7,,news,email,"a\nb",off\n8,,news,email,,no\n', "line 4: Expected one of"),
        (HEADER + '7,,"news"s,email,,off\n', "line 2: it is no CSV"),
    ],
)
def test_rows_that_cannot_be_imported_are_listed_by_line_and_nothing_is_written(text, expected):
    """
    Good rows before and after them change nothing.
    """
    with pytest.raises(TransferError) as caught:
        import_choices(StringIO(text and text + "9,,news,email,,off\n", newline=""))

    assert caught.value.rows[0].startswith(expected)
    assert "nothing was" in str(caught.value)
    assert not Choice.objects.exists()


def test_what_is_no_text_is_refused():
    """
    A file in another encoding than UTF-8.
    """
    content = HEADER.encode() + "7,,news,email,Größe,off\n".encode("latin-1")

    with pytest.raises(TransferError, match="no text in UTF-8"):
        import_choices(TextIOWrapper(BytesIO(content), encoding="utf-8", newline=""))


def test_a_file_of_a_spreadsheet_may_begin_with_a_mark():
    """
    And have its columns in another order.
    """
    assert import_choices(StringIO("\ufefftaking,channel_type,category,person\noff,email,news,7\n")) == 1
    assert (
        import_choices(StringIO('\ufeff"taking","channel_type","category","person"\n"off","email","news","8"\n')) == 1
    )

    assert {row[0] for row in rows()} == {"7", "8"}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_file_of_a_spreadsheet_may_have_another_separator(separator):
    """
    Where numbers have a comma.
    """
    line = separator.join(["7", "", "news", "email", '"course, 1"', "off"])

    assert import_choices(StringIO(HEADER.replace(",", separator) + line)) == 1

    assert rows() == {("7", "news", "email", "course, 1", "off")}


def test_what_was_exported_before_a_key_was_added_counts(settings, tmp_path):
    """
    The digest of an address is made anew, as the command does it in the table.
    """
    settings.ACE_ADDRESS_KEYS = ["one"]
    choose(ann := Recipient(None, "ann@example.com"), "news", "email", Taking.OFF)
    exported = run("export")
    Choice.objects.all().delete()
    settings.ACE_ADDRESS_KEYS = ["one", "two"]

    import_choices(StringIO(exported, newline=""))

    assert taking(ann, "news", "email") is Taking.OFF


def test_a_large_file_is_imported_in_the_memory_of_a_few_rows():
    """
    Also where the same is said again and again; the last row counts.
    """

    def lines():
        yield HEADER
        for number in range(4_000):
            yield f"{number % 700 + 1},,news,email,{'x' * 200},{'off' if number < 3_300 else 'daily'}\n"

    class Lines(TextIOBase):
        def __init__(self):
            self.lines = lines()

        def readline(self, size=-1):
            return next(self.lines, "")

    tracemalloc.start()
    try:
        assert import_choices(Lines()) == 4_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000
    assert Choice.objects.filter(taking="daily").count() == Choice.objects.count() == 700


def test_many_rows_need_no_query_each(django_assert_max_num_queries):
    """
    They are written a few hundred at a time.
    """
    lines = [f"{number},,news,email,,off\n" for number in range(1, 1001)]

    with django_assert_max_num_queries(20):
        assert import_choices(StringIO(HEADER + "".join(lines))) == 1000


def test_an_error_of_many_lists_a_hundred(tmp_path):
    """
    And says how many there are.
    """
    file = tmp_path / "choices.csv"
    file.write_text(HEADER + "7,,news,email,,no\n" * 150)

    with pytest.raises(CommandError, match=r"(?s)150 rows cannot be imported.*line 101: .*and 50 more") as caught:
        run("import", file)

    assert "line 102" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    """
    Without a traceback.
    """
    with pytest.raises(CommandError, match="No such file"):
        run("import", tmp_path / "none.csv")


def test_what_is_imported_counts_for_what_waits(channel):
    """
    As any choice.
    """
    enqueue(message := welcome())
    import_choices(StringIO(HEADER + "7,,news,email,,off\n"))
    work()

    assert status(message).states == {State.SKIPPED: 1}
