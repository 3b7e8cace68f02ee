"""Workers killed with kill -9 in the middle of landing: how long until others go on, and that every row is there once.

Workers, beat and broker as in production. One of the two killed workers is made to look like one of another host, whose
death nobody here can see: there the lease has to run out.
"""

import os
import signal
import subprocess
import sys
import time

from benchmarks import files, ingest
from benchmarks.ground import PROJECT, Figure

ROWS = 400_000
NOWHERE = "http://127.0.0.1:9"  # nobody may be asked for anything here
TICK = 3
TIMEOUT = 100


def run(ground):
    from connector.celery import app
    from datasets.backfill import lease
    from datasets.models import Run

    packed = ingest.packed(files.all_orders(ground.folder / "recovery.tsv", ROWS))
    datasets = [
        ground.dataset(f"recovery_{place}", ingest.REPORT, ingest.OPTIONS, "append") for place in ("here", "elsewhere")
    ]
    with Fleet(ground) as fleet:
        fleet.worker("heir", 2, "-Q", "clock")  # ticks only, until the others are dead
        victims = [fleet.worker(f"victim{number}", 1, "-Q", "backfill") for number in range(2)]
        for dataset in datasets:
            ingest.collected(dataset, packed)
        wait_for(lambda: all(landed(dataset) for dataset in datasets), "a first day to be landed by each worker")
        for victim in victims:  # they hold still until all is ready: the next tick notices a death at once
            os.killpg(victim.pid, signal.SIGSTOP)
        runs = [dataset.runs.get() for dataset in datasets]
        open_yet = [run.state == "running" for run in runs]
        Run.objects.filter(pk=runs[1].pk).update(lease_owner="elsewhere/00000000/1/1")
        app.control.add_consumer("backfill", destination=["heir@bench"])
        for victim in victims:
            os.killpg(victim.pid, signal.SIGKILL)
        killed = time.monotonic()
        seconds = []
        for run_ in runs:
            wait_for(lambda run_=run_: Run.objects.get(pk=run_.pk).fence > run_.fence, "another worker to go on")
            seconds.append(time.monotonic() - killed)
        wait_for(lambda: all(is_in(dataset) for dataset in datasets), "all days")
        assert all(open_yet), "one of them had ended before it was killed: this file is too small for this machine"
        whole = all(count(ground, dataset) == ROWS for dataset in datasets)
    yield Figure(
        "worker killed in the middle of landing, on the same host", f"{seconds[0]:.1f} s", "until another goes on", "",
        f"≤ {2 * TICK} s (two ticks)", seconds[0] <= 2 * TICK and whole,
    )  # fmt: skip
    most = lease.LEASE_SECONDS + TICK
    yield Figure(
        "the same on another host, whose death nobody sees", f"{seconds[1]:.1f} s", "rows there once" if whole else "ROWS DIFFER", "",
        f"≤ {most} s (lease + tick)", seconds[1] <= most + 1 and whole,
    )  # fmt: skip


class Fleet:
    """Beat and workers, ended at the end."""

    def __init__(self, ground):
        self.ground, self.processes = ground, []

    def __enter__(self):
        self._start("beat", "beat", "-l", "INFO", "--pidfile=")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def worker(self, name, processes, *arguments):
        return self._start(
            name,
            "worker",
            "-l",
            "INFO",
            "--without-gossip",
            "--without-mingle",
            "-c",
            str(processes),
            "-n",
            f"{name}@bench",
            *arguments,
        )

    def _start(self, name, *arguments):
        nowhere = {f"SPAPI_ENDPOINT_{region}": NOWHERE for region in ("NA", "EU", "FE")} | {"LWA_TOKEN_URL": NOWHERE}
        with (self.ground.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "connector", *arguments],
                cwd=PROJECT, env=os.environ | nowhere, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process


def landed(dataset):
    return dataset.days.filter(state="landed").count()


def is_in(dataset):
    from datasets.models import Day

    return not dataset.days.exclude(state__in=Day.IN).exists()


def count(ground, dataset):
    return ground.sql(f"SELECT count(*) FROM data.ds_{dataset.pk}")[0][0]


def wait_for(holds, what):
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.02)
