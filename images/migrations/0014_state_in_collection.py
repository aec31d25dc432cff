from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("images", "0013_shown_in_collection"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="image",
            name="image_in_collection",
        ),
        migrations.AddIndex(
            model_name="image",
            index=models.Index(
                fields=["collection", "identifier", "state", "version", "width", "error_code", "id"],
                name="image_in_collection",
            ),
        ),
    ]
