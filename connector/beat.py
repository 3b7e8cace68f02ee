"""The few periodic tasks. They are rows of django-celery-beat's, so that an operator sees and can move them;
datasets' own schedules are columns of the datasets, and the tick looks at those."""

from django.apps import AppConfig, apps

ENTRIES = (
    # name, task, every, period, seconds after which a message expires
    ("Tick: start what is due, wake what waits", "datasets.tasks.tick", 3, "seconds", 30),
    ("Profiles: count what columns hold where rows have changed", "datasets.tasks.profiles", 2, "minutes", 100),
    ("Housekeeping: drop what nobody needs", "datasets.tasks.housekeeping", 1, "hours", 1800),
)


def install(app_config: AppConfig, using: str = "default", **_signal: object) -> None:
    """Makes the entries that are missing; one that an operator changed stays as it is."""
    if app_config.label != "django_celery_beat":
        return
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    entry = apps.get_model("django_celery_beat", "PeriodicTask")
    for name, task, every, period, expires in ENTRIES:
        if entry.objects.using(using).filter(task=task).exists():
            continue
        schedule, _ = interval.objects.using(using).get_or_create(every=every, period=period)
        entry.objects.using(using).create(name=name, task=task, interval=schedule, expire_seconds=expires)
