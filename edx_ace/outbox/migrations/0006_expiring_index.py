"""
Internal: an index over what is queued and expires, which may be long before its turn comes.
"""

from django.db import migrations, models

import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    dependencies = [("ace_outbox", "0005_rate_usage")]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=edx_ace.outbox.indexes.PartialIndex(
                fields=["expires_at"],
                name="ace_outbox_expiring",
                otherwise=("state", "expires_at"),
                where=models.Q(("expires_at__isnull", False), ("state", "queued")),
            ),
        ),
    ]
