"""Internal: the test project's site: settings and addresses."""

from campus.celery import app as celery_app

__all__ = ["celery_app"]
