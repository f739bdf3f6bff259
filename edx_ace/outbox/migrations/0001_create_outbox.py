"""
Internal: the tables of the outbox, with their indexes and unique keys.
"""

import django.db.models.deletion
from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("due_at", models.DateTimeField(verbose_name="due at")),
                ("lease_until", models.DateTimeField(editable=False, null=True, verbose_name="lease until")),
                ("fence", models.PositiveBigIntegerField(default=0, editable=False)),
                ("claims", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("batch", models.UUIDField(null=True, verbose_name="batch")),
                ("recipient", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="recipient")),
                ("address", edx_ace.outbox.fields.KeyField(max_length=255, null=True, verbose_name="address")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("limited_to", models.CharField(blank=True, max_length=255, verbose_name="limited to")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "queued"),
                            ("claimed", "claimed"),
                            ("handing", "being handed over"),
                            ("sent", "sent"),
                            ("delivered", "delivered"),
                            ("bounced", "bounced"),
                            ("complained", "complained about"),
                            ("failed", "failed"),
                            ("skipped", "skipped"),
                            ("expired", "expired"),
                            ("cancelled", "cancelled"),
                            ("folded", "folded into a digest"),
                            ("unknown", "unknown"),
                        ],
                        default="queued",
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                (
                    "priority",
                    models.SmallIntegerField(
                        choices=[(0, "bulk"), (1, "normal"), (2, "essential")], default=1, verbose_name="priority"
                    ),
                ),
                ("expires_at", models.DateTimeField(null=True, verbose_name="expires at")),
                (
                    "on_ambiguous",
                    models.CharField(
                        choices=[("repeat", "repeat"), ("hold", "hold")], max_length=6, verbose_name="when ambiguous"
                    ),
                ),
                ("is_stopped", models.BooleanField(default=False, verbose_name="is stopped")),
                ("may_have_arrived", models.BooleanField(default=False, verbose_name="may have arrived")),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
                ("provider_id", models.CharField(blank=True, max_length=255, verbose_name="provider's id")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished at")),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="Payload",
            fields=[
                ("uuid", models.UUIDField(primary_key=True, serialize=False, verbose_name="message")),
                ("source", models.CharField(blank=True, max_length=100, verbose_name="source")),
                ("content", models.TextField(verbose_name="content")),
                (
                    "idempotency_key",
                    edx_ace.outbox.fields.KeyField(
                        max_length=255, null=True, unique=True, verbose_name="idempotency key"
                    ),
                ),
                ("fingerprint", models.CharField(blank=True, max_length=64, verbose_name="fingerprint")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
            ],
            options={
                "verbose_name": "payload",
                "verbose_name_plural": "payloads",
            },
        ),
        migrations.CreateModel(
            name="Count",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("batch", models.UUIDField(verbose_name="batch")),
                ("from_state", models.CharField(blank=True, max_length=12, verbose_name="from")),
                ("to_state", models.CharField(max_length=12, verbose_name="to")),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("is_sum", models.BooleanField(default=False, verbose_name="is a sum")),
            ],
            options={
                "verbose_name": "count",
                "verbose_name_plural": "counts",
                "indexes": [
                    models.Index(fields=["batch"], name="ace_outbox_count_batch"),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["id"],
                        name="ace_outbox_count_new",
                        otherwise=("is_sum", "id"),
                        where=models.Q(("is_sum", False)),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("outcome", models.CharField(max_length=12, verbose_name="outcome")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
                ("reply", models.TextField(blank=True, verbose_name="reply")),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="history",
                        to="ace_outbox.delivery",
                        verbose_name="delivery",
                    ),
                ),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
            },
        ),
        migrations.CreateModel(
            name="Doorbell",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rung_at", models.DateTimeField(null=True, verbose_name="rung at")),
                ("attended_until", models.DateTimeField(null=True, verbose_name="attended until")),
            ],
            options={
                "verbose_name": "doorbell",
                "verbose_name_plural": "doorbells",
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="payload",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="deliveries",
                to="ace_outbox.payload",
                verbose_name="payload",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["priority", "due_at"],
                name="ace_outbox_due",
                otherwise=("state", "priority", "due_at"),
                where=models.Q(("state", "queued")),
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["lease_until"],
                name="ace_outbox_leased",
                otherwise=("lease_until",),
                where=models.Q(("lease_until__isnull", False)),
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("batch", "recipient", "channel_type"), name="ace_outbox_once_a_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("batch", "address", "channel_type"), name="ace_outbox_once_an_address"
            ),
        ),
    ]
