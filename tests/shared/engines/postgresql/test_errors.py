import psycopg2
import psycopg2.errors
import pytest

from shared.engines.postgresql.errors import SQLSTATES, SYMPTOMS, driver_error, driver_errors, tool_error
from shared.errors import BackupError
from shared.models.database import DatabaseType, Server

pytestmark = pytest.mark.unit

SERVER = Server(type=DatabaseType.POSTGRESQL_VM, host="db.example", port=5432, username="backup", secret_slug="db-x")
AT = 'pg_dump: error: connection to server at "db.example" (10.0.0.1), port 5432 failed: '
QUERY = "pg_dump: error: query failed: ERROR:  "

TOOL_WORDS = [
    (AT + 'FATAL:  password authentication failed for user "backup"', "invalid_credentials"),
    (AT + "fe_sendauth: no password supplied", "invalid_credentials"),
    (AT + 'FATAL:  role "backup" does not exist', "invalid_credentials"),
    (AT + 'FATAL:  database "shop" does not exist', "unknown_database"),
    (AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.2", user "backup", database "shop", no encryption',
     "permission_denied"),
    (AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
     "connection_failed"),
    (AT + "timeout expired", "connection_failed"),
    (AT + "FATAL:  the database system is starting up", "connection_failed"),
    (AT + "FATAL:  sorry, too many clients already", "rate_limit_exceeded"),
    (AT + "FATAL:  remaining connection slots are reserved for non-replication superuser connections",
     "rate_limit_exceeded"),
    (AT + "server does not support SSL, but SSL was required", "tls_failed"),
    (AT + "SSL error: certificate verify failed", "tls_failed"),
    (AT + 'server certificate for "other" does not match host name "db.example"', "tls_failed"),
    (AT + 'root certificate file "/nowhere.pem" does not exist', "tls_failed"),
    ('pg_dump: error: sslmode value "require" invalid when SSL support is not compiled in', "tool_missing"),
    ('pg_dump: error: could not translate host name "db.invalid" to address: Name or service not known',
     "unknown_host"),
    ('pg_dump: error: could not translate host name "db" to address: Temporary failure in name resolution',
     "connection_failed"),
    ("pg_dump: error: server version: 17.10; pg_dump version: 15.18\n"
     "pg_dump: error: aborting because of server version mismatch", "client_too_old"),
    (QUERY + "permission denied for table b\npg_dump: detail: Query was: LOCK TABLE public.b", "permission_denied"),
    (QUERY + "permission denied for sequence a_id_seq", "permission_denied"),
    (QUERY + 'query would be affected by row-level security policy for table "guarded"', "permission_denied"),
    (QUERY + "canceling statement due to statement timeout\npg_dump: detail: Query was: LOCK TABLE public.a",
     "database_locked"),
    (QUERY + "canceling statement due to lock timeout", "database_locked"),
    (QUERY + "terminating connection due to administrator command\nserver closed the connection unexpectedly",
     "connection_lost"),
    ("pg_dump: error: Dumping the contents of table \"a\" failed: PQgetCopyData() failed.\n"
     "pg_dump: detail: Error message from server: SSL SYSCALL error: EOF detected", "connection_lost"),
    (QUERY + 'relation "public.a" does not exist', "source_changed"),
    (QUERY + "invalid page in block 5 of relation base/5/1234", "broken_object"),
    ("pg_dump: error: could not write to output file: No space left on device", "disk_full"),
    (QUERY + "something that nobody knows", "dump_failed"),
    ("", "dump_failed"),
]  # fmt: skip


@pytest.mark.parametrize(("stderr", "code"), TOOL_WORDS)
def test_what_a_tool_says_has_its_place_in_the_tree(stderr: str, code: str) -> None:
    error = tool_error(1, stderr, tool="pg_dump", server=SERVER, database="shop")

    assert error is not None
    assert error.code == code
    assert "'shop' on db.example:5432 as 'backup'" in error.message


def test_br51_a_dump_that_a_standby_cancelled_may_be_tried_again() -> None:
    said = (
        'pg_dump: error: Dumping the contents of table "a" failed: PQgetResult() failed.\n'
        "pg_dump: detail: Error message from server: ERROR:  canceling statement due to conflict with recovery"
    )

    error = tool_error(1, said, tool="pg_dump", server=SERVER, database="shop")

    assert error is not None
    assert error.retry
    assert "max_standby_streaming_delay" in error.message


def driver_exception(state: str) -> psycopg2.Error:
    class Foreign(psycopg2.DatabaseError):
        pgcode = state

    return Foreign("some words")


@pytest.mark.parametrize("state", SQLSTATES)
def test_every_sqlstate_has_its_place_in_the_tree(state: str) -> None:
    whole = state if len(state) == 5 else f"{state}999"

    error = driver_error(driver_exception(whole), "database 'd'")

    assert type(error) is SQLSTATES[state].error
    assert "some words" in error.message


def test_an_unknown_sqlstate_is_a_failed_dump() -> None:
    assert driver_error(driver_exception("99999"), "database 'd'").code == "dump_failed"


@pytest.mark.parametrize(
    ("foreign", "code"),
    [
        (psycopg2.OperationalError("connection refused"), "connection_failed"),
        (psycopg2.InterfaceError("connection already closed"), "dump_failed"),
        (psycopg2.errors.InsufficientPrivilege("permission denied for table a"), "permission_denied"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "dump_failed"),
    ],
)
def test_every_kind_of_the_drivers_exceptions_has_its_place_in_the_tree(foreign: Exception, code: str) -> None:
    with pytest.raises(BackupError) as raised, driver_errors(SERVER, "shop"):
        raise foreign

    assert raised.value.code == code
    assert raised.value.__cause__ is foreign


def test_row_level_security_is_told_from_a_missing_grant() -> None:
    class Foreign(psycopg2.DatabaseError):
        pgcode = "42501"

    hidden = driver_error(Foreign('query would be affected by row-level security policy for table "a"'), "here")
    denied = driver_error(Foreign("permission denied for table a"), "here")

    assert "BYPASSRLS" in hidden.message
    assert "pg_read_all_data" in denied.message


def test_every_symptom_is_met_by_a_word_of_some_tool() -> None:
    import re

    words = [stderr for stderr, _ in TOOL_WORDS] + ["conflict with recovery"]

    for known in SYMPTOMS:
        assert any(re.search(known.pattern, word, re.IGNORECASE) for word in words), known.pattern
