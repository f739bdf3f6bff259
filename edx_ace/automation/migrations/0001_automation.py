"""
Internal: the tables of automation.
"""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import edx_ace.automation.models
import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ScheduledMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField(verbose_name="due at")),
                ("lease_until", models.DateTimeField(editable=False, null=True, verbose_name="lease until")),
                ("fence", models.PositiveBigIntegerField(default=0, editable=False)),
                ("claims", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("uuid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name="id")),
                ("action", edx_ace.outbox.fields.KeyField(max_length=100, verbose_name="action")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("scheduled", "scheduled"),
                            ("claimed", "being prepared"),
                            ("enqueued", "being sent"),
                            ("succeeded", "sent"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="scheduled",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("scheduled_at", models.DateTimeField(verbose_name="scheduled for")),
                ("object_type", models.CharField(blank=True, max_length=200, verbose_name="kind of object")),
                ("object_key", edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="object")),
                ("occurrence", models.DateTimeField(null=True, verbose_name="occurrence")),
                ("open_key", edx_ace.outbox.fields.KeyField(editable=False, max_length=64, null=True, unique=True)),
                (
                    "occurrence_key",
                    edx_ace.outbox.fields.KeyField(editable=False, max_length=64, null=True, unique=True),
                ),
                ("awaits_next", models.BooleanField(default=False, editable=False)),
                ("context", models.JSONField(default=dict, verbose_name="context")),
                ("recipients", models.JSONField(default=list, verbose_name="recipients")),
                ("arguments", models.JSONField(default=dict)),
                ("content", models.JSONField(default=dict, verbose_name="content")),
                ("message_type", models.CharField(blank=True, max_length=255)),
                ("is_to_all", models.BooleanField(default=False, verbose_name="one message to all")),
                ("is_external", models.BooleanField(default=False, verbose_name="sent by a worker outside")),
                ("edited", models.JSONField(default=list)),
                ("batch", models.UUIDField(editable=False, null=True, verbose_name="send")),
                ("failures", models.PositiveSmallIntegerField(default=0, verbose_name="failures in a row")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("enqueued_at", models.DateTimeField(null=True, verbose_name="in the outbox at")),
                ("ended_at", models.DateTimeField(null=True, verbose_name="ended at")),
            ],
            options={
                "verbose_name": "scheduled message",
                "verbose_name_plural": "scheduled messages",
                "permissions": [
                    ("view_message", "Can see scheduled messages"),
                    ("change_message", "Can change scheduled messages"),
                    ("cancel_message", "Can cancel scheduled messages"),
                    ("send_message", "Can send scheduled messages now and again"),
                    ("change_template", "Can change templates of actions, and switch actions on and off"),
                    ("work_message", "Can lock, fail and succeed scheduled messages, as a worker does"),
                ],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Switch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "action",
                    edx_ace.outbox.fields.KeyField(blank=True, max_length=100, unique=True, verbose_name="action"),
                ),
                ("who", models.CharField(blank=True, max_length=150, verbose_name="who")),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Template",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action", edx_ace.outbox.fields.KeyField(max_length=100, unique=True, verbose_name="action")),
                ("is_active", models.BooleanField(default=True, verbose_name="is active")),
            ],
            options={
                "verbose_name": "template",
                "verbose_name_plural": "templates",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="at")),
                ("who", models.CharField(blank=True, max_length=150, verbose_name="who")),
                ("did", models.CharField(max_length=30, verbose_name="what")),
                ("from_state", models.CharField(blank=True, max_length=12, verbose_name="from")),
                ("to_state", models.CharField(blank=True, max_length=12, verbose_name="to")),
                ("why", models.TextField(blank=True, verbose_name="why")),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="ace_automation.scheduledmessage",
                    ),
                ),
            ],
            options={
                "ordering": ["at", "pk"],
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Attachment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("content_type", models.CharField(max_length=255, verbose_name="type")),
                ("size", models.PositiveIntegerField(verbose_name="size in bytes")),
                (
                    "file",
                    models.FileField(
                        max_length=255,
                        storage=edx_ace.automation.models._storage,
                        upload_to="ace/%Y/%m/",
                        verbose_name="file",
                    ),
                ),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="attachments",
                        to="ace_automation.scheduledmessage",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="TemplateVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField(verbose_name="version")),
                ("content", models.JSONField(verbose_name="content")),
                ("is_shipped", models.BooleanField(default=False)),
                ("who", models.CharField(blank=True, max_length=150, verbose_name="author")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="created at")),
                (
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="ace_automation.template",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="scheduledmessage",
            name="template_version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="ace_automation.templateversion",
                verbose_name="template",
            ),
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("batch", models.UUIDField()),
                ("uuid", models.UUIDField(unique=True)),
                ("recipient", models.JSONField()),
                ("person", edx_ace.outbox.fields.KeyField(max_length=255, null=True)),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True)),
                ("language", models.CharField(blank=True, max_length=35, verbose_name="language")),
                ("subject", models.TextField(blank=True, verbose_name="subject")),
                ("body_html", models.TextField(blank=True)),
                ("body_text", models.TextField(blank=True)),
                ("error", models.TextField(blank=True)),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="letters",
                        to="ace_automation.scheduledmessage",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["person"], name="ace_automation_person"),
                    models.Index(fields=["address"], name="ace_automation_address"),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="templateversion",
            constraint=models.UniqueConstraint(fields=("template", "number"), name="ace_automation_one_version"),
        ),
        migrations.AddIndex(
            model_name="scheduledmessage",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["state", "due_at"],
                name="ace_automation_due",
                otherwise=("state", "due_at"),
                where=models.Q(("ended_at__isnull", True)),
            ),
        ),
        migrations.AddIndex(
            model_name="scheduledmessage",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["ended_at"],
                name="ace_automation_next",
                otherwise=("awaits_next", "ended_at"),
                where=models.Q(("awaits_next", True)),
            ),
        ),
        migrations.AddIndex(
            model_name="scheduledmessage",
            index=models.Index(fields=["object_type", "object_key", "action"], name="ace_automation_about"),
        ),
        migrations.AddIndex(
            model_name="scheduledmessage",
            index=models.Index(fields=["action", "scheduled_at"], name="ace_automation_action"),
        ),
        migrations.AddIndex(
            model_name="scheduledmessage",
            index=models.Index(fields=["scheduled_at"], name="ace_automation_when"),
        ),
    ]
