"""
Internal: a delivery says which digest it became part of.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ace_outbox", "0008_price_attempts"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="folded_into",
            field=models.UUIDField(null=True, verbose_name="folded into"),
        ),
    ]
