"""A process that has the product loaded and, at a word, forks workers that may be killed by the hundred.

Run as `python -m tests.faults.mortal` in the environment of an installation. Each line it reads is one wish as JSON; for each it
forks one worker and answers its process id. A worker does what Celery's does, tick and turn, without a broker between.
"""

import json
import os
import signal
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta

GO = signal.SIGUSR1  # a worker that was told to wait begins
AHEAD, BACK = signal.SIGUSR2, signal.SIGWINCH  # its clock is set a day ahead, or a day back


def work(until_over):
    """Goes on with whatever is open; ends when nothing is, where it was told so."""
    from connector.database.away import left_to_the_next
    from connector.database.clock import database_now
    from datasets.backfill import dispatch, engine
    from datasets.models import Run

    while True:
        with left_to_the_next("the tick"):  # as datasets.tasks.tick does
            dispatch.release_dead_leases(database_now())
        found = list(Run.objects.open().values_list("pk", flat=True))
        if not found and until_over:
            return
        for run_id in found:
            engine.advance(run_id)
        time.sleep(0.01)


def follow_the_clock(seconds):
    """This process's clock is wrong by so much, and can be set while it works."""
    import time_machine

    clock = time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True).start()
    signal.signal(AHEAD, lambda *_: clock.shift(86400))
    signal.signal(BACK, lambda *_: clock.shift(-86400))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {AHEAD, BACK})


def survive(wish):
    from django.db import connection

    if wish.get("clock") is not None:
        follow_the_clock(wish["clock"])
    if wish.get("lease"):
        from datasets.backfill import lease

        lease.LEASE_SECONDS, lease.HEARTBEAT_SECONDS = wish["lease"], wish["lease"] / 5
    if wish.get("waits"):
        signal.sigwait({GO})
    if wish.get("starts"):
        from datasets.backfill import tasks
        from datasets.models import Dataset

        return tasks.start(Dataset.objects.get(pk=wish["starts"]))
    while True:  # as Celery does: a task that ends in an error is no end of the worker
        try:
            return work(wish.get("until_over"))
        except Exception:
            print(traceback.format_exc(), file=sys.stderr, flush=True)
            connection.close()
            time.sleep(0.02)


def main():
    import django

    django.setup()
    import ssl

    from datasets.backfill import engine, tasks

    assert tasks and engine
    ssl.create_default_context()  # what each would load first
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {GO, AHEAD, BACK})
    for line in sys.stdin:
        wish = json.loads(line)
        os.environ.update(wish.get("environment") or {})
        pid = os.fork()
        if not pid:
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                survive(wish)
            except BaseException:
                print(traceback.format_exc(), file=sys.stderr, flush=True)
            finally:
                os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
