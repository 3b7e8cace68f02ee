"""Takes a request one step further: planned → asked → ready → collected → done.

What Amazon gave is written down before the next step, so a worker that dies leaves a row from which any other goes on.
How a kind of source is asked and collected is told in `sources/`; what they share stands here: the search for a refused
marketplace, and answers of other datasets that serve as well.
"""

from datetime import datetime

from django.db import transaction

from connector.database.clock import database_now
from connector.spapi import errors
from datasets.backfill import landing, sharing, tracing
from datasets.backfill.answers import parsed
from datasets.backfill.sources import index
from datasets.backfill.sources.asking import Asking
from datasets.backfill.sources.source import Source
from datasets.backfill.sources.waits import FIRST_POLL, scaled
from datasets.models import Answer, Request, Run

IN_USE_WAIT = 1.0  # seconds, while another worker has the same answer in hand


def step(asking: Asking, request: Request) -> None:
    """Advances the request as far as possible without waiting; raises spapi.errors for the run to judge
    (`outcomes.py`)."""
    source = index.of_request(request, asking.report)
    try:
        if request.state == Request.State.PLANNED:
            _ask(asking, source, request)
        elif request.state == Request.State.COLLECTED:
            landing.land_request(asking, source, request)
        else:
            source.collect(asking, request)
    except parsed.InUse:
        raise errors.NotReady(
            "Another dataset is fetching or reading the same answer of Amazon's; both will use it.", wait=IN_USE_WAIT
        ) from None


def _ask(asking: Asking, source: Source, request: Request) -> None:
    if tracing.is_under_way(request):
        tracing.go_on(asking, request)
        return
    if request.lacking and request.answer.asked_at is None:
        tracing.look_again(asking, request)
    if source.resume(asking, request):
        return
    if _intend(asking, source, request):
        source.ask(asking, request)


def _intend(asking: Asking, source: Source, request: Request) -> bool:
    """Writes down that Amazon is about to be asked, unless another dataset's answer serves: then False."""
    question = sharing.question(asking, request.lacking)
    if question != request.answer.question:
        request.keep(told=question)  # the account has changed since it was planned
    with transaction.atomic():
        sharing.one_asks(request.answer.fingerprint)
        now = database_now()
        if request.answer.asked_at is None and _share(asking, request, now):
            return False
        from_at, until_at = asking.window(request, now)
        source.intend(request, asked_at=now, from_at=from_at, until_at=until_at)
    return True


def _share(asking: Asking, request: Request, now: datetime) -> bool:
    """Uses another dataset's answer to the same question, where there is one. What is reloaded is sent again."""
    if asking.run.trigger == Run.Trigger.RELOAD or not request.answer.fingerprint:
        return False
    other = sharing.find(request, asking.report, zone=asking.zone_of(request), now=now)
    if other is None:
        return False
    if other.state in sharing.UNDER_WAY:
        raise errors.NotReady(
            f"{other.dataset.name} is already requesting the same days from Amazon; both will use the answer.",
            wait=max(1.0, scaled(FIRST_POLL).total_seconds()),
        )
    # Until the transaction ends nobody drops it, as housekeeping does with those that no request has.
    answer = Answer.objects.select_for_update(no_key=True).filter(pk=other.answer_id).first()
    if answer is None:
        return False
    request.share(answer)
    return True
