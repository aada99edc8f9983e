"""What MySQL's and MariaDB's error numbers mean to a backup. The driver and the client tools tell the same numbers.

Numbers: MariaDB's and MySQL's error references; 2000 to 2999 are the client's own.
"""

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pymysql

from shared.engines.diagnosis import (
    Diagnosis,
    Symptom,
    by_symptom,
    explained,
    killed_by_signal,
    place,
    telling_line,
)
from shared.errors import (
    BackupError,
    BrokenObject,
    ConnectionFailed,
    ConnectionLost,
    DatabaseLocked,
    DiskFull,
    DumpFailed,
    InvalidCredentials,
    PermissionDenied,
    RateLimitExceeded,
    SourceChanged,
    TlsFailed,
    UnknownDatabase,
    UnknownHost,
    UnsupportedServer,
)
from shared.models.database import Server

CREDENTIALS = Diagnosis(
    InvalidCredentials,
    "The server refused the user name or the password",
    "Check both, and from which hosts this user may log in.",
)
PERMISSION = Diagnosis(
    PermissionDenied,
    "The user may not read all of the database",
    "Grant it SELECT, SHOW VIEW, TRIGGER, EVENT and LOCK TABLES on the database, and the right to see routines.",
)
HOST_REFUSED = Diagnosis(
    PermissionDenied,
    "The server lets nobody in from this machine",
    "Allow this machine's address on the server; after too many failures the server needs FLUSH HOSTS.",
)
NO_DATABASE = Diagnosis(UnknownDatabase, "The server has no such database", "Check the name, letter case included.")
NO_HOST = Diagnosis(UnknownHost, "The host name does not exist", "Check it.")
NO_ANSWER = Diagnosis(
    ConnectionFailed, "The server does not answer", "Check host, port, firewall, and whether the server runs."
)
LOST = Diagnosis(
    ConnectionLost,
    "The connection ended in the middle",
    "See the server's log for a restart, a killed session or a time limit; it is tried again.",
)
TOO_MANY = Diagnosis(
    RateLimitExceeded, "The server takes no more connections or queries", "Raise the limit, or run fewer at a time."
)
LOCKED = Diagnosis(DatabaseLocked, "A lock was not given in time", "See which session holds it; it is tried again.")
TOO_SLOW = Diagnosis(
    ConnectionFailed, "The server did not answer a question in time", "See what keeps it busy; it is tried again."
)
CHANGED = Diagnosis(
    SourceChanged,
    "A table's definition changed while it was read",
    "Keep migrations and backups apart; it is tried again.",
)
BROKEN = Diagnosis(
    BrokenObject,
    "An object of the database is broken and cannot be dumped",
    "Repair or drop the view, trigger or routine that is named.",
)
FULL = Diagnosis(DiskFull, "The disk is full", "Free space on the server.")
TLS = Diagnosis(
    TlsFailed,
    "The connection could not be protected as ssl_mode demands",
    "Check the server's certificate and TLS setting, or choose another ssl_mode."
    " MariaDB's client checks chain and name together, also for verify-ca.",
)
PLUGIN = Diagnosis(
    UnsupportedServer,
    "The user logs in by a method that the client does not know",
    "Give the user another authentication plugin, such as caching_sha2_password or mysql_native_password.",
)
UNEXPLAINED = Diagnosis(DumpFailed, "The database could not be read", "See the tool's log.")

NUMBERS: Mapping[int, Diagnosis] = {
    **dict.fromkeys((1045, 1698, 1820, 1862, 3118, 3878, 4151), CREDENTIALS),
    **dict.fromkeys((1044, 1142, 1143, 1227, 1345, 1370), PERMISSION),
    **dict.fromkeys((1129, 1130), HOST_REFUSED),
    1049: NO_DATABASE,
    2005: NO_HOST,
    **dict.fromkeys((1053, 1077, 1079, 2002, 2003, 2004), NO_ANSWER),
    **dict.fromkeys((1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 2006, 2012, 2013, 2055, 3169, 4031), LOST),
    **dict.fromkeys((1040, 1203, 1226), TOO_MANY),
    **dict.fromkeys((1205, 1213, 3572), LOCKED),
    **dict.fromkeys((1969, 3024), TOO_SLOW),
    **dict.fromkeys((1146, 1305, 1412, 1684), CHANGED),
    **dict.fromkeys((1356, 1449), BROKEN),
    **dict.fromkeys((1021, 1041, 1114, 3019, 3675), FULL),
    **dict.fromkeys((2026, 3159), TLS),
    **dict.fromkeys((1251, 1524, 2049, 2059, 2061), PLUGIN),
}

SYMPTOMS = (
    Symptom(r"unknown server host|name or service not known|nodename nor servname", NO_HOST),
    Symptom(r"insufficient privileges to show create", PERMISSION),
    Symptom(r"no space left on device|errcode: 28\b|errno: 28\b", FULL),
    Symptom(r"\b(ssl|tls)( connection)? error|\[ssl\]|\[ssl: |ssl is required", TLS),
)

# "Got error: 1045: ..." | "Couldn't execute ...: ... (1356)" | "Error 1412: ..." | "ERROR 1227 (42000) at line 5: ..."
NUMBER = re.compile(r"\berror:? (\d{4})\b|\((\d{4})\)\s*$", re.IGNORECASE | re.MULTILINE)
TOOL_SPEAKS = r"(?i)\berror\b|couldn't|insufficient|unknown"


def tool_error(exit_code: int, stderr: str, *, tool: str, server: Server, database: str) -> BackupError | None:
    """What the end of a client tool means; None for exit code 0."""
    if exit_code == 0:
        return None
    where = place(server, database)
    said = telling_line(stderr, TOOL_SPEAKS)
    killed = killed_by_signal(exit_code, tool, where)
    if killed is not None:
        return killed
    numbers = (int(first or second) for first, second in NUMBER.findall(stderr))
    by_number = next((NUMBERS[number] for number in numbers if number in NUMBERS), None)
    # A name that cannot be resolved has the same number whether the name or the name server is missing.
    if by_number is NO_HOST and "(-3)" in stderr:
        by_number = NO_ANSWER
    return explained(by_number or by_symptom(SYMPTOMS, stderr) or UNEXPLAINED, where, said or f"exit code {exit_code}")


def driver_error(error: Exception, where: str) -> BackupError:
    """What an exception of PyMySQL, or one of a socket that it let through, means."""
    said = str(error.args[-1]) if error.args else type(error).__name__
    # Where no connection came about, PyMySQL hides the reason behind one number.
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, socket.gaierror):
        return explained(NO_ANSWER if cause.errno == socket.EAI_AGAIN else NO_HOST, where, said)
    if isinstance(cause, ssl.SSLError):
        return explained(TLS, where, said)
    if isinstance(error, OSError | EOFError):
        return explained(LOST, where, said)
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return explained(NUMBERS.get(number) or by_symptom(SYMPTOMS, said) or UNEXPLAINED, where, said)


@contextmanager
def driver_errors(server: Server, database: str) -> Iterator[None]:
    """Raises what PyMySQL raises as errors of the tree."""
    try:
        yield
    # PyMySQL lets errors of sockets, TLS, short packets and of text that is not UTF-8 through as they are.
    except (pymysql.err.Error, OSError, EOFError, UnicodeError) as error:
        raise driver_error(error, place(server, database)) from error
