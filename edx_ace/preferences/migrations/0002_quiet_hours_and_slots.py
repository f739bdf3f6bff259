"""
Internal: the tables of quiet hours, and of what counts for frequency caps.
"""

from django.db import migrations, models

import edx_ace.outbox.fields


class Migration(migrations.Migration):
    dependencies = [
        ("ace_preferences", "0001_create_choice"),
    ]

    operations = [
        migrations.CreateModel(
            name="QuietHours",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", edx_ace.outbox.fields.KeyField(max_length=255, unique=True, verbose_name="person")),
                ("start", models.TimeField(null=True, verbose_name="from")),
                ("end", models.TimeField(null=True, verbose_name="to")),
            ],
            options={
                "verbose_name": "quiet hours",
                "verbose_name_plural": "quiet hours",
            },
        ),
        migrations.CreateModel(
            name="Slot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", edx_ace.outbox.fields.KeyField(max_length=255, verbose_name="person")),
                ("week", models.DateField(verbose_name="week")),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("day", models.DateField(verbose_name="day")),
                ("channel_type", models.CharField(max_length=20, verbose_name="channel type")),
                ("message", models.UUIDField(verbose_name="message")),
                ("is_returned", models.BooleanField(default=False, verbose_name="given back")),
            ],
            options={
                "verbose_name": "slot",
                "verbose_name_plural": "slots",
                "indexes": [models.Index(fields=["week"], name="ace_preferences_slot_week")],
                "constraints": [
                    models.UniqueConstraint(fields=("person", "week", "number"), name="ace_preferences_one_slot")
                ],
            },
        ),
    ]
