"""What compression on the way out costs and saves: a million rows over OData, page by page, and pages of rows by key.

Each page is asked for plain and compressed one after the other, in turns which goes first, so that a busy machine slows both alike.
What an office line would make of it is computed from the bytes.
"""

import json
import statistics

from benchmarks import table
from benchmarks.ground import Figure
from benchmarks.serving import CLIENTS, Client, page_path

ROWS, ROUNDS, SECONDS = 1_000_000, 5, 3
OFFICE_LINE = 20e6 / 8  # bytes a second
CODINGS = ("gzip", "zstd")


def run(ground, *, large=False):
    from datasets.access import tokens

    dataset = table.million(ground, "served", ROWS)
    headers = {"Authorization": f"Bearer {tokens.issue(dataset.owner, 'client')[1]}"}
    with ground.web() as web:
        Client(ground, web.where, headers).pages([page_path(dataset)], 16, 2)  # every process is warm
        plain, packed = walk(ground, web, headers, f"/odata/v4/{dataset.slug}")
        for name, (seconds, size, _) in (("plain", plain), ("gzip", packed)):
            yield Figure(
                f"{ROWS:,} rows over OData, {name}", f"{seconds:.1f} s, {size / 1e6:.0f} MB",
                f"on a line of 20 Mbit/s {max(seconds, size / OFFICE_LINE):.0f} s", "", "", True,
            )  # fmt: skip
        ratio, cpu = packed[0] / plain[0], packed[2] / plain[2]
        yield Figure(
            "the same, gzip against plain: seconds; the server's CPU; bytes",
            f"{ratio:.2f}; {cpu:.2f}; {packed[1] / plain[1]:.3f}", "plain", f"{cpu:.2f}", "CPU ≤ 1.2 × plain", cpu <= 1.2,
        )  # fmt: skip
        yield from pages(ground, web, headers, dataset)


def walk(ground, web, headers, path):
    """(seconds, bytes, the server's CPU seconds) of all pages plain, and of all compressed by gzip."""
    words = ground.child(
        "benchmarks.client", "walk", web.where, path, json.dumps(headers), ",".join(map(str, web.pids))
    )
    numbers = list(map(float, words))
    return numbers[:3], numbers[3:]


def pages(ground, web, headers, dataset):
    path = [page_path(dataset)]
    rates = {coding: [] for coding in ("identity", *CODINGS)}
    sizes = {}
    for _ in range(ROUNDS):
        for coding in rates:
            client = Client(ground, web.where, headers | {"Accept-Encoding": coding})
            rate, _, _, sizes[coding] = client.pages(path, CLIENTS, SECONDS)
            rates[coding].append(rate)
    for coding in CODINGS:
        ratio = statistics.median(
            packed / plain for packed, plain in zip(rates[coding], rates["identity"], strict=True)
        )
        yield Figure(
            f"page of 100 rows, {coding} ({sizes[coding] / 1000:.1f} kB instead of {sizes['identity'] / 1000:.0f} kB)",
            f"{statistics.median(rates[coding]):.0f} requests/s",
            f"plain {statistics.median(rates['identity']):.0f}/s", f"{ratio:.2f}", "≥ 0.9 × plain", ratio >= 0.9,
        )  # fmt: skip
