"""
Internal: the health view.
"""

from datetime import timedelta

import pytest
from django.db import OperationalError

from tests.outbox.conftest import HOUR

pytestmark = pytest.mark.django_db


def test_all_is_well(client, deliveries):
    """
    Figures, for everybody who may reach the address.
    """
    deliveries(2, due_in=HOUR)

    response = client.get("/outbox/health/")

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert "no-store" in response["Cache-Control"]
    assert response.json()["problems"] == {}
    assert response.json()["figures"]["later"] == 2


def test_a_problem_is_a_status_that_monitors_understand(client, deliveries):
    """
    With what it is.
    """
    deliveries(due_in=-timedelta(minutes=10), priority=2, recipient="7", address="ann@example.com")

    response = client.get("/outbox/health/")

    assert response.status_code == 503
    assert list(response.json()["problems"]) == ["essential_waits"]
    assert "ann" not in response.content.decode()


def test_a_database_that_does_not_answer_is_a_problem(client, monkeypatch):
    """
    And no traceback.
    """

    def fail():
        raise OperationalError("server closed the connection")

    monkeypatch.setattr("edx_ace.outbox.views.figures", fail)

    response = client.get("/outbox/health/")

    assert (response.status_code, response.json()["figures"]) == (503, None)
    assert response.json()["problems"] == {"database": "The database does not answer."}


def test_it_is_only_read(client):
    """
    Nothing is done at this address.
    """
    assert client.post("/outbox/health/").status_code == 405
