"""
Internal: costs are kept by message type, category, channel type and send, too.
"""

from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    dependencies = [
        ("ace_outbox", "0009_fold_into_digests"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="expense",
            name="ace_outbox_expense_day",
        ),
        migrations.AddField(
            model_name="expense",
            name="batch",
            field=models.UUIDField(null=True, verbose_name="batch"),
        ),
        migrations.AddField(
            model_name="expense",
            name="category",
            field=edx_ace.outbox.fields.KeyField(
                blank=True, db_default="", default="", max_length=100, verbose_name="category"
            ),
        ),
        migrations.AddField(
            model_name="expense",
            name="channel_type",
            field=models.CharField(blank=True, db_default="", default="", max_length=20, verbose_name="channel type"),
        ),
        migrations.AddField(
            model_name="expense",
            name="message_type",
            field=edx_ace.outbox.fields.KeyField(
                blank=True, db_default="", default="", max_length=255, verbose_name="message type"
            ),
        ),
        migrations.AddIndex(
            model_name="expense",
            index=models.Index(fields=["batch", "channel", "day"], name="ace_outbox_expense_of"),
        ),
        migrations.AddIndex(
            model_name="expense",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["day"],
                name="ace_outbox_expense_old",
                otherwise=("day",),
                where=models.Q(("batch__isnull", False)),
            ),
        ),
    ]
