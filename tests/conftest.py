"""
Internal: fixtures that every test may ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.app import setup_default_app
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from edx_ace import Channel, Policy
from edx_ace.channel import ChannelMap
from tests import databases, http_twin, services
from tests.http_twin import Authority, HttpTwin


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Before the test database is made, see that there is a server to make it on."""
    databases.require()


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a PostgreSQL server on which databases may be created."""
    return services.POSTGRES.require()


@pytest.fixture(scope="session")
def mariadb_url() -> str:
    """The URL of a MariaDB server on which databases may be created."""
    return services.MARIADB.require()


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of a Redis database that tests may write to; keys carry a prefix of their test."""
    return services.REDIS.require()


@pytest.fixture(scope="session")
def rabbitmq_url() -> str:
    """The URL of a RabbitMQ server on which queues may be declared."""
    return services.RABBITMQ.require()


@pytest.fixture(scope="session")
def live_server(django_db_setup: None) -> Iterator[LiveServer]:
    """A server with the site of the tests; begun after its database, which it would take for one in memory before."""
    server = LiveServer("localhost")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Signs the certificates of the providers that are played."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def provider(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpTwin]:
    """Plays every provider there is: whatever is asked over HTTPS in this test reaches it."""
    with http_twin.running(authority) as twin:
        for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", twin.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        yield twin


@pytest.fixture
def use_channels(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Callable[..., None]:
    """Return a function that makes its keyword arguments, by name, the registered channels of the test."""
    settings.ACE_CHANNEL_DEFAULT_EMAIL = None

    def use(**channels: Channel) -> None:
        registered = ChannelMap(list(channels.items()))
        monkeypatch.setattr("edx_ace.channel.channels", lambda: registered)

    return use


@pytest.fixture
def use_policies(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes its arguments the policies of the test."""

    def use(*policies: Policy) -> None:
        monkeypatch.setattr("edx_ace.policy.policies", lambda: list(policies))

    return use


@pytest.fixture
def templates(tmp_path: Path, settings: Settings) -> Callable[[dict[str, str]], None]:
    """Return a function that writes the templates of the app "preview", by path; the site has no others."""
    settings.TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [str(tmp_path)]}]

    def write(files: dict[str, str]) -> None:
        for path, text in files.items():
            file = tmp_path / "preview/edx_ace" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    return write


@pytest.fixture
def use_celery() -> Iterator[Callable[..., Celery]]:
    """Return a function that makes an app with its keyword arguments as settings the site's, until the test ends."""
    # Tasks that are first imported while one is the site's are forgotten with it, and no later one knows them.
    import_module("edx_ace.outbox.tasks")
    with ExitStack() as stack:

        def use(**conf: Any) -> Celery:
            app = Celery("tests", set_as_current=False)
            app.conf.update(conf)
            stack.enter_context(setup_default_app(app))
            app.set_current()
            return app

        yield use
