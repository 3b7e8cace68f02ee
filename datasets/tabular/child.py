"""The process in which pandas runs: `python -m datasets.tabular.child JOB OPTIONS`, bytes on standard input.

It answers one line of JSON, then whatever bytes belong to it. Exit code 3 is a refusal in words for the person who asked.
"""

import json
import resource
import sys
from importlib import import_module

from datasets.tabular.isolated import MAX_SECONDS, REFUSED, JobRefused

MAX_MEMORY = 2 << 30  # bytes of address space, the libraries' own gigabyte included
JOBS = {
    "profile": "profile.profile",
    "read": "spreadsheet.read",
    "count": "spreadsheet.count",
    "misfit": "spreadsheet.misfit",
    "as_tsv": "spreadsheet.as_tsv",
}


def main(job: str, options: str) -> int:
    module, _, function = JOBS[job].partition(".")
    work = getattr(import_module(f"datasets.tabular.{module}"), function)  # before no file can be written, or Python
    limit()  # could not keep what it has compiled of the libraries, and would compile them again for each job
    try:
        result, content = work(sys.stdin.buffer, **json.loads(options))
        code = 0
    except JobRefused as problem:
        result, content, code = {"refused": str(problem)}, b"", REFUSED
    except MemoryError:
        told = "This needs more memory than one job may use, so it was stopped. Try again with fewer rows or columns."
        result, content, code = {"refused": told}, b"", REFUSED
    sys.stdout.buffer.write(json.dumps(result).encode() + b"\n")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
    return code


def limit() -> None:
    """Memory, processor time, and no file written: whatever is in the bytes that are read."""
    for name, most in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_CPU, MAX_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(name)
        resource.setrlimit(name, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
