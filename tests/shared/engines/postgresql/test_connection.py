import socket
import threading
import time

import psycopg2
import pytest

from local.servers import DatabaseServer
from shared.engines.postgresql.connection import connection_string, session
from shared.errors import BackupError, ConnectionFailed, ConnectionLost
from tests.support.databases import rows, run_sql
from tests.support.engines import SAMPLE, login


def test_a_question_that_takes_too_long_ends_in_time(postgresql: DatabaseServer) -> None:
    began = time.monotonic()

    with (
        pytest.raises(ConnectionFailed, match="within 1 seconds"),
        session(login(postgresql), SAMPLE, timeout_seconds=1) as asked,
    ):
        asked.rows("SELECT pg_sleep(30)")

    assert time.monotonic() - began < 10


def test_a_killed_session_may_be_tried_again(postgresql: DatabaseServer) -> None:
    with pytest.raises(ConnectionLost), session(login(postgresql), SAMPLE, timeout_seconds=5) as asked:
        pid = asked.value("SELECT pg_backend_pid()")
        run_sql(postgresql, [f"SELECT pg_terminate_backend({pid})"])
        asked.rows("SELECT 1")


def test_a_server_of_another_kind_is_an_error_of_the_tree(postgresql: DatabaseServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with (
            pytest.raises(BackupError),
            session(login(postgresql, port=listener.getsockname()[1]), SAMPLE, timeout_seconds=2),
        ):
            pass
        thread.join()


def test_an_error_inside_the_block_comes_as_one_of_the_tree(postgresql: DatabaseServer) -> None:
    with pytest.raises(BackupError, match="nonsense"), session(login(postgresql), SAMPLE, timeout_seconds=5) as asked:
        asked.rows("SELECT nonsense")


def test_settings_of_the_role_do_not_shape_what_is_read(postgresql: DatabaseServer) -> None:
    run_sql(postgresql, [f"ALTER ROLE {postgresql.admin_user} SET bytea_output = 'escape'"])
    try:
        with session(login(postgresql), SAMPLE, timeout_seconds=5) as asked:
            assert asked.value("SELECT '\\x00ff'::bytea::text") == "\\x00ff"
    finally:
        run_sql(postgresql, [f"ALTER ROLE {postgresql.admin_user} RESET bytea_output"])


@pytest.mark.parametrize("name", ["plain", "a=b", "it's \\ x", "postgres://x", " sp ace ", "''"])
def test_a_connection_string_means_the_name_as_it_is(name: str) -> None:
    assert psycopg2.extensions.parse_dsn(connection_string(name)) == {"dbname": name}


def test_a_statement_without_rows_gives_none(postgresql: DatabaseServer) -> None:
    with session(login(postgresql), SAMPLE, timeout_seconds=5) as asked:
        assert asked.rows("SET work_mem = '4MB'") == []
    assert rows(postgresql, "SELECT 1") == [(1,)]
