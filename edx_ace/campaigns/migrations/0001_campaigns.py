"""
Internal: the tables of campaigns.
"""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AddressList",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("scope", edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="scope")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "list of addresses",
                "verbose_name_plural": "lists of addresses",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Campaign",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("lease_until", models.DateTimeField(editable=False, null=True, verbose_name="lease until")),
                ("fence", models.PositiveBigIntegerField(default=0, editable=False)),
                ("claims", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name="id")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("scope", edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="scope")),
                ("category", edx_ace.outbox.fields.KeyField(max_length=100, verbose_name="category")),
                ("channel_types", models.CharField(default="email", max_length=100, verbose_name="channel types")),
                ("from_name", models.CharField(blank=True, max_length=100, verbose_name="sender's name")),
                ("reply_to", models.CharField(blank=True, max_length=254, verbose_name="reply to")),
                ("language", models.CharField(max_length=35, verbose_name="language")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "draft"),
                            ("scheduled", "scheduled"),
                            ("sending", "sending"),
                            ("paused", "paused"),
                            ("sent", "sent"),
                            ("cancelled", "cancelled"),
                            ("failed", "failed"),
                        ],
                        default="draft",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="due at")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                ("version", models.PositiveIntegerField(default=1, verbose_name="version")),
                (
                    "idempotency_key",
                    edx_ace.outbox.fields.KeyField(
                        max_length=255, null=True, unique=True, verbose_name="idempotency key"
                    ),
                ),
                (
                    "timing",
                    models.CharField(
                        choices=[
                            ("now", "now"),
                            ("at", "at a time"),
                            ("local", "at each recipient's local time"),
                            ("relative", "relative to a date"),
                        ],
                        default="now",
                        max_length=8,
                        verbose_name="timing",
                    ),
                ),
                ("wall_time", models.CharField(blank=True, max_length=16, verbose_name="time")),
                ("zone", models.CharField(blank=True, max_length=40, verbose_name="time zone")),
                ("anchor", models.CharField(blank=True, max_length=100, verbose_name="date")),
                ("offset_minutes", models.IntegerField(default=0, verbose_name="minutes after it")),
                ("canary", models.PositiveIntegerField(default=0, verbose_name="first recipients")),
                ("canary_minutes", models.PositiveIntegerField(default=60, verbose_name="wait after them, in minutes")),
                ("rate", models.CharField(blank=True, max_length=50, verbose_name="rate")),
                ("approved_version", models.PositiveIntegerField(null=True, verbose_name="approved version")),
                ("approved_at", models.DateTimeField(null=True, verbose_name="approved at")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started at")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
                ("expanded_to", models.BigIntegerField(default=0, editable=False)),
                ("expanded", models.PositiveIntegerField(default=0, verbose_name="in the outbox")),
                ("paced_to", models.DateTimeField(editable=False, null=True)),
                ("canary_at", models.DateTimeField(editable=False, null=True)),
                ("is_canary_fine", models.BooleanField(default=False, editable=False)),
                ("expanded_at", models.DateTimeField(null=True, verbose_name="all in the outbox at")),
                ("is_put_off", models.BooleanField(default=False, editable=False)),
                ("resumed_at", models.DateTimeField(editable=False, null=True, verbose_name="resumed at")),
                ("baseline", models.JSONField(default=dict, editable=False)),
                ("samples", models.JSONField(default=list, editable=False)),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "origin",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="copies",
                        to="ace_campaigns.campaign",
                        verbose_name="origin",
                    ),
                ),
                (
                    "scheduled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="scheduled by",
                    ),
                ),
            ],
            options={
                "verbose_name": "campaign",
                "verbose_name_plural": "campaigns",
                "permissions": [
                    ("view_campaign", "Can see campaigns"),
                    ("write_campaign", "Can write campaigns"),
                    ("send_campaign", "Can send campaigns"),
                    ("approve_campaign", "Can approve campaigns"),
                    ("see_people_campaign", "Can see recipients of campaigns"),
                ],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("content_type", models.CharField(max_length=100, verbose_name="type")),
                ("content", models.BinaryField()),
                ("size", models.PositiveIntegerField(verbose_name="size")),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attachments",
                        to="ace_campaigns.campaign",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                ("who", models.CharField(blank=True, max_length=150, verbose_name="who")),
                ("action", models.CharField(max_length=30, verbose_name="action")),
                ("from_state", models.CharField(blank=True, max_length=12, verbose_name="from")),
                ("to_state", models.CharField(blank=True, max_length=12, verbose_name="to")),
                ("why", models.TextField(blank=True, verbose_name="why")),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="entries", to="ace_campaigns.campaign"
                    ),
                ),
            ],
            options={
                "ordering": ["at", "pk"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Resolution",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("part", models.PositiveSmallIntegerField(default=0)),
                ("position", models.TextField(blank=True)),
                ("done_at", models.DateTimeField(null=True)),
                ("numbers", models.JSONField(default=dict)),
                ("channels", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="resolutions",
                        to="ace_campaigns.campaign",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="campaign",
            name="resolution",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="ace_campaigns.resolution",
                verbose_name="recipients",
            ),
        ),
        migrations.CreateModel(
            name="Template",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("scope", edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="scope")),
            ],
            options={
                "verbose_name": "saved template",
                "verbose_name_plural": "saved templates",
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("scope", "name"), name="ace_campaigns_one_template")],
            },
        ),
        migrations.CreateModel(
            name="TemplateVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField(verbose_name="version")),
                ("content", models.JSONField(verbose_name="content")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                (
                    "author",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="ace_campaigns.template",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Variant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel_type", models.CharField(default="email", max_length=20, verbose_name="channel type")),
                ("language", models.CharField(max_length=35, verbose_name="language")),
                ("subject", models.CharField(max_length=255, verbose_name="subject")),
                ("preheader", models.CharField(blank=True, max_length=255, verbose_name="preheader")),
                (
                    "format",
                    models.CharField(
                        choices=[("html", "rich text"), ("markdown", "Markdown")],
                        default="html",
                        max_length=8,
                        verbose_name="format",
                    ),
                ),
                ("source", models.TextField(verbose_name="body")),
                ("body", models.TextField(editable=False, verbose_name="HTML")),
                ("url", models.CharField(blank=True, max_length=2000, verbose_name="link")),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="variants",
                        to="ace_campaigns.campaign",
                    ),
                ),
            ],
            options={
                "verbose_name": "variant",
                "verbose_name_plural": "variants",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ListedAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", edx_ace.outbox.fields.KeyField(max_length=255)),
                ("address", models.CharField(max_length=254, verbose_name="address")),
                ("name", models.CharField(blank=True, max_length=200, verbose_name="name")),
                ("language", models.CharField(blank=True, max_length=35, verbose_name="language")),
                (
                    "list",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="addresses",
                        to="ace_campaigns.addresslist",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["key"], name="ace_campaigns_listed")],
                "constraints": [models.UniqueConstraint(fields=("list", "key"), name="ace_campaigns_one_address")],
            },
        ),
        migrations.CreateModel(
            name="Part",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveSmallIntegerField()),
                ("is_excluded", models.BooleanField(default=False, verbose_name="is excluded")),
                ("audience", edx_ace.outbox.fields.KeyField(max_length=100, verbose_name="audience")),
                ("params", models.JSONField(default=dict, verbose_name="parameters")),
                (
                    "campaign",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="ace_campaigns.campaign"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("campaign", "position"), name="ace_campaigns_one_part")
                ],
            },
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("recipient", edx_ace.outbox.fields.KeyField(max_length=255, null=True)),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True)),
                ("addresses", models.TextField(blank=True)),
                ("part", models.PositiveSmallIntegerField()),
                ("key", models.TextField(blank=True)),
                ("person", models.TextField(blank=True)),
                ("zone", models.CharField(blank=True, max_length=40)),
                ("reason", models.CharField(blank=True, max_length=64)),
                (
                    "resolution",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="ace_campaigns.resolution",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["resolution", "id"], name="ace_campaigns_members")],
                "constraints": [
                    models.UniqueConstraint(fields=("recipient", "resolution"), name="ace_campaigns_once_a_person"),
                    models.UniqueConstraint(fields=("address", "resolution"), name="ace_campaigns_once_an_address"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Exclusion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("recipient", edx_ace.outbox.fields.KeyField(max_length=255, null=True)),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True)),
                (
                    "resolution",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="ace_campaigns.resolution",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["recipient", "resolution"], name="ace_campaigns_no_person"),
                    models.Index(fields=["address", "resolution"], name="ace_campaigns_no_address"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(fields=["scope", "created_at"], name="ace_campaigns_scope"),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["state", "due_at"],
                name="ace_campaigns_due",
                otherwise=("state", "due_at"),
                where=models.Q(("finished_at__isnull", True)),
            ),
        ),
        migrations.AddConstraint(
            model_name="templateversion",
            constraint=models.UniqueConstraint(fields=("template", "number"), name="ace_campaigns_one_version"),
        ),
        migrations.AddConstraint(
            model_name="variant",
            constraint=models.UniqueConstraint(
                fields=("campaign", "channel_type", "language"), name="ace_campaigns_one_variant"
            ),
        ),
    ]
