"""Celery: carries hints that there is work. The work itself is recorded in PostgreSQL, so that losing or duplicating a
message changes nothing, and a broker that is down breaks no page."""

import os

from celery import Celery
from django.conf import settings
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES

from connector.runtime.broker import QUEUES, patience

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector.settings")

TASK_LIMIT = 720  # seconds; a step takes less than two minutes as a rule


# Our Redis looks at what it hands out. Named, not imported: who never speaks to a broker need not hold its library.
TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), "connector.runtime.redis_transport:Transport")
app = Celery("connector")
app.set_default()  # for every thread of the web server, not only for the one that imported this
app.conf.update(
    broker_url=settings.BROKER_URL,
    **patience(settings.BROKER_URL),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_serializer="json",
    accept_content=["json"],
    enable_utc=True,
    timezone="UTC",
    result_backend=None,
    result_expires=None,  # nothing is kept, so beat needs no entry that clears it
    task_ignore_result=True,
    # A worker takes from all of these unless it is told -Q. Each is bound under its own name: bound under the default
    # queue's, every message would reach both.
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
    task_default_queue="backfill",
    task_routes={
        "datasets.tasks.tick": {"queue": "clock"},
        "datasets.tasks.housekeeping": {"queue": "clock"},
        "datasets.tasks.profiles": {"queue": "clock"},
    },
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_failure_or_timeout=True,  # the ledger records failures, the broker need not
    task_soft_time_limit=TASK_LIMIT - 120,
    task_time_limit=TASK_LIMIT,
    worker_prefetch_multiplier=1,
    worker_concurrency=2,
    worker_pool="prefork",
    worker_max_tasks_per_child=200,
    worker_max_memory_per_child=400_000,  # kB
    worker_cancel_long_running_tasks_on_connection_loss=False,  # duplicate runs are fenced off, interrupted ones lose work
    # Within the half minute that supervisors give; who is stopped without work has nothing to wait for.
    worker_soft_shutdown_timeout=20,
    worker_enable_soft_shutdown_on_idle=False,
    worker_send_task_events=False,
    task_send_sent_event=False,
    worker_hijack_root_logger=False,  # our own logging keeps secrets out
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
    beat_max_loop_interval=3,
)
app.autodiscover_tasks(["datasets.backfill", "datasets.profiles"])
