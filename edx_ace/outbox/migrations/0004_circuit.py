"""
Internal: the table of channels that are not used for now.
"""

from django.db import migrations, models

import edx_ace.outbox.fields


class Migration(migrations.Migration):
    dependencies = [("ace_outbox", "0003_find_by_address_and_by_end")]

    operations = [
        migrations.CreateModel(
            name="Circuit",
            fields=[
                (
                    "channel",
                    edx_ace.outbox.fields.KeyField(
                        max_length=100, primary_key=True, serialize=False, verbose_name="channel"
                    ),
                ),
                ("opened_at", models.DateTimeField(verbose_name="open since")),
                ("probe_at", models.DateTimeField(verbose_name="next try")),
                ("pause", models.DurationField(verbose_name="pause")),
                ("code", models.CharField(blank=True, max_length=64, verbose_name="code")),
                ("reason", models.TextField(blank=True, verbose_name="reason")),
            ],
            options={
                "verbose_name": "open circuit",
                "verbose_name_plural": "open circuits",
            },
        ),
    ]
