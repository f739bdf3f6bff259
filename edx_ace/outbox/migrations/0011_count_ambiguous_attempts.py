"""
Internal: a delivery says how many of its attempts ended so that nobody knows whether it was accepted.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ace_outbox", "0010_cost_of_types_and_sends"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="ambiguous_attempts",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
