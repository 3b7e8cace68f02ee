from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("datasets", "0015_values_without_a_column")]
    operations = [migrations.RenameField("request", "strays", "out_of_window")]
