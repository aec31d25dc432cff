"""Tilings name the source that they were read of."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def name_sources(apps: Any, _schema_editor: Any) -> None:
    """The one that the record names: of records that wait to be read from another place nothing else is known."""
    image = apps.get_model("images", "Image").objects.filter(pk=OuterRef("image_id"))
    names = ("store_id", "key", "url")
    apps.get_model("images", "Tiling").objects.update(**{name: Subquery(image.values(name)[:1]) for name in names})


class Migration(migrations.Migration):
    dependencies = [("images", "0015_shown_index")]

    operations = [
        migrations.AddField(
            "tiling",
            "store",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="images.store",
                verbose_name="store",
            ),
        ),
        migrations.AddField(
            "tiling",
            "key",
            models.CharField(blank=True, default="", max_length=1000, verbose_name="key"),
            preserve_default=False,
        ),
        migrations.AddField(
            "tiling",
            "url",
            models.URLField(blank=True, default="", max_length=2000, verbose_name="URL"),
            preserve_default=False,
        ),
        migrations.RunPython(name_sources, migrations.RunPython.noop),
    ]
