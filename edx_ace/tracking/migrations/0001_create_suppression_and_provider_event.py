"""
Internal: the tables of addresses that must not be used, of who decided so, and of what providers said.
"""

import django.db.models.deletion
from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("ace_outbox", "0008_price_attempts"),
    ]

    operations = [
        migrations.CreateModel(
            name="SuppressionChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", edx_ace.outbox.fields.KeyField(db_index=True, max_length=100, verbose_name="digest")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("category", edx_ace.outbox.fields.KeyField(blank=True, max_length=100, verbose_name="category")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("hard_bounce", "hard bounce"),
                            ("soft_bounces", "soft bounces"),
                            ("complaint", "complaint"),
                            ("unsubscribed", "unsubscribed at the provider"),
                            ("manual", "by hand"),
                            ("import", "imported"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[("added", "added"), ("lifted", "lifted")], max_length=8, verbose_name="action"
                    ),
                ),
                ("who", models.CharField(max_length=150, verbose_name="who")),
                ("why", models.TextField(blank=True, verbose_name="why")),
                ("at", models.DateTimeField(db_index=True, verbose_name="at")),
            ],
            options={
                "verbose_name": "change of a suppression",
                "verbose_name_plural": "changes of suppressions",
            },
        ),
        migrations.CreateModel(
            name="Suppression",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("digest", edx_ace.outbox.fields.KeyField(max_length=100, verbose_name="digest")),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="address")),
                ("category", edx_ace.outbox.fields.KeyField(blank=True, max_length=100, verbose_name="category")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("hard_bounce", "hard bounce"),
                            ("soft_bounces", "soft bounces"),
                            ("complaint", "complaint"),
                            ("unsubscribed", "unsubscribed at the provider"),
                            ("manual", "by hand"),
                            ("import", "imported"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires at")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
            ],
            options={
                "verbose_name": "suppression",
                "verbose_name_plural": "suppressions",
                "indexes": [models.Index(fields=["address", "channel_type"], name="ace_tracking_suppressed")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("digest", "channel_type", "category", "reason"), name="ace_tracking_one_suppression"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ProviderEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", edx_ace.outbox.fields.KeyField(max_length=64, unique=True, verbose_name="key")),
                ("provider", models.CharField(max_length=40, verbose_name="provider")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("delivered", "delivered"),
                            ("deferred", "deferred"),
                            ("soft_bounce", "soft bounce"),
                            ("hard_bounce", "hard bounce"),
                            ("rejected", "rejected by the provider"),
                            ("complained", "complaint"),
                            ("unsubscribed", "unsubscribed at the provider"),
                        ],
                        max_length=16,
                        verbose_name="kind",
                    ),
                ),
                ("provider_id", models.CharField(blank=True, max_length=255, verbose_name="provider's id")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("digest", edx_ace.outbox.fields.KeyField(max_length=100, verbose_name="digest")),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="address")),
                ("is_waiting", models.BooleanField(default=False, verbose_name="is waiting")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
                ("detail", models.TextField(blank=True, verbose_name="detail")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "delivery",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="provider_events",
                        to="ace_outbox.delivery",
                        verbose_name="delivery",
                    ),
                ),
            ],
            options={
                "verbose_name": "provider's event",
                "verbose_name_plural": "providers' events",
                "indexes": [
                    models.Index(fields=["digest", "kind", "at"], name="ace_tracking_of_address"),
                    models.Index(fields=["received_at"], name="ace_tracking_received"),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["id"],
                        name="ace_tracking_waiting",
                        otherwise=("is_waiting", "id"),
                        where=models.Q(("is_waiting", True)),
                    ),
                ],
            },
        ),
    ]
