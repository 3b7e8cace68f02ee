import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0011_rows_of_files'),
    ]

    operations = [
        migrations.AddField(
            model_name='dataset',
            name='days_zone',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
        migrations.AddField(
            model_name='request',
            name='marketplaces',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), db_default=[], default=list, size=None),
        ),
        migrations.AddField(
            model_name='request',
            name='zone',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
