"""Internal: courses, who teaches them, learners, and who takes what."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from edx_ace import Recipient


class Course(models.Model):
    """A course, taught in one language; its title is a name and is not translated."""

    slug = models.SlugField(unique=True)
    language = models.CharField(max_length=10, choices=settings.LANGUAGES)
    title = models.CharField(max_length=200)
    summary = models.TextField()
    weeks = models.PositiveSmallIntegerField()
    starts_at = models.DateTimeField()
    instructors = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="courses_taught", blank=True)

    class Meta:
        ordering = ("starts_at", "slug")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.slug])

    @property
    def ends_at(self) -> datetime:
        """When its last week is over."""
        return self.starts_at + timedelta(weeks=self.weeks)


class Cohort(models.Model):
    """Some of those who take a course, who learn together."""

    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="cohorts")
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=("course", "name"), name="one_cohort_of_a_name"),)

    def __str__(self) -> str:
        return self.name


class Learner(models.Model):
    """A person who takes courses; with an account (``user``) once they have signed in."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    name = models.CharField(max_length=200)
    #: What they are called by those who know them; empty: they have not said.
    first_name = models.CharField(max_length=100, blank=True)
    email = models.CharField(max_length=254, unique=True)
    language = models.CharField(max_length=10, choices=settings.LANGUAGES)
    time_zone = models.CharField(max_length=40)
    #: Whether they have not closed their account.
    is_active = models.BooleanField(default=True)
    courses: models.ManyToManyField[Course, Enrolment] = models.ManyToManyField(
        Course, through="Enrolment", related_name="learners"
    )

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name

    @property
    def recipient(self) -> Recipient:
        """Where messages for this learner go."""
        return Recipient(lms_user_id=self.pk, email_address=self.email)


class Track(models.TextChoices):
    """What somebody takes a course for."""

    AUDIT = "audit", _("Audit")
    VERIFIED = "verified", _("Verified")


class Enrolment(models.Model):
    """One learner in one course; shares are of a hundred."""

    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="enrolments")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="enrolments")
    cohort = models.ForeignKey(Cohort, on_delete=models.SET_NULL, null=True, blank=True, related_name="enrolments")
    track = models.CharField(max_length=20, choices=Track, default=Track.AUDIT)
    #: How much of the course they have done.
    completion = models.PositiveSmallIntegerField(default=0)
    #: Of what they have done so far; None: nothing was marked yet.
    grade = models.PositiveSmallIntegerField(null=True, blank=True)
    #: When they were last in the course; None: never.
    last_seen = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("learner", "course"), name="one_enrolment_a_course"),)

    def __str__(self) -> str:
        return f"{self.learner}: {self.course}"
