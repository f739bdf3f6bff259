"""
Internal: ``manage.py ace_suppress``.
"""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from edx_ace import ace
from edx_ace.tracking.models import Suppression, SuppressionChange
from tests.pipeline import welcome

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"


def call(*arguments, err=None):
    out = StringIO()
    call_command("ace_suppress", *map(str, arguments), stdout=out, stderr=err or StringIO())
    return out.getvalue().strip()


def test_an_address_is_added_shown_and_lifted(channel):
    """
    With a line in the audit log each time.
    """
    assert call("add", "ANN@example.com", "--who", "bob", "--why", "She asked.", "--days", "30") == "It is suppressed."
    assert call("add", ANN, "--days", "1") == "It was suppressed already."
    assert not ace.send(welcome())

    shown = call("show", ANN).splitlines()
    assert shown[0].startswith("manual: everything until ")
    assert shown[1].endswith("added by bob: manual, everything: She asked.")

    assert call("lift", ANN, "--who", "carol") == "1 suppression is lifted."
    assert call("show", ANN).startswith("It is not suppressed.") and "lifted by carol" in call("show", ANN)
    assert ace.send(welcome())


def test_a_list_goes_out_and_comes_in_again(channel, tmp_path):
    """
    As a file.
    """
    call("add", ANN, "--reason", "complaint")
    call("add", "+4930123", "--channel-type", "sms")
    file = tmp_path / "list.csv"

    assert call("export", file) == "2 suppressions are written."
    assert call("export", "-").splitlines() == file.read_text(encoding="utf-8").splitlines()
    Suppression.objects.all().delete()
    assert call("import", file, "--who", "bob") == "2 addresses are suppressed that were not."

    assert list(Suppression.objects.order_by("pk").values_list("address", "reason")) == [
        (ANN, "complaint"),
        ("+4930123", "manual"),
    ]
    assert SuppressionChange.objects.filter(who="bob").count() == 2


def test_every_wrong_row_is_listed(tmp_path):
    """
    And nothing is imported.
    """
    file = tmp_path / "list.csv"
    file.write_text("address,reason\nann@example.com,\nnobody,\nbob@example.com,whim\n", encoding="utf-8")
    err = StringIO()

    with pytest.raises(CommandError, match="2 rows cannot be imported, so that none was"):
        call("import", file, err=err)

    assert [line.partition(":")[0] for line in err.getvalue().splitlines()] == ["line 3", "line 4"]
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["add", "nobody"], "expected one mailbox"),
        (["add", ANN, "--category", "nws"], "Expected the name of a category"),
        (["add", ANN, "--days", "1e12"], "."),
        (["import", "/nowhere/list.csv"], "No such file"),
    ],
)
def test_what_is_wrong_is_one_clear_line(arguments, text):
    """
    Nothing is written.
    """
    with pytest.raises(CommandError, match=text):
        call(*arguments)

    assert not SuppressionChange.objects.exists()
