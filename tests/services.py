"""
Internal: where the tests find PostgreSQL, MariaDB, Redis and RabbitMQ, and what happens to a test that misses one.

Each is looked for on its standard local port, or where ``ACE_TEST_<NAME>_URL`` says. A test asks for one by its fixture
(`postgres_url`, `mariadb_url`, `redis_url`, `rabbitmq_url`). Without the service it skips with a line that says what to
start; with ``ACE_TEST_SERVICES=required`` it fails.
"""

import os
import socket
from urllib.parse import urlsplit

import attrs
import pytest

#: How long to wait for a service to accept a connection, in seconds.
CONNECT_TIMEOUT_SECONDS = 2


@attrs.frozen
class Service:
    """
    A server that some tests need.

    Args:
        name: As people call it.

        variable: The environment variable that overrides *default_url*.

        default_url: Where it is by default, with user and password; always with a port.
    """

    name: str
    variable: str
    default_url: str

    @property
    def url(self) -> str:
        """Where it is."""
        return os.environ.get(self.variable) or self.default_url

    def require(self) -> str:
        """Return the URL of this service, or end the running test: as skipped, or as failed where it is required."""
        url = self.url
        address = urlsplit(url)
        if not address.hostname or not address.port:
            pytest.fail(
                f"{self.variable} is {url!r}; expected host and port, for example {self.default_url}.", pytrace=False
            )
        try:
            socket.create_connection((address.hostname, address.port), CONNECT_TIMEOUT_SECONDS).close()
        except OSError as error:
            missing = (
                f"{self.name} does not answer at {address.hostname}:{address.port} ({error}): "
                f"start it there, or say where it is with {self.variable}={self.default_url}"
            )
            if os.environ.get("ACE_TEST_SERVICES") == "required":
                pytest.fail(f"{missing} (ACE_TEST_SERVICES=required)", pytrace=False)
            pytest.skip(missing)
        return url


POSTGRES = Service("PostgreSQL", "ACE_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
MARIADB = Service("MariaDB", "ACE_TEST_MARIADB_URL", "mysql://root@127.0.0.1:3306/mysql")
REDIS = Service("Redis", "ACE_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
RABBITMQ = Service("RabbitMQ", "ACE_TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")
