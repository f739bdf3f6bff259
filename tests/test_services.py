"""
Internal: tests of `tests.services`.
"""

import socket
from urllib.parse import urlsplit

import kombu
import psycopg
import pymysql
import pytest
import redis

from tests.services import Service


@pytest.fixture
def absent(monkeypatch):
    """A service whose port is closed."""
    monkeypatch.delenv("ACE_TEST_SERVICES", raising=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield Service("Pigeon post", "ACE_TEST_PIGEON_URL", f"pigeon://127.0.0.1:{closed.getsockname()[1]}")


def test_a_test_that_misses_its_service_skips_and_says_what_to_start(absent):
    """
    The line names the service, the place and the variable.
    """
    with pytest.raises(
        pytest.skip.Exception,
        match=r"Pigeon post does not answer at 127\.0\.0\.1:\d+ .*: start it there, .* ACE_TEST_PIGEON_URL=",
    ):
        absent.require()


def test_a_missing_service_fails_where_services_are_required(absent, monkeypatch):
    """
    Nothing that was meant to run is skipped unseen in continuous integration.
    """
    monkeypatch.setenv("ACE_TEST_SERVICES", "required")

    with pytest.raises(pytest.fail.Exception, match=r"Pigeon post does not answer .*ACE_TEST_SERVICES=required"):
        absent.require()


def test_a_service_is_found_where_its_variable_says(absent, monkeypatch):
    """
    The variable wins over the standard port.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"pigeon://127.0.0.1:{listening.getsockname()[1]}/loft"
        monkeypatch.setenv("ACE_TEST_PIGEON_URL", url)

        assert absent.require() == url


@pytest.mark.parametrize("services", ["", "required"])
def test_a_url_without_a_port_fails_and_never_skips(absent, monkeypatch, services):
    """
    A mistyped variable is a mistake, not a missing service.
    """
    monkeypatch.setenv("ACE_TEST_SERVICES", services)
    monkeypatch.setenv("ACE_TEST_PIGEON_URL", "pigeon://loft")

    with pytest.raises(pytest.fail.Exception, match=r"ACE_TEST_PIGEON_URL is 'pigeon://loft'; expected host and port"):
        absent.require()


def test_postgres_answers(postgres_url):
    """
    Tests that ask for PostgreSQL can run statements on it.
    """
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_mariadb_answers(mariadb_url):
    """
    Tests that ask for MariaDB can run statements on it.
    """
    address = urlsplit(mariadb_url)
    with (
        pymysql.connect(
            host=address.hostname, port=address.port, user=address.username, password=address.password or ""
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select 1")
        assert cursor.fetchone() == (1,)


def test_redis_answers(redis_url):
    """
    Tests that ask for Redis can talk to it.
    """
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()


def test_rabbitmq_answers(rabbitmq_url):
    """
    Tests that ask for RabbitMQ can connect to it.
    """
    with kombu.Connection(rabbitmq_url) as connection:
        assert connection.ensure_connection(max_retries=1).connected
