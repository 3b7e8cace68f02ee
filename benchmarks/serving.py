"""A dataset of a million rows read through a gunicorn as in production, by clients in processes of their own.

Downloads are measured against `psql \\copy … to stdout` of the same columns, and downloads and pages against Datasette
over the same rows. With `large` there is a dataset of ten million rows as well, for what the web process holds in memory.
"""

import csv
import json
import sqlite3
import statistics
import subprocess
import sys
from dataclasses import replace

from benchmarks import others, table
from benchmarks.ground import PROJECT, Figure, Server

ROWS, LARGE, ROUNDS = 1_000_000, 10_000_000, 3
PAGE, DEEP, CLIENTS, SECONDS = 100, 900_000, 8, 5
SLOW, PEOPLE = 16, 8  # slow downloads, and the tokens that they share
DATASETTE_ROWS = 100_000  # of its download are waited for: it writes them at an even pace


def run(ground, *, large=False):
    from datasets.access import tokens

    dataset = table.million(ground, "served", ROWS)
    keys = [tokens.issue(dataset.owner, f"client {number}")[1] for number in range(PEOPLE)]
    headers = [{"Authorization": f"Bearer {key}"} for key in keys]
    with ground.web() as web:
        client_of = Client(ground, web.where, headers[0])
        client_of.pages([f"/api/v1/datasets/{dataset.slug}/rows.json?_limit=1"], 16, 2)  # every process is warm
        yield from downloads(ground, web, client_of, dataset)
        if large:
            yield from ten_million(ground, web, client_of)
    with ground.web() as web, datasette(ground, dataset) as theirs:
        yield from pages(ground, web, theirs, headers, dataset)
        yield from pages_beside_downloads(ground, web, headers, dataset)
        yield from datasette_download(ground, web, theirs, headers[0], dataset)


class Client:
    """The clients of one server."""

    def __init__(self, ground, where, headers):
        self.ground, self.where, self.headers = ground, where, headers

    def drain(self, path, **headers):
        """(seconds, seconds to the first byte, bytes) of one whole download."""
        words = self.ground.child("benchmarks.client", "drain", self.where, path, json.dumps(self.headers | headers))
        return tuple(map(float, words))

    def pages(self, paths, connections=CLIENTS, seconds=SECONDS):
        """(requests a second, p50 ms, p99 ms, bytes of an answer)"""
        file = self.ground.folder / "paths"
        file.write_text("\n".join(paths))
        arguments = (self.where, file, json.dumps(self.headers), connections, seconds)
        return tuple(map(float, self.ground.child("benchmarks.client", "pages", *arguments)))


# Downloads


def downloads(ground, web, ours, dataset):
    path, columns = f"/api/v1/datasets/{dataset.slug}/export", ", ".join(f'"{name}"' for name in table.served(dataset))
    copy = f"\\copy (SELECT {columns} FROM data.ds_{dataset.pk}) TO STDOUT (FORMAT csv, HEADER)"
    kinds = {"csv": (".csv", {}), "zstd": (".csv", {"Accept-Encoding": "zstd"}), "lines": (".ndjson", {})}
    took, theirs, firsts, sizes = {kind: [] for kind in kinds}, {kind: [] for kind in kinds}, [], {}
    for _ in range(ROUNDS):
        for kind, (suffix, headers) in kinds.items():
            theirs[kind].append(ground.psql(copy, quiet=True))
            seconds, first, sizes[kind] = ours.drain(path + suffix, **headers)
            took[kind].append(seconds)
            firsts.append(first * 1000)
    for kind, what, most in (
        ("csv", "CSV download of {rows:,} rows × {columns} columns ({size:.0f} MB)", 1.25),
        ("zstd", "the same, zstd ({size:.0f} MB)", 1.5),
        ("lines", "the same as JSON lines ({size:.0f} MB)", 6),
    ):
        ratio = statistics.median(ours / psql for ours, psql in zip(took[kind], theirs[kind], strict=True))
        yield Figure(
            what.format(rows=ROWS, columns=columns.count(",") + 1, size=sizes[kind] / 1e6),
            f"{statistics.median(took[kind]):.2f} s", f"psql \\copy to stdout {statistics.median(theirs[kind]):.2f} s",
            f"{ratio:.2f}", f"≤ {most} × psql", ratio <= most,
        )  # fmt: skip
    worst = max(firsts)
    yield Figure("first byte of these downloads, the worst", f"{worst:.0f} ms", "", "", "≤ 100 ms", worst <= 100)
    peak = web.peak_mb()
    yield Figure(f"web process's memory at {ROWS:,} rows", f"{peak:.0f} MB", "", "", "≤ 100 MB", peak <= 100)


