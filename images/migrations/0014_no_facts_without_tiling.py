from typing import Any

from django.db import migrations
from django.db.models import Exists, OuterRef


def forget_facts(apps: Any, _schema_editor: Any) -> None:
    """Size and format are those of the tiling: where it went, because the source is something else now, they go, too."""
    images, tilings = apps.get_model("images", "Image"), apps.get_model("images", "Tiling")
    without = images.objects.filter(~Exists(tilings.objects.filter(image=OuterRef("pk"))), width__isnull=False)
    without.update(width=None, height=None, source_format="", source_byte_size=None)


class Migration(migrations.Migration):
    dependencies = [
        ("images", "0013_shown_in_collection"),
    ]

    operations = [
        migrations.RunPython(forget_facts, migrations.RunPython.noop, elidable=True),
    ]
