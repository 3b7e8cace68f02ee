from datetime import date

from datasets.storage import stage

DAY = date(2026, 10, 1)


def test_rows_are_split_by_day_with_a_count_and_a_checksum(tmp_path):
    files = stage.DayFiles(tmp_path, ["a", "b"])
    files.add(date(2026, 10, 1), ("1", None))
    files.add(date(2026, 10, 2), ("2", True))
    files.add(date(2026, 10, 1), (3, "x\ty"))

    days = files.close()

    assert days[date(2026, 10, 1)].rows == 2
    assert days[date(2026, 10, 1)].path.read_bytes() == b"1\t\\N\n3\tx\\ty\n"
    assert days[date(2026, 10, 2)].path.read_bytes() == b"2\ttrue\n"
    assert days[date(2026, 10, 1)].checksum != days[date(2026, 10, 2)].checksum


def test_the_same_rows_under_other_columns_have_another_checksum(tmp_path):
    sums = set()
    for place, names in enumerate((["a"], ["b"])):
        files = stage.DayFiles(tmp_path / str(place), names)
        files.add(date(2026, 10, 1), ("1",))
        sums.add(files.close()[date(2026, 10, 1)].checksum)

    assert len(sums) == 2


def test_what_was_discarded_never_comes_between_what_is_staged_afterwards(tmp_path):
    for attempt in range(5):
        first = stage.DayFiles(tmp_path, ["a"])
        for number in range(40_000):
            first.add(DAY, [f"wrong {number}"])
        first.discard()

        second = stage.DayFiles(tmp_path, ["a"])
        second.add(DAY, [f"right {attempt}"])
        staged = second.close()[DAY]

        assert staged.path.read_bytes() == f"right {attempt}\n".encode()


def test_a_cell_beyond_all_measure_is_cut_and_counted(tmp_path):
    files = stage.DayFiles(tmp_path, ["a", "b"])
    files.add(DAY, ["x" * (stage.MAX_CELL + 5), 1])
    files.add(DAY, ["y" * stage.MAX_CELL, None])
    staged = files.close()[DAY]

    lines = staged.path.read_text().splitlines()
    assert [len(line.split("\t")[0]) for line in lines] == [stage.MAX_CELL, stage.MAX_CELL]
    assert (files.cut, staged.rows) == (1, 2)
