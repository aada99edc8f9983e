import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local import server_account, servers
from local.cloud.ports import free_ports
from local.server_account import ServerFailed
from local.servers import (
    DatabaseServer,
    newer_postgresql_bin,
    newest_postgresql_bin,
    start_mariadb,
    start_postgresql,
)
from tests.support.certificates import certificate_for
from tests.support.databases import connection, rows, run_sql

PATIENCE_SECONDS = 20

Start = Callable[..., DatabaseServer]
both = pytest.mark.parametrize("start", [start_mariadb, start_postgresql])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="dilux-test-servers-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def running() -> Iterator[Callable[[DatabaseServer], DatabaseServer]]:
    """Stops every server that is passed to it when the test is over."""
    with ExitStack() as stack:

        def keep(server: DatabaseServer) -> DatabaseServer:
            stack.callback(server.stop)
            return server

        yield keep


Running = Callable[[DatabaseServer], DatabaseServer]


def wait_until(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@both
def test_data_outlive_a_stop_and_a_second_start(start: Start, folder: Path, running: Running) -> None:
    first = running(start(folder / "server"))
    run_sql(first, ["CREATE DATABASE kept"])
    first.stop()

    second = running(start(folder / "server"))

    with connection(second, "kept"):
        pass
    assert second.admin_password == first.admin_password


@both
def test_data_outlive_a_killed_server(start: Start, folder: Path, running: Running) -> None:
    first = running(start(folder / "server"))
    run_sql(first, ["CREATE DATABASE kept"])
    os.kill(first.pid, signal.SIGKILL)
    first.process.wait()

    with connection(running(start(folder / "server")), "kept"):
        pass


@both
def test_stopping_twice_is_harmless(start: Start, folder: Path) -> None:
    server = start(folder / "server")

    server.stop()
    server.stop()

    assert not is_alive(server.pid)


def test_a_server_that_does_not_stop_is_killed(folder: Path, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    server = running(start_mariadb(folder / "server"))
    os.kill(server.pid, signal.SIGSTOP)
    monkeypatch.setattr(servers, "STOP_SECONDS", 0.2)

    server.stop()

    assert server.process.returncode == -signal.SIGKILL


@both
def test_no_server_runs_as_root(start: Start, folder: Path, running: Running) -> None:
    server = running(start(folder / "server"))

    assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_no_server_shares_its_temporary_tables_with_others(folder: Path, running: Running) -> None:
    # A server that starts removes those of all others that use the same folder.
    server = running(start_mariadb(folder / "server"))

    assert rows(server, "SELECT @@tmpdir") == [(str(folder / "server" / "temporary"),)]


@both
def test_the_password_stands_in_no_command_line_and_no_open_file(start: Start, folder: Path, running: Running) -> None:
    server = running(start(folder / "server"))

    assert server.admin_password not in Path(f"/proc/{server.pid}/cmdline").read_text()
    assert server.admin_password not in repr(server)
    assert (server.folder / "admin-password").stat().st_mode & 0o077 == 0
    names = {path.name for path in server.folder.iterdir()}
    assert names - {"temporary"} == {"admin-password", "data", "server.log"}


@both
def test_nobody_enters_without_the_password(start: Start, folder: Path, running: Running) -> None:
    server = running(start(folder / "server"))
    stranger = DatabaseServer(
        server.family, server.host, server.port, server.admin_user, "wrong", server.folder, server.process
    )

    with pytest.raises(Exception, match=r"(?i)access denied|authentication failed"), connection(stranger):
        pass


@both
def test_a_server_dies_with_the_process_that_started_it(start: Start, folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from local import servers;"
        f"print(servers.{start.__name__}(Path(sys.argv[1])).pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(folder / "server")], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_alive(pid)

    parent.kill()
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not is_alive(pid))


def test_a_server_outlives_the_thread_that_asked_for_it(folder: Path, running: Running) -> None:
    started: list[DatabaseServer] = []
    thread = threading.Thread(target=lambda: started.append(running(start_postgresql(folder / "server"))))
    thread.start()
    thread.join()

    assert rows(started[0], "SELECT 1") == [(1,)]


@both
def test_a_bad_option_shows_the_servers_own_words(start: Start, folder: Path) -> None:
    with pytest.raises(ServerFailed, match=r"no.such.option"):
        start(folder / "server", options=["--no-such-option=1"])


@both
def test_a_taken_port_is_named(start: Start, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(ServerFailed, match=rf"port {port}(.|\n)*in use"):
            start(folder / "server", port=port)


def test_a_port_that_was_taken_meanwhile_is_given_up_for_another(
    folder: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        offered = [taken.getsockname()[1], *free_ports([None])]
        monkeypatch.setattr(servers, "free_ports", lambda wanted: [offered.pop(0)])

        server = running(start_mariadb(folder / "server"))

        assert server.port != taken.getsockname()[1]


def test_a_server_that_never_answers_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_mariadb(folder / "server").stop()
    monkeypatch.setattr(servers, "START_SECONDS", 0.0)

    with pytest.raises(ServerFailed, match="did not start"):
        start_mariadb(folder / "server")


@both
def test_an_interrupted_first_start_is_made_good(start: Start, folder: Path, running: Running) -> None:
    half_made = folder / "server" / "data.new"
    half_made.mkdir(parents=True)
    (half_made / "rubbish").write_text("half")

    server = running(start(folder / "server"))

    assert not half_made.exists()
    assert not (server.folder / "data" / "rubbish").exists()


def test_a_data_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "initdb").write_text("#!/bin/sh\necho initdb is broken\nexit 1\n")
    (programs / "initdb").chmod(0o755)

    with pytest.raises(ServerFailed, match="initdb is broken"):
        start_postgresql(folder / "server", bin_folder=programs)


def test_making_the_data_folder_has_a_time_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = folder / "bin"
    programs.mkdir()
    (programs / "initdb").write_text("#!/bin/sh\nexec sleep 60\n")
    (programs / "initdb").chmod(0o755)
    monkeypatch.setattr(servers, "START_SECONDS", 0.2)

    with pytest.raises(ServerFailed, match="could not be made"):
        start_postgresql(folder / "server", bin_folder=programs)


@both
def test_a_certificate_makes_the_server_speak_tls(start: Start, folder: Path, running: Running) -> None:
    chain, key = certificate_for("localhost", folder)

    server = running(start(folder / "server", certificate=(chain, key)))

    if server.family == "mysql":
        assert rows(server, "SELECT @@have_ssl") == [("YES",)]
    else:
        assert rows(server, "SHOW ssl") == [("on",)]


def test_data_lie_elsewhere_where_the_servers_account_cannot_reach_the_folder(
    folder: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_account, "SHARED_FOLDER", folder)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    asked_for = closed / "server"

    first = running(start_postgresql(asked_for, bin_folder=newer_postgresql_bin()))
    run_sql(first, ["CREATE DATABASE kept"])
    first.stop()
    second = running(start_postgresql(asked_for, bin_folder=newer_postgresql_bin()))

    assert second.folder == first.folder
    assert rows(second, "SELECT count(*) FROM pg_database WHERE datname = 'kept'") == [(1,)]
    # Only root runs servers under another account than its own.
    assert (second.folder == asked_for) == (os.getuid() != 0)


def test_deleting_the_folder_starts_afresh_also_where_data_lie_elsewhere(
    folder: Path, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_account, "SHARED_FOLDER", folder)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    first = running(start_postgresql(closed / "server"))
    run_sql(first, ["CREATE DATABASE gone"])
    first.stop()

    shutil.rmtree(closed / "server")
    second = running(start_postgresql(closed / "server"))

    assert rows(second, "SELECT count(*) FROM pg_database WHERE datname = 'gone'") == [(0,)]


def test_data_that_lie_elsewhere_go_when_their_folder_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_account, "SHARED_FOLDER", folder)
    (folder / "note").touch()
    for name, note in (("dilux-kept", "note"), ("dilux-abandoned", "no such note")):
        (folder / name).mkdir()
        (folder / name / server_account.NOTE_OF_HOME).write_text(str(folder / note))
    (folder / "dilux-just-made").mkdir()

    server_account._remove_abandoned_homes(server_account.ServerAccount())

    assert sorted(path.name for path in folder.iterdir()) == ["dilux-just-made", "dilux-kept", "note"]


def test_a_folder_of_somebody_else_is_not_taken(folder: Path) -> None:
    stranger = server_account.ServerAccount(uid=os.getuid() + 1, gid=os.getgid() + 1)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "server").mkdir()
    trap = folder / f"dilux-{hashlib.sha256(os.fsencode(closed / 'server')).hexdigest()[:12]}"
    trap.mkdir()
    servers_folder, server_account.SHARED_FOLDER = server_account.SHARED_FOLDER, folder
    try:
        with pytest.raises(ServerFailed, match="belongs to somebody else"):
            server_account.home_for(closed / "server", stranger)
    finally:
        server_account.SHARED_FOLDER = servers_folder


def test_programs_that_the_account_cannot_reach_are_copied(folder: Path) -> None:
    stranger = server_account.ServerAccount(uid=os.getuid() + 1, gid=os.getgid() + 1)
    installation = folder / "closed" / "postgresql"
    (installation / "bin").mkdir(parents=True)
    (installation / "bin" / "postgres").write_text("program")
    (folder / "closed").chmod(0o700)
    (folder / "programs.new").mkdir()

    copied = servers._reachable_programs(installation / "bin", folder, stranger)
    again = servers._reachable_programs(installation / "bin", folder, stranger)

    assert copied == again == folder / "programs" / "bin"
    assert (copied / "postgres").read_text() == "program"


def test_the_newer_postgresql_is_newer_than_debians() -> None:
    versions = [
        subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
        for folder in (newest_postgresql_bin(), newer_postgresql_bin())
    ]

    assert float(versions[1]) > float(versions[0])


def test_a_machine_without_servers_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "POSTGRESQL_FOLDERS", folder)
    monkeypatch.setattr(servers, "SYSTEM_PATH", str(folder))

    with pytest.raises(ServerFailed, match="apt-get install postgresql"):
        start_postgresql(folder / "postgresql")
    with pytest.raises(ServerFailed, match="apt-get install mariadb-server"):
        start_mariadb(folder / "mariadb")


def test_a_machine_without_any_unprivileged_account_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody_is_known(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("local.server_account.os.getuid", lambda: 0)
    monkeypatch.setattr("local.server_account.pwd.getpwnam", nobody_is_known)

    with pytest.raises(ServerFailed, match="no account"):
        start_mariadb(folder / "mariadb")
