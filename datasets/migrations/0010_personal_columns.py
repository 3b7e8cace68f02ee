"""Columns of datasets that have rows already are marked where they tell of a buyer, as landings mark them from now on."""

from django.db import migrations

from datasets import personal


def mark(apps, schema_editor):
    for dataset in apps.get_model("datasets", "Dataset").objects.exclude(columns=[]).iterator():
        dataset.columns = personal.marked(dataset, dataset.columns)
        dataset.save(update_fields=["columns"])


class Migration(migrations.Migration):
    dependencies = [("datasets", "0009_uploaded_files_and_column_profiles")]
    operations = [migrations.RunPython(mark, migrations.RunPython.noop, elidable=True)]
