"""
Internal: deliveries say which channel they wait for, and workers look for them channel by channel.
"""

from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    dependencies = [("ace_outbox", "0001_create_outbox")]

    operations = [
        migrations.RemoveIndex(model_name="delivery", name="ace_outbox_due"),
        migrations.AddField(
            model_name="delivery",
            name="channel",
            field=edx_ace.outbox.fields.KeyField(blank=True, max_length=100, verbose_name="channel"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["channel", "priority", "due_at"],
                name="ace_outbox_due",
                otherwise=("state", "channel", "priority", "due_at"),
                where=models.Q(("state", "queued")),
            ),
        ),
    ]
