"""When profiles are made: a sweep finds the datasets whose rows have changed, a task for each makes its profile."""

from celery import shared_task

from connector.database.away import left_to_the_next
from connector.database.clock import database_now
from datasets.backfill.tasks import tell
from datasets.models import Dataset
from datasets.profiles import making

MAX_AT_ONCE = 20  # of one sweep; the next one takes the rest


@shared_task(name="datasets.tasks.profile", ignore_result=True)
def profile(*, dataset_id: int, only_if_due: bool = False, **_later: object) -> None:
    """Makes the profile of a dataset's columns. If the message is lost, the old profile stays, which shows its age."""
    now, dataset = database_now(), Dataset.objects.select_related("account").filter(pk=dataset_id).first()
    if dataset and (not only_if_due or making.due(now).filter(pk=dataset_id).exists()):
        making.make(dataset, now)


@shared_task(name="datasets.tasks.profiles", ignore_result=True)
def sweep(**_later: object) -> None:
    """Starts profiles that are missing or out of date."""
    with left_to_the_next("the sweep for profiles"):
        for dataset_id in making.due(database_now())[:MAX_AT_ONCE]:
            tell(profile, "backfill", dataset_id=dataset_id, only_if_due=True)
