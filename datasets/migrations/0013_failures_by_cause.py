from django.db import migrations, models
from django.db.models.expressions import Value


class Migration(migrations.Migration):

    dependencies = [
        ('datasets', '0012_what_was_asked'),
    ]

    operations = [
        migrations.AddField(
            model_name='request',
            name='failures_by',
            field=models.JSONField(db_default=Value({}, models.JSONField()), default=dict),
        ),
    ]
