"""Starts `child.py` for one job, hands it bytes, and takes its answer: a result, and bytes that belong to it."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent.parent
MAX_SECONDS = 60  # for one job
REFUSED = 3  # the child's exit code for a refusal in words
# Nothing of ours: no address of a database, no key. One thread, one heap.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}


class JobRefused(Exception):
    """The job cannot be done; the message says why and what to do, for the person who asked."""


@dataclass(frozen=True)
class JobResult:
    """What the child made: `result` as JSON had it, `content` the bytes after it (empty for most jobs)."""

    result: dict
    content: bytes


def run(job: str, chunks: Iterable[bytes], **options: Any) -> JobResult:
    """Runs one job of `child.JOBS` on the bytes of `chunks`; `options` are the job's own, as JSON can hold them.

    Raises Refused with a sentence for people: the child's own, or one about the limit that the job ran into.
    """
    with TemporaryFile() as given:
        for chunk in chunks:
            given.write(chunk)
        given.seek(0)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "datasets.tabular.child", job, json.dumps(options)],
                stdin=given,
                capture_output=True,
                cwd=PROJECT,
                env=ENVIRONMENT,
                timeout=MAX_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise JobRefused(
                f"This took longer than {MAX_SECONDS} seconds and was stopped. Try again with fewer rows."
            ) from None
    head, _, content = done.stdout.partition(b"\n")
    if done.returncode == REFUSED:
        raise JobRefused(json.loads(head)["refused"])
    if done.returncode < 0:  # a signal: of a limit, or of a library that found no memory
        raise JobRefused(
            "This took more time or memory than one job may use and was stopped. Try again with fewer rows or columns."
        )
    if done.returncode:
        raise RuntimeError(f"{job} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return JobResult(json.loads(head), content)


def listed(names: Iterable[str]) -> str:
    """The first ten of the names, for a sentence."""
    return ", ".join(sorted(names)[:10])
