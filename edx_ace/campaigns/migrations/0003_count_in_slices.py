"""
Internal: workers make forecasts, a slice of time after the other.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ace_campaigns", "0002_add_call"),
    ]

    operations = [
        migrations.AddField(
            model_name="resolution",
            name="counting",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="resolution",
            name="lease_until",
            field=models.DateTimeField(null=True),
        ),
    ]
