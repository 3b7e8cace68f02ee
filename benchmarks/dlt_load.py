"""Loads a flat file with dlt, in its own environment: `python -m benchmarks.dlt_load FILE KIND DATABASE_URL SCHEMA`.

Prints the seconds that its runs took. Everything arrives as text, as nobody tells dlt the types: what costs least.
`dicts` and `arrow` are one load of the whole file, and what lies on this disk on its way is not packed; `packed` is arrow
as dlt comes, which packs it. `days` is, as dlt comes, what our append does: the newest day first, each with a load of its own
that is in when it is over, and a day that is loaded again is replaced.
"""

import csv
import os
import sys
import tempfile
import time
from urllib.parse import parse_qsl, quote, urlsplit

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = str(sys.argv[2] in ("dicts", "arrow"))

import dlt  # noqa: E402
import pyarrow  # noqa: E402
from dlt.destinations.impl.postgres.configuration import PostgresCredentials  # noqa: E402
from pyarrow import compute  # noqa: E402
from pyarrow import csv as arrow  # noqa: E402


def dicts(file):
    with open(file, encoding="utf-8", newline="") as source:
        yield from csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE)


def tables(file):
    with open(file, encoding="utf-8") as source:
        names = source.readline().rstrip("\n").split("\t")
    yield from arrow.open_csv(
        file,
        parse_options=arrow.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(names, "string")),
    )


def days(file):
    """A table a day, the newest first."""
    rows = pyarrow.Table.from_batches(tables(file))
    rows = rows.append_column("day", compute.utf8_slice_codeunits(rows["purchase-date"], 0, 10))
    for day in sorted(compute.unique(rows["day"]).to_pylist(), reverse=True):
        yield rows.filter(compute.equal(rows["day"], day))


def credentials(address):
    """dlt wants host, password and port apart, and makes an address of them again: a host that is a folder goes quoted."""
    found = urlsplit(address)
    return PostgresCredentials(
        {
            "host": quote(dict(parse_qsl(found.query)).get("host", found.hostname or ""), safe=""),
            "port": found.port or 5432,
            "username": found.username,
            "password": found.password or "none",
            "database": found.path.strip("/"),
        }
    )


def main(file, kind, database, schema):
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            f"bench_{kind}",
            pipelines_dir=folder,
            destination=dlt.destinations.postgres(credentials(database)),
            dataset_name=schema,
        )
        began = time.perf_counter()
        if kind == "days":
            replaced = {"disposition": "merge", "strategy": "delete-insert"}
            loads = (
                dlt.resource([day], name="rows", write_disposition=replaced, merge_key="day") for day in days(file)
            )
        else:
            rows = dicts(file) if kind == "dicts" else tables(file)
            loads = [dlt.resource(rows, name="rows", write_disposition="append")]
        for load in loads:
            pipeline.run(load).raise_on_failed_jobs()
        print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
