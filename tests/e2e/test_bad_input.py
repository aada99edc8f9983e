"""What is wrong with a database, its server, its tools or its storage: a named error, a failed row, no blob, no harm.

Each test mends the fault at its end, and the next run works.
"""

import gzip
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from local.servers import DatabaseServer
from tests.support.awkward_installation import AwkwardInstallation
from tests.support.databases import (
    fresh_database,
    mariadb_server,
    postgresql_17_server,
    postgresql_server,
    run_sql,
)
from tests.support.engines import user
from tests.support.installation import Installation
from tests.support.interference import dumps_held_up, end_session_of_dump, locked, until, waiting_dump
from tests.support.loopback_ports import closed_port
from tests.support.stored_state import LOGS, stored_state

Mend = Callable[[], object]
LIMITED = "limited_user"
PASSWORD = "only for this user"
WRONG = "not the password"


def blobs_of(installed: Installation, database_id: str) -> list[str]:
    """All that storage holds of a database, what is only staged too."""
    if isinstance(installed, AwkwardInstallation):
        return installed.blobs(container_of(installed, database_id))
    container = f"{container_of(installed, database_id)}/"
    with stored_state(installed.host.home) as state:
        found = [blob.path for blob in state.blobs()] + state.uncommitted()
    return [path.removeprefix(container) for path in found if path.startswith(container)]


def container_of(installed: Installation, database_id: str) -> str:
    return str(installed.reader.get(f"/databases/{database_id}")["storage_container"])


def fails(installed: Installation, database_id: str, code: str, *words: str) -> None:
    """A run fails with this error, whose message names the words; its row says so, and storage holds nothing of it."""
    failed(installed, database_id, installed.backed_up(database_id), code, *words)


def failed(installed: Installation, database_id: str, run: Mapping[str, Any], code: str, *words: str) -> None:
    """`fails`, for a run that was triggered before."""
    assert run["status"] == "failed", run
    assert run["error"]["code"] == code, run["error"]
    assert [word for word in words if word not in run["error"]["message"]] == [], run["error"]["message"]
    assert run["progress"] < 100
    newest = installed.history(database_id)[0]
    assert (newest["id"], newest["status"], newest["error"]["code"]) == (run["id"], "failed", code)
    assert newest["blob_url"] is None
    assert blobs_of(installed, database_id) == []


def works(installed: Installation, database_id: str) -> None:
    """A run completes, and leaves its blob and its manifest."""
    completes(installed, database_id)
    assert len(blobs_of(installed, database_id)) == 2


def completes(installed: Installation, database_id: str) -> None:
    run = installed.backed_up(database_id)
    assert run["status"] == "completed", run


@contextmanager
def small(server: DatabaseServer) -> Iterator[str]:
    """A database with two tables."""
    with fresh_database(server) as name:
        statements = ["CREATE TABLE first_one (a int)", "CREATE TABLE second_one (a int)"]
        run_sql(server, [*statements, "INSERT INTO second_one VALUES (1)"], database=name)
        yield name


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ({"password": WRONG}, "invalid_credentials", ("dilux_admin", "password")),
        ({"host": "no-such-host.invalid"}, "unknown_host", ("no-such-host.invalid",)),
        ({"port": closed_port()}, "connection_failed", ("127.0.0.1", "port")),
        ({"database": "no_such_database"}, "unknown_database", ("no_such_database",)),
        ({"ssl_mode": "require"}, "tls_failed", ("ssl_mode",)),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_connection_that_is_configured_wrong_fails_the_run_and_works_once_it_is_mended(
    installed: Installation, server: DatabaseServer, wrong: dict[str, Any], code: str, words: Sequence[str]
) -> None:
    with small(server) as name:
        database_id = installed.register(server, **{"database": name, **wrong})

        fails(installed, database_id, code, *words)

        right = {"host": server.host, "port": server.port, "database": name, "ssl_mode": "disable"}
        installed.admin.put(f"/databases/{database_id}", right)
        if "password" in wrong:
            installed.admin.put(f"/databases/{database_id}/password", {"password": server.admin_password})
        works(installed, database_id)


