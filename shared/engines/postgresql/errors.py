"""What PostgreSQL's errors mean to a backup: by SQLSTATE where the driver tells it, else by text, as the tools do.

SQLSTATEs: PostgreSQL's manual, appendix A. Texts of servers that speak another language are met in questions by their
SQLSTATE; in a tool's stderr they end as DumpFailed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2

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
    ClientTooOld,
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
    ToolMissing,
    UnknownDatabase,
    UnknownHost,
)
from shared.models.database import Server

CREDENTIALS = Diagnosis(
    InvalidCredentials, "The server refused the user name or the password", "Check both, and pg_hba.conf."
)
PERMISSION = Diagnosis(
    PermissionDenied,
    "The user may not read all of the database",
    "Grant it pg_read_all_data, or SELECT on all tables, sequences and large objects and USAGE on their schemas.",
)
ROW_SECURITY = Diagnosis(
    PermissionDenied,
    "Row-level security would hide rows from the backup",
    "Give the user BYPASSRLS: ALTER ROLE ... BYPASSRLS.",
)
HOST_REFUSED = Diagnosis(
    PermissionDenied,
    "The server's pg_hba.conf or firewall does not let this user in from this machine",
    "Add an entry, or the TLS that an entry demands.",
)
NO_DATABASE = Diagnosis(UnknownDatabase, "The server has no such database", "Check the name, letter case included.")
NO_HOST = Diagnosis(UnknownHost, "The host name does not exist", "Check it.")
NO_ANSWER = Diagnosis(
    ConnectionFailed, "The server does not answer", "Check host, port, firewall, and whether the server runs."
)
LOST = Diagnosis(
    ConnectionLost,
    "The connection ended in the middle",
    "See the server's log for a restart or a killed session; it is tried again.",
)
TOO_MANY = Diagnosis(
    RateLimitExceeded, "The server takes no more connections", "Raise the limit, or run fewer at a time."
)
LOCKED = Diagnosis(
    DatabaseLocked,
    "A table's lock was not given in time",
    "See which session holds it, often a migration; it is tried again.",
)
TOO_SLOW = Diagnosis(
    ConnectionFailed, "The server did not answer a question in time", "See what keeps it busy; it is tried again."
)
STANDBY = Diagnosis(
    SourceChanged,
    "The standby cancelled the dump because of changes that it had to apply",
    "Set hot_standby_feedback or raise max_standby_streaming_delay; it is tried again.",
)
CHANGED = Diagnosis(
    SourceChanged,
    "A table changed or went away while it was read",
    "Keep migrations and backups apart; it is tried again.",
)
TOO_OLD = Diagnosis(
    ClientTooOld, "The server is newer than the client tool", "Install the PostgreSQL client of the server's version."
)
NO_TLS_IN_CLIENT = Diagnosis(
    ToolMissing, "The client tool was built without TLS", "Install another PostgreSQL client, such as Debian's."
)
TLS = Diagnosis(
    TlsFailed,
    "The connection could not be protected as ssl_mode demands",
    "Check the server's certificate and TLS setting, or choose another ssl_mode.",
)
FULL = Diagnosis(DiskFull, "The disk is full", "Free space on the server.")
BROKEN = Diagnosis(
    BrokenObject, "An object or a page of the database is broken", "Repair it; see the server's log for details."
)
UNEXPLAINED = Diagnosis(DumpFailed, "The database could not be read", "See the tool's log.")

# Whole codes first, then the two letters of a class.
SQLSTATES: Mapping[str, Diagnosis] = {
    "28000": HOST_REFUSED,
    "28P01": CREDENTIALS,
    "3D000": NO_DATABASE,
    "42501": PERMISSION,
    "53100": FULL,
    "53300": TOO_MANY,
    "53400": TOO_MANY,
    "55P03": LOCKED,
    "40P01": LOCKED,
    "40001": STANDBY,
    "57014": TOO_SLOW,
    "57P01": LOST,
    "57P02": LOST,
    "57P03": NO_ANSWER,
    "57P04": NO_DATABASE,
    "57P05": LOST,
    "25P03": LOST,
    "25P04": LOST,
    "42P01": CHANGED,
    "42704": CHANGED,
    "08": LOST,
    "XX": BROKEN,
}

SYMPTOMS = (
    Symptom(r"server version mismatch|unsupported version \(.*\) in file header", TOO_OLD),
    Symptom(r"SSL support is not compiled in", NO_TLS_IN_CLIENT),
    Symptom(r"no pg_hba\.conf entry", HOST_REFUSED),
    Symptom(r"password authentication failed|no password supplied|authentication failed for user", CREDENTIALS),
    Symptom(r"role \".*\" (does not exist|is not permitted to log in)", CREDENTIALS),
    Symptom(r"database \".*\" does not exist", NO_DATABASE),
    Symptom(r"temporary failure in name resolution", NO_ANSWER),
    Symptom(r"could not translate host name", NO_HOST),
    Symptom(r"too many (clients|connections)|remaining connection slots", TOO_MANY),
    Symptom(r"row-level security", ROW_SECURITY),
    Symptom(r"permission denied|must be owner of", PERMISSION),
    Symptom(r"conflict with recovery", STANDBY),
    Symptom(r"lock timeout|could not obtain lock|deadlock detected|statement timeout", LOCKED),
    Symptom(r"no space left on device|could not extend file", FULL),
    Symptom(r"terminating connection|server closed the connection|connection to server was lost|connection reset|"
            r"connection has been closed|could not receive data|no connection to the server|SSL SYSCALL error: EOF",
            LOST),
    Symptom(r"server does not support SSL|certificate verify failed|root certificate file|SSL error|"
            r"server certificate for|server common name", TLS),
    Symptom(r"connection refused|connection timed out|timeout expired|could not connect|no route to host|"
            r"network is unreachable|is (starting up|shutting down)|not yet accepting connections|in recovery mode",
            NO_ANSWER),
    Symptom(r"relation .* does not exist|could not open relation|cache lookup failed", CHANGED),
    Symptom(r"invalid page|missing chunk number|invalid memory alloc|could not read block", BROKEN),
)  # fmt: skip

TOOL_SPEAKS = r"\b(error|FATAL|ERROR):"


def tool_error(exit_code: int, stderr: str, *, tool: str, server: Server, database: str) -> BackupError | None:
    """What the end of a client tool means; None for exit code 0."""
    if exit_code == 0:
        return None
    where = place(server, database)
    killed = killed_by_signal(exit_code, tool, where)
    if killed is not None:
        return killed
    said = telling_line(stderr, TOOL_SPEAKS) or f"exit code {exit_code}"
    return explained(by_symptom(SYMPTOMS, stderr) or UNEXPLAINED, where, said)


def driver_error(error: Exception, where: str) -> BackupError:
    """What an exception of psycopg2 means."""
    state = getattr(error, "pgcode", None) or ""
    text = str(error)
    if state == "42501" and "row-level security" in text:
        return explained(ROW_SECURITY, where, text)
    known = SQLSTATES.get(state) or by_symptom(SYMPTOMS, text) or SQLSTATES.get(state[:2])
    return explained(known or UNEXPLAINED, where, text)


@contextmanager
def driver_errors(server: Server, database: str) -> Iterator[None]:
    """Raises what psycopg2 raises as errors of the tree."""
    try:
        yield
    except (psycopg2.Error, UnicodeError) as error:
        raise driver_error(error, place(server, database)) from error
