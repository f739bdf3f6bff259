"""
Internal: fixtures that every test may ask for.
"""

import pytest

from tests import services


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
