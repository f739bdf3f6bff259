"""
Internal: calls that somebody gave a name, so that made again they do nothing.
"""

import django.utils.timezone
from django.db import migrations, models

import edx_ace.outbox.fields


class Migration(migrations.Migration):
    dependencies = [
        ("ace_campaigns", "0001_campaigns"),
    ]

    operations = [
        migrations.CreateModel(
            name="Call",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", edx_ace.outbox.fields.KeyField(max_length=255, unique=True)),
                ("answer", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "default_permissions": (),
            },
        ),
    ]
