"""
Internal: deliveries are found by their address and by when they ended; a permission to see who they went to.
"""

from django.db import migrations, models

import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    dependencies = [("ace_outbox", "0002_wait_for_a_channel")]

    operations = [
        migrations.RemoveConstraint(model_name="delivery", name="ace_outbox_once_an_address"),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("address", "batch", "channel_type"), name="ace_outbox_once_an_address"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["state", "finished_at"],
                name="ace_outbox_finished",
                otherwise=("state", "finished_at"),
                where=models.Q(("finished_at__isnull", False)),
            ),
        ),
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": [("view_recipient", "Can see who a message goes to")],
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
            },
        ),
    ]
