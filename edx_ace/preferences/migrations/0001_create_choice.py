"""
Internal: the table of what people chose.
"""

from django.db import migrations, models

import edx_ace.outbox.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Choice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", edx_ace.outbox.fields.KeyField(max_length=255, verbose_name="person")),
                ("category", edx_ace.outbox.fields.KeyField(blank=True, max_length=100, verbose_name="category")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("scope", edx_ace.outbox.fields.KeyField(blank=True, max_length=255, verbose_name="scope")),
                (
                    "taking",
                    models.CharField(
                        choices=[
                            ("off", "off"),
                            ("immediate", "as they come"),
                            ("daily", "once a day"),
                            ("weekly", "once a week"),
                        ],
                        max_length=10,
                        verbose_name="taken",
                    ),
                ),
                ("source", models.CharField(max_length=20, verbose_name="source")),
                ("changed_at", models.DateTimeField(verbose_name="changed at")),
            ],
            options={
                "verbose_name": "choice",
                "verbose_name_plural": "choices",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("person", "channel_type", "category", "scope"), name="ace_preferences_one_choice"
                    )
                ],
            },
        ),
    ]
