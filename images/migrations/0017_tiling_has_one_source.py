"""After the rows say so: PostgreSQL changes no table in a transaction that has written rows with foreign keys."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("images", "0016_tilings_name_their_source")]

    operations = [
        migrations.AddConstraint(
            "tiling",
            models.CheckConstraint(
                condition=(Q(store__isnull=False) & ~Q(key="") & Q(url=""))
                | (Q(store__isnull=True) & Q(key="") & ~Q(url="")),
                name="tiling_has_one_source",
            ),
        ),
    ]
