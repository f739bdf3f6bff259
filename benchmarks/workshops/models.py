"""
Internal: what its messages refer to.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Place(models.Model):
    """Where a workshop is held."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Course(models.Model):
    """What it is a part of."""

    title = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.title


class Teacher(models.Model):
    """Who teaches."""

    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Workshop(models.Model):
    """A day on one subject, and who has booked it."""

    title = models.CharField(max_length=100)
    ends_at = models.DateTimeField()
    place = models.ForeignKey(Place, models.CASCADE)
    course = models.ForeignKey(Course, models.CASCADE)
    teacher = models.ForeignKey(Teacher, models.CASCADE)
    guest = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    def __str__(self) -> str:
        return self.title
