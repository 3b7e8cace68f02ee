from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0013_failures_by_cause'),
    ]

    operations = [
        migrations.AddField(
            model_name='request',
            name='throttled_since',
            field=models.DateTimeField(null=True),
        ),
    ]
