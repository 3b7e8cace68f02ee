"""Loads a flat file with dlt, in its own environment: `python -m benchmarks.dlt_load FILE dicts|arrow|packed|days DATABASE_URL SCHEMA`.

Prints the seconds that `pipeline.run` took. Everything arrives as text, as nobody tells dlt the types: what costs least.
`days` is arrow with what our append promises as well: a day that is loaded again is replaced, so nothing is ever doubled.
What lies on this disk for a moment is not packed, as dlt would have it, but for `packed`, which is arrow as dlt comes.
"""

import csv
import os
import sys
import tempfile
import time
from urllib.parse import parse_qsl, quote, urlsplit

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
os.environ["DATA_WRITER__DISABLE_COMPRESSION"] = str("packed" not in sys.argv)

import dlt  # noqa: E402
from dlt.destinations.impl.postgres.configuration import PostgresCredentials  # noqa: E402
from pyarrow import compute  # noqa: E402
from pyarrow import csv as arrow  # noqa: E402


def dicts(file):
    with open(file, encoding="utf-8", newline="") as source:
        yield from csv.DictReader(source, delimiter="\t", quoting=csv.QUOTE_NONE)


def tables(file, with_day=False):
    with open(file, encoding="utf-8") as source:
        names = source.readline().rstrip("\n").split("\t")
    for batch in arrow.open_csv(
        file,
        parse_options=arrow.ParseOptions(delimiter="\t", quote_char=False),
        convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(names, "string")),
    ):
        if with_day:
            batch = batch.append_column("day", compute.utf8_slice_codeunits(batch["purchase-date"], 0, 10))
        yield batch


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
        rows = dicts(file) if kind == "dicts" else tables(file, with_day=kind == "days")
        how = {"write_disposition": "append"}
        if kind == "days":
            how = {"write_disposition": {"disposition": "merge", "strategy": "delete-insert"}, "merge_key": "day"}
        source = dlt.resource(rows, name="rows", **how)
        began = time.perf_counter()
        pipeline.run(source).raise_on_failed_jobs()
        print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