GRANTS = {
    "mysql": ["GRANT SELECT ON `{0}`.first_one", "GRANT INSERT ON `{0}`.second_one"],
    "postgresql": ["GRANT SELECT ON first_one"],
}
ALL = {"mysql": "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `{0}`.*", "postgresql": "GRANT SELECT ON second_one"}


def test_a_table_that_the_user_may_not_read_is_named(installed: Installation, server: DatabaseServer) -> None:
    with small(server) as name, limited_user(server, name, GRANTS[server.family]):
        database_id = installed.register(server, name, username=LIMITED, password=PASSWORD)

        fails(installed, database_id, "permission_denied", "second_one", LIMITED)

        grant(server, name, ALL[server.family])
        works(installed, database_id)


@contextmanager
def limited_user(server: DatabaseServer, database: str, grants: Sequence[str]) -> Iterator[None]:
    """A user of one database."""
    with user(server, LIMITED, PASSWORD, []):
        for statement in grants:
            grant(server, database, statement)
        try:
            yield
        finally:
            if server.family == "postgresql":
                run_sql(server, [f"DROP OWNED BY {LIMITED}"], database=database)


def grant(server: DatabaseServer, database: str, statement: str) -> None:
    who = f"'{LIMITED}'@'127.0.0.1'" if server.family == "mysql" else LIMITED
    run_sql(server, [f"{statement.format(database)} TO {who}"], database=database)


def test_row_level_security_that_would_hide_rows_is_refused(installed: Installation) -> None:
    server = postgresql_server()
    with small(server) as name, limited_user(server, name, [*GRANTS["postgresql"], ALL["postgresql"]]):
        run_sql(server, ["ALTER TABLE second_one ENABLE ROW LEVEL SECURITY"], database=name)
        database_id = installed.register(server, name, username=LIMITED, password=PASSWORD)

        fails(installed, database_id, "permission_denied", "second_one", "BYPASSRLS")

        run_sql(server, [f"ALTER ROLE {LIMITED} BYPASSRLS"])
        works(installed, database_id)


def test_a_view_over_a_table_that_is_gone_is_named(installed: Installation) -> None:
    server = mariadb_server()
    with small(server) as name:
        run_sql(server, ["CREATE VIEW seen AS SELECT a FROM first_one", "DROP TABLE first_one"], database=name)
        database_id = installed.register(server, name)

        fails(installed, database_id, "broken_object", f"{name}.seen", "Repair or drop")

        run_sql(server, ["DROP VIEW seen"], database=name)
        works(installed, database_id)


def test_a_lock_that_is_not_given_in_time_is_told(awkward: AwkwardInstallation) -> None:
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        with locked(server, name, "first_one"):
            fails(awkward, database_id, "database_locked", "lock", name)

        works(awkward, database_id)


def test_a_server_newer_than_every_client_is_refused_and_works_with_its_own_client(
    installed: Installation, awkward: AwkwardInstallation
) -> None:
    server = postgresql_17_server()
    with small(server) as name:
        fails(installed, installed.register(server, name), "client_too_old", "pg_dump", "17", "Install")

        works(awkward, awkward.register(server, name))


def test_a_tool_that_is_missing_is_named_and_stops_no_other_database(awkward: AwkwardInstallation) -> None:
    mariadb, postgresql = mariadb_server(), postgresql_server()
    with small(mariadb) as without, small(postgresql) as name:
        fails(awkward, awkward.register(mariadb, without), "tool_missing", "mariadb-dump", "Install")

        works(awkward, awkward.register(postgresql, name))


def test_a_store_that_is_full_ends_the_run(awkward: AwkwardInstallation) -> None:
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        awkward.proxy.answer(409, "AccountQuotaExceeded", to="block", times=100)

        fails(awkward, database_id, "storage_full", container_of(awkward, database_id))

        awkward.proxy.heal()
        works(awkward, database_id)


def test_a_blob_that_does_not_come_back_as_it_went_is_rejected(awkward: AwkwardInstallation) -> None:
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        awkward.proxy.damage_answer(to="read", times=100)

        fails(awkward, database_id, "backup_corrupted", "SHA-256", container_of(awkward, database_id))

        awkward.proxy.heal()
        works(awkward, database_id)


