from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("images", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="tiling",
            name="index",
            field=models.BinaryField(blank=True, null=True, verbose_name="index"),
        ),
    ]