def ten_million(ground, web, ours):
    dataset = table.million(ground, "served_large", LARGE)
    for suffix, headers in ((".csv", {}), (".csv", {"Accept-Encoding": "zstd"}), (".ndjson", {})):
        ours.drain(f"/api/v1/datasets/{dataset.slug}/export{suffix}", **headers)
    peak = web.peak_mb()
    yield Figure(f"web process's memory at {LARGE:,} rows", f"{peak:.0f} MB", "", "", "≤ 100 MB", peak <= 100)
    table.forget(ground, dataset)


# Pages


def pages(ground, web, theirs, headers, dataset):
    ours, datasette = Client(ground, web.where, headers[0]), Client(ground, theirs.where, {})
    first, deep = [page_path(dataset)], deep_paths(ground, dataset)
    same = [f"/bench/served.json?_size={PAGE}&_next={at}&_nocount=1&_nofacet=1&_shape=objects" for at in deep_ids()]
    ours.pages(first + deep, seconds=1)
    datasette.pages(same, seconds=1)
    fronts, deeps, others = [], [], []
    for _ in range(ROUNDS):
        fronts.append(ours.pages(first))
        deeps.append(ours.pages(deep))
        others.append(datasette.pages(same))
    (rate, p50, p99, size), (deep_rate, _, deep_p99, _), (their_rate, *_) = map(_middle, (fronts, deeps, others))
    ceiling = ceiling_of(ground, int(size))
    depth = statistics.median(front[0] / deep[0] for front, deep in zip(fronts, deeps, strict=True))
    times = statistics.median(deep[0] / other[0] for deep, other in zip(deeps, others, strict=True))
    yield Figure(
        f"page of {PAGE} rows by key ({size / 1000:.0f} kB of JSON), {CLIENTS} clients", f"{rate:.0f} requests/s, p50 {p50:.0f} ms",
        f"the client's own ceiling {ceiling:.0f}/s", "", "≥ 500 requests/s", rate >= 500,
    )  # fmt: skip
    worst = max(p99, deep_p99)
    yield Figure("p99 of these pages", f"{worst:.0f} ms", "", "", "≤ 100 ms", worst <= 100)
    yield Figure(
        f"page behind row {DEEP:,}", f"{deep_rate:.0f} requests/s", f"the first page {rate:.0f}/s", f"{depth:.2f}",
        "≤ 1.5 × the first", depth <= 1.5,
    )  # fmt: skip
    yield Figure(
        "the same page from Datasette (no count, no facets)", f"{deep_rate:.0f} requests/s", f"Datasette {their_rate:.0f}/s",
        f"{times:.1f}", "≥ 3 × Datasette", times >= 3,
    )  # fmt: skip


def pages_beside_downloads(ground, web, headers, dataset):
    slow = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.client", "sip", web.where, f"/api/v1/datasets/{dataset.slug}/export.csv", json.dumps(headers), str(SLOW)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert slow.stdout.readline().strip() == b"under way"
        found = [Client(ground, web.where, headers[0]).pages(deep_paths(ground, dataset)) for _ in range(ROUNDS)]
    finally:
        slow.stdin.close()
        slow.wait(20)
    rate, p50, p99, _ = _middle(found)
    yield Figure(
        f"p99 of pages beside {SLOW} slow downloads", f"{p99:.0f} ms", f"{rate:.0f} requests/s, p50 {p50:.0f} ms", "",
        "≤ 250 ms", p99 <= 250,
    )  # fmt: skip


