import socket
import ssl

import pymysql
import pytest

from shared.engines.mysql.errors import NUMBERS, UNEXPLAINED, driver_error, driver_errors, tool_error
from shared.errors import BackupError
from shared.models.database import DatabaseType, Server

pytestmark = pytest.mark.unit

SERVER = Server(type=DatabaseType.MYSQL_VM, host="db.example", port=3306, username="backup", secret_slug="db-x")

TOOL_WORDS = [
    ("mariadb-dump: Got error: 1045: \"Access denied for user 'u'@'h' (using password: YES)\" when trying to connect",
     "invalid_credentials"),
    ('mysqldump: Got error: 1049: Unknown database \'d\' when selecting the database', "unknown_database"),
    ("mariadb-dump: Got error: 2005: \"Unknown server host 'h' (-2)\" when trying to connect", "unknown_host"),
    ("mariadb-dump: Got error: 2005: \"Unknown server host 'h' (-3)\" when trying to connect", "connection_failed"),
    ("mariadb-dump: Got error: 2002: \"Can't connect to server on '127.0.0.1' (115)\" when trying to connect",
     "connection_failed"),
    ("mysqldump: Got error: 2003: Can't connect to MySQL server on 'h:1' (111) when trying to connect",
     "connection_failed"),
    ("mariadb-dump: Got error: 2026: \"TLS/SSL error: self-signed certificate\" when trying to connect", "tls_failed"),
    ("mariadb-dump: Couldn't execute 'SHOW FIELDS FROM `v`': View 'd.v' references invalid table(s) (1356)",
     "broken_object"),
    ("mariadb-dump: Error 1412: Table definition has changed, please retry transaction when dumping table `b`",
     "source_changed"),
    ("mariadb-dump: Error 2013: Lost connection to server during query when dumping table `a` at row: 5",
     "connection_lost"),
    ("mariadb-dump: Error: 'Connection was killed' when dumping\nmariadb-dump: Error 1927: Connection was killed",
     "connection_lost"),
    ("mysqldump: Couldn't execute 'SHOW CREATE FUNCTION `f`': Access denied (1370)", "permission_denied"),
    ("mysqldump: u has insufficient privileges to SHOW CREATE FUNCTION `f`!", "permission_denied"),
    ("mysqldump: Got errno 28 on write\nmysqldump: No space left on device", "disk_full"),
    ("mysqldump: Error: 'Access denied; you need the PROCESS privilege' when trying to dump tablespaces (1227)",
     "permission_denied"),
    ("mysqldump: Got error: 1040: Too many connections when trying to connect", "rate_limit_exceeded"),
    ("mysqldump: Couldn't execute 'FLUSH TABLES': Lock wait timeout exceeded (1205)", "database_locked"),
    ("mysqldump: unknown variable 'ssl-mode=REQUIRED'", "dump_failed"),
    ("", "dump_failed"),
]  # fmt: skip


@pytest.mark.parametrize(("stderr", "code"), TOOL_WORDS)
def test_what_a_tool_says_has_its_place_in_the_tree(stderr: str, code: str) -> None:
    error = tool_error(2, stderr, tool="mysqldump", server=SERVER, database="shop")

    assert error is not None
    assert error.code == code
    assert "'shop' on db.example:3306 as 'backup'" in error.message


def test_br23_words_of_a_tool_that_ended_well_are_no_error() -> None:
    assert tool_error(0, "mysqldump: Error: PROCESS privilege", tool="mysqldump", server=SERVER, database="d") is None


@pytest.mark.parametrize("number", [*NUMBERS, 9999])
def test_every_number_of_the_driver_has_its_place_in_the_tree(number: int) -> None:
    expected = NUMBERS.get(number, UNEXPLAINED)

    error = driver_error(pymysql.err.OperationalError(number, "some words"), "database 'd'")

    assert type(error) is expected.error
    assert isinstance(error, BackupError)
    assert "some words" in error.message
    assert expected.remedy in error.message


def connection_failure(cause: OSError) -> pymysql.err.OperationalError:
    error = pymysql.err.OperationalError(2003, f"Can't connect ({cause})")
    error.original_exception = cause  # type: ignore[attr-defined] # as PyMySQL does
    return error


@pytest.mark.parametrize(
    ("foreign", "code"),
    [
        (connection_failure(socket.gaierror(socket.EAI_NONAME, "Name or service not known")), "unknown_host"),
        (connection_failure(socket.gaierror(socket.EAI_AGAIN, "Temporary failure")), "connection_failed"),
        (connection_failure(ConnectionRefusedError(111, "refused")), "connection_failed"),
        (connection_failure(ssl.SSLCertVerificationError(1, "certificate verify failed")), "tls_failed"),
        (pymysql.err.InterfaceError(0, ""), "dump_failed"),
        (pymysql.err.InternalError("Packet sequence number wrong"), "dump_failed"),
        (ssl.SSLError(1, "[SSL] handshake failure error"), "tls_failed"),
        (TimeoutError("timed out"), "connection_lost"),
        (EOFError(), "connection_lost"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "dump_failed"),
    ],
)
def test_every_kind_of_the_drivers_exceptions_has_its_place_in_the_tree(foreign: Exception, code: str) -> None:
    with pytest.raises(BackupError) as raised, driver_errors(SERVER, "shop"):
        raise foreign

    assert raised.value.code == code
    assert raised.value.__cause__ is foreign
