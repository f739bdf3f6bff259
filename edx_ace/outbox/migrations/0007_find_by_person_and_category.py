"""
Internal: deliveries say what they are about, and are found by person; what belongs to a send is found by its payloads.
"""

from django.db import migrations, models

import edx_ace.outbox.fields


class Migration(migrations.Migration):
    dependencies = [("ace_outbox", "0006_expiring_index")]

    operations = [
        migrations.AddField(
            model_name="payload",
            name="message_type",
            field=edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="message type"),
        ),
        migrations.AddField(
            model_name="payload", name="batch", field=models.UUIDField(null=True, verbose_name="batch")
        ),
        migrations.AddIndex(model_name="payload", index=models.Index(fields=["batch"], name="ace_outbox_batch")),
        migrations.AddField(
            model_name="delivery",
            name="category",
            field=edx_ace.outbox.fields.KeyField(blank=True, max_length=100, verbose_name="category"),
        ),
        migrations.AddField(
            model_name="delivery",
            name="scope",
            field=edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="scope"),
        ),
        migrations.AddField(
            model_name="delivery",
            name="is_essential",
            field=models.BooleanField(default=False, verbose_name="is essential"),
        ),
        migrations.RemoveConstraint(model_name="delivery", name="ace_outbox_once_a_person"),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("recipient", "batch", "channel_type"), name="ace_outbox_once_a_person"
            ),
        ),
    ]