def test_a_store_that_does_not_give_back_what_it_took_proves_nothing(awkward: AwkwardInstallation) -> None:
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        awkward.proxy.answer(403, "AuthorizationPermissionMismatch", to="read", times=100)

        fails(awkward, database_id, "storage_denied", container_of(awkward, database_id), "role")

        awkward.proxy.heal()
        works(awkward, database_id)


def test_a_table_that_went_between_the_look_and_the_dump_is_missed(awkward: AwkwardInstallation) -> None:
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        before = awkward.proxy.seen["container"]
        awkward.proxy.latency_seconds = 2  # the dump begins with a question about its container

        backup_id = awkward.trigger(database_id)
        until(lambda: awkward.proxy.seen["container"] > before, "the beginning of the dump")
        run_sql(server, ["DROP TABLE second_one"], database=name)
        awkward.proxy.heal()

        run = awkward.ended(f"/backups/{backup_id}/status")
        failed(awkward, database_id, run, "backup_corrupted", "public.second_one")
        works(awkward, database_id)


def test_a_killed_tool_fails_the_run_where_there_are_no_retries(awkward: AwkwardInstallation) -> None:
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        with dumps_held_up(server, name, "first_one"):
            backup_id = awkward.trigger(database_id)
            os.kill(waiting_dump(server, name), signal.SIGKILL)
            run = awkward.ended(f"/backups/{backup_id}/status")
        failed(awkward, database_id, run, "tool_killed", "SIGKILL", name)

        works(awkward, database_id)


def test_a_killed_tool_is_tried_again_under_another_name(installed: Installation, server: DatabaseServer) -> None:
    with small(server) as name:
        database_id = installed.register(server, name)
        with dumps_held_up(server, name, "first_one"):
            backup_id = installed.trigger(database_id)
            os.kill(waiting_dump(server, name), signal.SIGKILL)
        run = installed.ended(f"/backups/{backup_id}/status")

        assert run["status"] == "completed", run
        assert installed.history(database_id)[0]["attempts"] == 2
        found = blobs_of(installed, database_id)
        assert len(found) == 2
        assert [path for path in found if backup_id[-6:] in path] == []


def test_a_connection_that_the_server_ends_fails_the_run(awkward: AwkwardInstallation) -> None:
    """BR-17."""
    server = postgresql_server()
    with small(server) as name:
        database_id = awkward.register(server, name)
        with dumps_held_up(server, name, "first_one"):
            backup_id = awkward.trigger(database_id)
            waiting_dump(server, name)
            end_session_of_dump(server, name)
            run = awkward.ended(f"/backups/{backup_id}/status")
        failed(awkward, database_id, run, "connection_lost", name)

        works(awkward, database_id)


def test_a_table_that_changes_amid_the_dump_is_dumped_again(installed: Installation) -> None:
    server = mariadb_server()
    with small(server) as name:
        database_id = installed.register(server, name)
        with dumps_held_up(server, name, "first_one"):
            backup_id = installed.trigger(database_id)
            waiting_dump(server, name)
            run_sql(server, ["ALTER TABLE second_one ADD COLUMN b int, ALGORITHM=COPY"], database=name)
        run = installed.ended(f"/backups/{backup_id}/status")

        assert run["status"] == "completed", run
        assert installed.history(database_id)[0]["attempts"] == 2
        with stored_state(installed.host.home) as state:
            assert b"1412" in gzip.decompress(state.content(f"{LOGS}/{backup_id}.log.gz"))


def test_a_password_that_was_changed_is_used_by_every_worker_at_once(
    installed: Installation, server: DatabaseServer
) -> None:
    with small(server) as name, limited_user(server, name, [*GRANTS[server.family], ALL[server.family]]):
        database_id = installed.register(server, name, username=LIMITED, password=PASSWORD)
        for _ in range(3):
            completes(installed, database_id)
        who = f"USER '{LIMITED}'@'127.0.0.1' IDENTIFIED BY" if server.family == "mysql" else f"ROLE {LIMITED} PASSWORD"
        run_sql(server, [f"ALTER {who} 'another one'"])
        installed.admin.put(f"/databases/{database_id}/password", {"password": "another one"})

        for _ in range(3):
            completes(installed, database_id)
