"""What may lie in a typed column: what each client reads back as what Amazon wrote, and nothing else."""

import pytest

from datasets.storage.fit import Fit

FITTING = {
    "bigint": ["0", "-7", "+12", "9223372036854775807", 5, -1],
    "numeric": ["0", "12.30", "-0.5", ".5", "5.", "1e5", "1E-3", "+7", 12, 1.5],
    "boolean": ["true", "FALSE", "t", "1", "yes", True, False],
    "date": ["2026-01-31", "0001-01-01", "9999-12-31"],
    "timestamptz": [
        "2026-01-31", "2026-01-31T10:00:00Z", "2026-01-31 10:00:00+00:00", "2026-01-31T10:00:00.123-0700", "2026-01-31 10:00",
    ],
}  # fmt: skip
UNFIT = {
    "bigint": ["1.5", "a dozen", "0x10", "1_000", "1e3", " ", True, 1.5, [1], "٣"],
    "numeric": ["NaN", "Infinity", "-inf", "1e400", "1_000", "0x10", "1,5", "1.234,56", "--", "$5", "(5)", [1], True],
    "boolean": ["maybe", "2", "tr", 2],
    "date": ["infinity", "today", "0000-00-00", "10000-01-01", "2026-01-01 BC", "04.03.2023", "12/31/2026"],
    "timestamptz": [
        "now",
        "epoch",
        "infinity",
        "10000-01-01T00:00:00Z",
        "2026-01-01 BC",
        "20260101",
        "10/11/12",
        1700000000,
    ],
}


@pytest.mark.parametrize("type", FITTING)
def test_what_fits(type):
    fit = Fit(["value"], {"value": type})
    for value in [*FITTING[type], None, ""]:
        fit.look([value])
        assert fit.unfit == set(), value


@pytest.mark.parametrize("type", UNFIT)
def test_what_does_not_fit(type):
    for value in UNFIT[type]:
        fit = Fit(["value"], {"value": type})
        fit.look([value])
        assert fit.unfit == {"value"}, value


def test_text_takes_everything():
    fit = Fit(["value", "unknown"], {"value": "text"})
    fit.look(["NaN", "now"])
    assert fit.unfit == set()


def test_each_column_is_named_once_and_the_others_are_still_looked_at():
    fit = Fit(["a", "b"], {"a": "bigint", "b": "bigint"})
    for row in (["x", "1"], ["y", "1"], ["1", "z"]):
        fit.look(row)
    assert fit.unfit == {"a", "b"}
