"""Beat holds only our own few entries, and an operator may move them."""

import pytest
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

pytestmark = pytest.mark.django_db


def test_the_entries_are_there_after_migrate():
    assert set(PeriodicTask.objects.values_list("task", "interval__every", "interval__period")) == {
        ("datasets.tasks.tick", 3, "seconds"),
        ("datasets.tasks.profiles", 2, "minutes"),
        ("datasets.tasks.housekeeping", 1, "hours"),
    }


def test_an_operators_change_survives_the_next_migrate():
    slower, _ = IntervalSchedule.objects.get_or_create(every=10, period="seconds")
    PeriodicTask.objects.filter(task="datasets.tasks.tick").update(interval=slower, enabled=False, name="Mine")

    call_command("migrate", verbosity=0, interactive=False)

    tick = PeriodicTask.objects.get(task="datasets.tasks.tick")
    assert (tick.name, tick.interval.every, tick.enabled) == ("Mine", 10, False)


def test_a_deleted_entry_comes_back():
    PeriodicTask.objects.filter(task="datasets.tasks.tick").delete()

    call_command("migrate", verbosity=0, interactive=False)

    assert PeriodicTask.objects.filter(task="datasets.tasks.tick").count() == 1


def test_the_tasks_exist_under_these_names():
    from connector.celery import app

    app.loader.import_default_modules()

    assert set(PeriodicTask.objects.values_list("task", flat=True)) <= set(app.tasks)


def test_a_tick_that_waited_too_long_is_not_worth_taking():
    assert PeriodicTask.objects.get(task="datasets.tasks.tick").expire_seconds == 30
