"""
Internal: the table of how much of the rate limits is used.
"""

from django.db import migrations, models

import edx_ace.outbox.fields


class Migration(migrations.Migration):
    dependencies = [("ace_outbox", "0004_circuit")]

    operations = [
        migrations.CreateModel(
            name="RateUsage",
            fields=[
                (
                    "channel",
                    edx_ace.outbox.fields.KeyField(
                        max_length=100, primary_key=True, serialize=False, verbose_name="channel"
                    ),
                ),
                ("used", models.JSONField(default=dict, verbose_name="used")),
            ],
            options={
                "verbose_name": "use of a rate limit",
                "verbose_name_plural": "use of rate limits",
            },
        ),
    ]
