from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='QuotaPlace',
            fields=[
                ('pk', models.CompositePrimaryKey('bucket', 'who', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.TextField()),
                ('who', models.TextField()),
                ('urgent', models.BooleanField()),
                ('since', models.FloatField()),
                ('until', models.FloatField()),
            ],
            options={
                'db_table': 'quota_place',
            },
        ),
        migrations.AddField(
            model_name='quota',
            name='taken',
            field=models.BigIntegerField(db_default=0),
        ),
    ]
