"""Internal: workshops, who hosts them, who comes to them, and members who support them."""

from __future__ import annotations

from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from courses.models import Learner


class Workshop(models.Model):
    """A day or two on one subject, hosted by people who have learnt it."""

    title = models.CharField(max_length=200)
    place = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    #: What its times are said in.
    time_zone = models.CharField(max_length=40, default="UTC")
    is_confirmed = models.BooleanField(default=False)
    hosts: models.ManyToManyField[Learner, Host] = models.ManyToManyField(
        Learner, through="Host", related_name="workshops_hosted"
    )

    class Meta:
        ordering = ("starts_at", "pk")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("workshops:workshop", args=[self.pk])


class Host(models.Model):
    """One person who hosts one workshop."""

    class Role(models.TextChoices):
        """What they do there."""

        LEADS = "leads", _("leads")
        HELPS = "helps", _("helps")

    workshop = models.ForeignKey(Workshop, on_delete=models.CASCADE, related_name="+")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role, default=Role.LEADS)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("workshop", "learner"), name="one_host_of_a_workshop"),)

    def __str__(self) -> str:
        return f"{self.learner}: {self.workshop}"


class Attendance(models.Model):
    """Somebody who was at a workshop."""

    workshop = models.ForeignKey(Workshop, on_delete=models.CASCADE, related_name="attendances")
    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="+")
    #: Whether they stayed to the end, for which there is a certificate.
    is_complete = models.BooleanField(default=False)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("workshop", "learner"), name="one_attendance_of_a_workshop"),)

    def __str__(self) -> str:
        return f"{self.learner}: {self.workshop}"


class Membership(models.Model):
    """An organisation that supports workshops for some years."""

    organisation = models.CharField(max_length=200)
    contact = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="+")
    starts_on = models.DateField()
    ends_on = models.DateField()

    class Meta:
        ordering = ("organisation",)

    def __str__(self) -> str:
        return self.organisation
