"""
Internal: the tables of links, opens and clicks, of figures, and of copies of what was sent.
"""

from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    dependencies = [
        ("ace_tracking", "0001_create_suppression_and_provider_event"),
    ]

    operations = [
        migrations.CreateModel(
            name="Copy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.UUIDField(verbose_name="message")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("content", models.BinaryField(verbose_name="content")),
                ("person", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="person")),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="address")),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
            ],
            options={
                "verbose_name": "copy",
                "verbose_name_plural": "copies",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["person"], name="ace_tracking_copy_of"),
                    models.Index(fields=["address"], name="ace_tracking_copy_at"),
                    models.Index(fields=["expires_at"], name="ace_tracking_copy_until"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("message", "channel_type"), name="ace_tracking_one_copy")
                ],
            },
        ),
        migrations.CreateModel(
            name="Engagement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("message", models.UUIDField(verbose_name="message")),
                (
                    "kind",
                    models.CharField(
                        choices=[("open", "opened"), ("click", "clicked")], max_length=5, verbose_name="kind"
                    ),
                ),
                ("link", models.UUIDField(null=True, verbose_name="link")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("is_machine", models.BooleanField(verbose_name="by a machine")),
                ("person", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="person")),
                ("is_counted", models.BooleanField(default=False, verbose_name="is counted")),
            ],
            options={
                "verbose_name": "open or click",
                "verbose_name_plural": "opens and clicks",
                "indexes": [
                    models.Index(fields=["message"], name="ace_tracking_engagement_of"),
                    models.Index(fields=["at"], name="ace_tracking_engagement_at"),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["person"],
                        name="ace_tracking_engagement_by",
                        otherwise=("person",),
                        where=models.Q(("person__isnull", False)),
                    ),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["id"],
                        name="ace_tracking_engagement_new",
                        otherwise=("is_counted", "id"),
                        where=models.Q(("is_counted", False)),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Figure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(verbose_name="day")),
                ("message_type", edx_ace.outbox.fields.KeyField(max_length=255, verbose_name="message type")),
                ("category", edx_ace.outbox.fields.KeyField(blank=True, max_length=100, verbose_name="category")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("batch", models.UUIDField(null=True, verbose_name="batch")),
                ("measure", models.CharField(max_length=20, verbose_name="measure")),
                ("number", models.BigIntegerField(verbose_name="number")),
                ("is_sum", models.BooleanField(default=False, verbose_name="is a sum")),
            ],
            options={
                "verbose_name": "figure",
                "verbose_name_plural": "figures",
                "indexes": [
                    models.Index(fields=["batch", "day"], name="ace_tracking_figure_of"),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["day"],
                        name="ace_tracking_figure_send",
                        otherwise=("measure", "day", "number"),
                        where=models.Q(
                            ("batch__isnull", False), ("is_sum", True), ("measure", "sent"), ("number__gt", 1)
                        ),
                    ),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["day"],
                        name="ace_tracking_figure_old",
                        otherwise=("day",),
                        where=models.Q(("batch__isnull", False)),
                    ),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["id"],
                        name="ace_tracking_figure_new",
                        otherwise=("is_sum", "id"),
                        where=models.Q(("is_sum", False)),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                ("uuid", models.UUIDField(primary_key=True, serialize=False)),
                ("batch", models.UUIDField(verbose_name="batch")),
                ("target", models.TextField(verbose_name="target")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
            ],
            options={
                "verbose_name": "link",
                "verbose_name_plural": "links",
                "indexes": [models.Index(fields=["created_at"], name="ace_tracking_link_old")],
            },
        ),
    ]
