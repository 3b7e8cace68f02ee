"""Tables that have values in _extra by now say so, as landings note it from now on: they are served."""

from django.db import migrations

from datasets import personal
from datasets.storage import read, table


def note(apps, schema_editor):
    # Only a table whose rows may be too wide can have such values, so that no other one is looked through.
    tables = """
        SELECT substring(relname FROM '^ds_(\\d+)')::bigint,
               coalesce(substring(relname FROM '_g(\\d+)$')::integer, 1)
        FROM pg_class
        WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' AND relnatts > %s AND relname ~ '^ds_\\d+(_g\\d+)?$'
        ORDER BY 1, 2
    """
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(tables, [read.SCHEMA, table.SURE_COLUMNS])
        for dataset_id, generation in cursor.fetchall():
            where = f'"{read.SCHEMA}"."{read.table_name(dataset_id, generation)}"'
            cursor.execute(f"SELECT EXISTS (SELECT FROM {where} WHERE _extra IS NOT NULL)")
            if cursor.fetchone() == (True,):
                table.note_extra(cursor, dataset_id, generation)
                _serve(apps, cursor, dataset_id, generation)


def _serve(apps, cursor, dataset_id, generation):
    found = apps.get_model("datasets", "Dataset").objects.filter(pk=dataset_id, generation=generation)
    for dataset in found:
        dataset.columns = personal.marked(dataset, read.describe_served(cursor, dataset_id, generation))
        dataset.save(update_fields=["columns"])


class Migration(migrations.Migration):
    dependencies = [("datasets", "0014_throttled_requests")]
    operations = [migrations.RunPython(note, migrations.RunPython.noop, elidable=True)]
