"""
Internal: what the host of the tests of automation writes about.
"""

from __future__ import annotations

import uuid

from django.db import models


class Host(models.Model):
    """Somebody who teaches."""

    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)
    language = models.CharField(max_length=10, default="en")

    def __str__(self) -> str:
        return self.name


class Workshop(models.Model):
    """What is taught, and when."""

    title = models.CharField(max_length=100)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    is_public = models.BooleanField(default=True)
    location = models.CharField(max_length=100, blank=True)
    #: Beside those who have a task.
    helpers = models.ManyToManyField(Host, related_name="helps_at")

    def __str__(self) -> str:
        return self.title


class Task(models.Model):
    """What somebody does at a workshop, which cannot be deleted while they do. Its primary key is no number."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workshop = models.ForeignKey(Workshop, models.PROTECT, related_name="tasks")
    host = models.ForeignKey(Host, models.CASCADE, related_name="tasks")
    role = models.CharField(max_length=20, default="instructor")

    def __str__(self) -> str:
        return f"{self.host} ({self.role})"
