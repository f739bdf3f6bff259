"""
Internal: attempts say what they cost, and what each channel cost on a day is added up.
"""

from decimal import Decimal

from django.db import migrations, models

import edx_ace.outbox.fields
import edx_ace.outbox.indexes


class Migration(migrations.Migration):
    dependencies = [
        ("ace_outbox", "0007_find_by_person_and_category"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="price",
            field=models.DecimalField(
                db_default=Decimal("0"), decimal_places=6, default=Decimal("0"), max_digits=12, verbose_name="price"
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="units",
            field=models.PositiveSmallIntegerField(db_default=1, default=1, verbose_name="units"),
        ),
        migrations.CreateModel(
            name="Expense",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("channel", edx_ace.outbox.fields.KeyField(max_length=100, verbose_name="channel")),
                ("day", models.DateField(verbose_name="day")),
                ("units", models.PositiveBigIntegerField(verbose_name="units")),
                ("price", models.DecimalField(decimal_places=6, max_digits=18, verbose_name="price")),
                ("is_sum", models.BooleanField(default=False, verbose_name="is a sum")),
            ],
            options={
                "verbose_name": "expense",
                "verbose_name_plural": "expenses",
                "indexes": [
                    models.Index(fields=["channel", "day"], name="ace_outbox_expense_day"),
                    edx_ace.outbox.indexes.PartialIndex(
                        fields=["id"],
                        name="ace_outbox_expense_new",
                        otherwise=("is_sum", "id"),
                        where=models.Q(("is_sum", False)),
                    ),
                ],
            },
        ),
    ]
