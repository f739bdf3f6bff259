"""Internal: courses, learners, and who takes what."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse

from edx_ace import Recipient


class Course(models.Model):
    """A course, taught in one language; its title is a name and is not translated."""

    slug = models.SlugField(unique=True)
    language = models.CharField(max_length=10, choices=settings.LANGUAGES)
    title = models.CharField(max_length=200)
    summary = models.TextField()
    weeks = models.PositiveSmallIntegerField()
    starts_at = models.DateTimeField()

    class Meta:
        ordering = ("starts_at", "slug")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("courses:course", args=[self.slug])


class Learner(models.Model):
    """A person who takes courses; with an account (``user``) once they have signed in."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    name = models.CharField(max_length=200)
    email = models.CharField(max_length=254, unique=True)
    language = models.CharField(max_length=10, choices=settings.LANGUAGES)
    time_zone = models.CharField(max_length=40)
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


class Enrolment(models.Model):
    """One learner in one course."""

    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="enrolments")
    course = models.ForeignKey(Course, on_delete=models.CASCADE, related_name="enrolments")
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("learner", "course"), name="one_enrolment_a_course"),)

    def __str__(self) -> str:
        return f"{self.learner}: {self.course}"
