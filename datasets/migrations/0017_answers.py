import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# Each request has had an answer of its own so far. Its raw files stay where they are.
ANSWERS_OF_REQUESTS = """
INSERT INTO datasets_answer (id, account_id, kind, fingerprint, marketplaces, zone, first_day, last_day, asked_at,
    from_at, until_at, amazon_id, document_id, collected_at, progress, place, created_at)
SELECT request.id, dataset.account_id, request.kind, request.source, request.marketplaces, request.zone,
    request.first_day, request.last_day, request.asked_at, request.from_at, request.until_at, request.amazon_id,
    request.document_id, CASE WHEN request.state IN ('collected', 'done') THEN coalesce(request.answered_at, request.asked_at) END,
    request.cursor, request.dataset_id || '/' || request.id, request.created_at
FROM datasets_request request JOIN datasets_dataset dataset ON dataset.id = request.dataset_id;
UPDATE datasets_request SET answer_id = id;
SELECT setval(pg_get_serial_sequence('datasets_answer', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL)
FROM datasets_answer;
SET CONSTRAINTS ALL IMMEDIATE;
"""
REQUESTS_OF_ANSWERS = """
UPDATE datasets_request request SET kind = answer.kind, source = answer.fingerprint, marketplaces = answer.marketplaces, zone = answer.zone, asked_at = answer.asked_at, from_at = answer.from_at,
    until_at = answer.until_at, amazon_id = answer.amazon_id, document_id = answer.document_id, cursor = answer.progress,
    spool = CASE WHEN request.state IN ('collected', 'done') THEN answer.place ELSE '' END
FROM datasets_answer answer WHERE answer.id = request.answer_id;
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_refused_marketplaces'),
        ('datasets', '0016_rows_out_of_window'),
    ]

    operations = [
        migrations.CreateModel(
            name='Answer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.account')),
                ('kind', models.CharField(max_length=10)),
                ('fingerprint', models.CharField(blank=True, max_length=64)),
                ('marketplaces', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), default=list, size=None)),
                ('zone', models.CharField(blank=True, max_length=64)),
                ('first_day', models.DateField()),
                ('last_day', models.DateField()),
                ('asked_at', models.DateTimeField(null=True)),
                ('from_at', models.DateTimeField(null=True)),
                ('until_at', models.DateTimeField(null=True)),
                ('amazon_id', models.CharField(blank=True, max_length=200)),
                ('document_id', models.CharField(blank=True, max_length=500)),
                ('collected_at', models.DateTimeField(null=True)),
                ('progress', models.JSONField(default=dict)),
                ('place', models.CharField(blank=True, max_length=50)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('fingerprint', ''), _negated=True), fields=['fingerprint', 'last_day'], name='answer_by_fingerprint')],
            },
        ),
        migrations.AddField(
            model_name='request',
            name='answer',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='requests', to='datasets.answer'),
        ),
        migrations.RunSQL(ANSWERS_OF_REQUESTS, REQUESTS_OF_ANSWERS),
        migrations.AlterField(
            model_name='request',
            name='answer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='requests', to='datasets.answer'),
        ),
        migrations.AlterField(model_name='request', name='kind', field=models.CharField(default='', max_length=10)),  # for the way back
        migrations.RemoveIndex(model_name='request', name='request_by_source'),
        *(
            migrations.RemoveField(model_name='request', name=name)
            for name in (
                'amazon_id', 'asked_at', 'cursor', 'document_id', 'from_at', 'kind', 'marketplaces', 'source',
                'spool', 'until_at', 'zone',
            )
        ),
    ]
