"""The tick with a hundred thousand datasets, idle and with ten thousand due."""

import statistics
import time

from benchmarks.ground import Figure

DATASETS, DUE, LOOKS = 100_000, 10_000, 50


def run(ground):
    from datasets.backfill import dispatch

    ground.sql(
        """
        INSERT INTO datasets_dataset (uuid, slug, name, description, owner_id, account_id, report, options, start, "end", mode,
            schedule_kind, schedule_at, schedule_zone, next_run_at, paused, generation, version, rows, columns, created_at, updated_at)
        SELECT gen_random_uuid(), 'bench_' || n, 'bench', '', %s, %s, 'order_details', '{}', 'today-7', 'yesterday', 'append',
            'daily', '06:00', 'UTC', now() + interval '1 day', false, 1, 0, 0, '[]', now(), now()
        FROM generate_series(1, %s) AS n
        """,
        [ground.account.owner_id, ground.account.pk, DATASETS],
    )
    ground.sql("ANALYZE datasets_dataset")
    idle = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        _tick(dispatch)
        idle.append((time.perf_counter() - began) * 1000)
    yield Figure(
        f"tick with {DATASETS:,} datasets, none due", f"{statistics.median(idle):.1f} ms", "", "", "≤ 10 ms",
        statistics.median(idle) <= 10,
    )  # fmt: skip
    ground.sql(
        "UPDATE datasets_dataset SET next_run_at = now() WHERE id IN (SELECT id FROM datasets_dataset LIMIT %s)", [DUE]
    )
    began = time.perf_counter()
    from datasets.backfill import tasks

    for run_id, wait, by_hand in _tick(dispatch):
        tasks.hint(run_id, wait, by_hand=by_hand)
    seconds = time.perf_counter() - began
    runs = ground.sql("SELECT count(*), count(DISTINCT dataset_id) FROM datasets_run WHERE state = 'queued'")[0]
    yield Figure(
        f"{DUE:,} datasets due at once, each with a run and told to the broker", f"{seconds:.1f} s", "", "", "≤ 30 s, none twice",
        seconds <= 30 and runs == (DUE, DUE),
    )  # fmt: skip


def _tick(dispatch):
    from connector.database.clock import database_now

    now = database_now()
    dispatch.release_dead_leases(now)
    dispatch.start_due(now)
    return dispatch.to_hint(now)