def page_path(dataset):
    return f"/api/v1/datasets/{dataset.slug}/rows.json?_limit={PAGE}"


def deep_ids():
    return range(DEEP, ROWS - PAGE, (ROWS - DEEP) // 100)


def deep_paths(ground, dataset):
    """Pages behind these rows: the cursors that a walk would have been given there."""
    from urllib.parse import quote, unquote

    from django.test import Client as Walker

    from datasets.rows import cursors

    walker = Walker(headers={"host": "127.0.0.1"})
    walker.force_login(dataset.owner)
    begun = walker.get(page_path(dataset)).json()["next"].rpartition("_cursor=")[2]
    position = cursors.read(unquote(begun), dataset.pk)
    return [f"{page_path(dataset)}&_cursor={quote(replace(position, last_id=at).written())}" for at in deep_ids()]


def ceiling_of(ground, size):
    """What the client would measure of a server that takes no time."""
    idle = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.client", "echo", str(size)],
        cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        where = f"127.0.0.1:{int(idle.stdout.readline())}"
        return Client(ground, where, {}).pages(["/"], seconds=1)[0]
    finally:
        idle.stdin.close()
        idle.wait(10)


def _middle(found):
    return tuple(statistics.median(column) for column in zip(*found, strict=True))


# Datasette


def datasette(ground, dataset):
    """Datasette over the same rows in SQLite, with its own settings but for the limit of a download's size."""
    file = ground.folder / "bench.db"
    names = table.served(dataset)
    source = ground.folder / "served.csv"
    columns = ", ".join(f'"{name}"' for name in names)
    ground.psql(f"\\copy (SELECT _id, {columns} FROM data.ds_{dataset.pk} ORDER BY _id) TO '{source}' (FORMAT csv)")
    fill_sqlite(file, source, ["_id", *names], table.types(dataset))
    source.unlink()
    command = [others.python(), "-m", "datasette", "serve", file, "--setting", "max_csv_mb", "0"]
    return Server(command, lambda port: ["--port", str(port), "--host", "127.0.0.1"], ground.folder / "datasette.log")


def fill_sqlite(file, source, names, types):
    kinds = {"bigint": "INTEGER", "numeric": "REAL", "boolean": "INTEGER"}
    link = sqlite3.connect(file)
    link.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
    columns = ", ".join(f'"{name}" {kinds.get(types.get(name), "TEXT")}' for name in names[1:])
    link.execute(f"CREATE TABLE served (_id INTEGER PRIMARY KEY, {columns})")
    with source.open(newline="") as rows:
        link.executemany(f"INSERT INTO served VALUES ({', '.join('?' * len(names))})", csv.reader(rows))
    link.commit()
    link.close()


def datasette_download(ground, web, theirs, headers, dataset):
    ours, datasette = Client(ground, web.where, headers), Client(ground, theirs.where, {})
    took, their, ratios = [], [], []
    for _ in range(ROUNDS):
        took.append(ours.drain(f"/api/v1/datasets/{dataset.slug}/export.csv?_limit={DATASETTE_ROWS}")[0])
        their.append(datasette.drain(f"/bench/served.csv?_stream=on&_size=max&_id__lte={DATASETTE_ROWS}")[0])
        ratios.append(their[-1] / took[-1])
    ratio = statistics.median(ratios)
    yield Figure(
        f"CSV download of {DATASETTE_ROWS:,} of these rows", f"{statistics.median(took):.2f} s",
        f"Datasette, streaming {statistics.median(their):.2f} s", f"{ratio:.1f}", "≥ 10 × Datasette", ratio >= 10,
    )  # fmt: skip
