"""A password lives in Key Vault and in the memory of who uses it, and nowhere else, whatever runs and changes."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.api_client import ApiRefused
from local.servers import DatabaseServer
from local.taskhub.client_links import RPC_PREFIX
from tests.support.bulk import fill
from tests.support.canary import CommandLines, RememberingClient, files_with, leaks
from tests.support.databases import connection, fresh_database, mariadb_server, postgresql_server
from tests.support.installation import TYPES, Installation, installation
from tests.support.stored_state import stored_state

PLAIN = "S3cr3t-canary-77"
HARD = "S3cr3t \"canary'77\\ %41&${ñ}🚀"
SECRETS = (PLAIN, HARD)
VAULT = "key-vault.sqlite"
MEGABYTES = 12
BACKUP_USER, TARGET_USER = "canary_reader", "canary_keeper"
GRANTS = {
    "mysql": (
        "CREATE USER {user} IDENTIFIED BY %s",
        "GRANT SELECT, SHOW VIEW, TRIGGER, LOCK TABLES, EVENT ON *.* TO {user}",
    ),
    "postgresql": ("CREATE ROLE {user} LOGIN PASSWORD %s", "GRANT pg_read_all_data TO {user}"),
}
KEEPER_GRANTS = {
    "mysql": ("CREATE USER {user} IDENTIFIED BY %s", "GRANT ALL ON *.* TO {user}"),
    "postgresql": ("CREATE ROLE {user} LOGIN CREATEDB PASSWORD %s",),
}
CHANGE = {"mysql": "ALTER USER {user} IDENTIFIED BY %s", "postgresql": "ALTER ROLE {user} PASSWORD %s"}
DROP = {"mysql": "DROP USER {user}", "postgresql": "DROP ROLE {user}"}


@dataclass
class Lived:
    """All that an installation has left behind, and what was seen of it from outside."""

    installed: Installation
    folder: Path
    command_lines: set[bytes]
    answers: list[str]
    statuses: list[str]

    @property
    def home(self) -> Path:
        """The host's state folder."""
        return self.installed.host.home


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """An installation that has made runs, good and bad, has proven backups and has seen passwords change."""
    folder = tmp_path_factory.mktemp("canary")
    temporary = folder / "temporary"
    temporary.mkdir()
    with (
        ExitStack() as leaving,
        installation(folder / "home", LOG_LEVEL="DEBUG", DEBUG_MODE="true", TMPDIR=str(temporary)) as installed,
    ):
        client = RememberingClient(installed.host.url, installed.host.token(["Backup.Admin"]))
        installed.admin = installed.operator = installed.reader = client
        statuses: list[str] = []
        with CommandLines() as lines:
            for server in (mariadb_server(), postgresql_server()):
                database = leaving.enter_context(fresh_database(server))
                fill(server, database, MEGABYTES)
                for user, grants in ((BACKUP_USER, GRANTS), (TARGET_USER, KEEPER_GRANTS)):
                    for statement in grants[server.family]:
                        execute(server, statement, user, PLAIN)
                    leaving.callback(execute, server, DROP[server.family], user)
                statuses += live(installed, server, database)
        read_all(installed)
        yield Lived(installed, folder, lines.seen, client.answers, statuses)


def execute(server: DatabaseServer, statement: str, user: str, password: str | None = None) -> None:
    """Runs a statement on a user of the server; the password, if the statement wants one, is quoted by the driver."""
    quoted = f"'{user}'@'%%'" if server.family == "mysql" else user
    with connection(server) as opened, opened.cursor() as cursor:
        text = statement.format(user=quoted)
        cursor.execute(text, (password,) if "IDENTIFIED" in text or "PASSWORD" in text else ())


def live(installed: Installation, server: DatabaseServer, database: str) -> list[str]:
    """Goes through all that uses a password; gives how the runs and proofs ended, in their order."""
    login = {"username": BACKUP_USER, "password": PLAIN}
    database_id = installed.register(server, database, **login)
    target = installed.admin.post(
        "/targets",
        {
            "name": f"canary {server.family}",
            "type": TYPES[server.family],
            "host": server.host,
            "port": server.port,
            "username": TARGET_USER,
            "password": PLAIN,
            "ssl_mode": "disable",
        },
    )["id"]
    good = installed.backed_up(database_id)
    proven = installed.verified(good["id"], rung="restored", target_id=target)

    execute(server, CHANGE[server.family], BACKUP_USER, HARD)
    bad = installed.backed_up(database_id)
    path = f"/databases/{database_id}"
    assert not installed.admin.post(f"{path}/test-connection")["success"]
    assert installed.admin.post(f"{path}/test-connection", {"password": HARD})["success"]
    assert refused(partial(installed.admin.put, f"{path}/password", {"password": PLAIN})) == 400
    installed.admin.put(f"{path}/password", {"password": HARD})
    again = installed.backed_up(database_id)

    execute(server, CHANGE[server.family], TARGET_USER, HARD)
    unproven = installed.verified(good["id"], rung="restored", target_id=target)
    installed.admin.put(f"/targets/{target}", {"password": HARD})
    proven_again = installed.verified(again["id"], rung="restored", target_id=target)
    send_nonsense(installed, server, database)
    return [str(ended["status"]) for ended in (good, proven, bad, again, unproven, proven_again)]


def send_nonsense(installed: Installation, server: DatabaseServer, database: str) -> None:
    """Sends passwords in requests that are refused, some of them where no password belongs."""
    kind = {"type": TYPES[server.family], "host": server.host, "username": "nobody", "database": database}
    whole = {**kind, "name": "nonsense", "storage_container": "nonsense"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/databases", {**whole, "password": HARD, "frequency": "never", "unknown": 1}),
        ("/databases", {**whole, "password": {"value": HARD}}),
        ("/databases", {**whole, "passwort": HARD}),
        ("/targets", {"password": HARD}),
        ("/targets", {"password": [HARD]}),
    ]
    for path, body in bodies:
        assert refused(partial(installed.admin.post, path, body)) == 400
    stranger = {**kind, "port": server.port, "password": HARD, "ssl_mode": "disable"}
    assert not installed.admin.post("/databases/test-connection", stranger)["success"]
    assert isinstance(installed.admin, RememberingClient)
    installed.admin.answers.append(answer_to_broken_json(installed))


def answer_to_broken_json(installed: Installation) -> str:
    """What is said to a body that is cut off after its password."""
    request = urllib.request.Request(
        f"{installed.host.url}/api/databases",
        data=b'{"password": "' + HARD.replace('"', '\\"').encode(),
        headers={"Authorization": f"Bearer {installed.host.token(['Backup.Admin'])}"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as caught, urllib.request.urlopen(request, timeout=30):
        pass
    with caught.value as refusal:
        return refusal.read().decode()


def refused(ask: Callable[[], object]) -> int | None:
    """The status with which a request is refused; None when it is not."""
    try:
        ask()
    except ApiRefused as refusal:
        return refusal.status
    return None


def read_all(installed: Installation) -> None:
    """Asks for all that the API shows."""
    client = installed.reader
    for database in client.get("/databases")["databases"]:
        client.get(f"/databases/{database['id']}")
        for run in client.get(f"/databases/{database['id']}/history?limit=50")["backups"]:
            client.get(f"/backups/{run['id']}/status")
    for path in ("/backups", "/targets", "/health", "/types"):
        client.get(path)


def test_the_runs_went_as_the_passwords_let_them(lived: Lived) -> None:
    one_family = ["completed", "completed", "failed", "completed", "failed", "completed"]

    assert lived.statuses == 2 * one_family


def test_the_vault_holds_the_passwords_and_the_search_would_find_them(lived: Lived) -> None:
    content = b"".join(path.read_bytes() for path in (lived.home / "cloud").glob(f"{VAULT}*"))

    assert leaks(content, [PLAIN])
    assert leaks(content, [HARD])


def test_no_command_line_showed_a_password(lived: Lived) -> None:
    shown = b"\n".join(lived.command_lines)

    for tool in (b"mariadb-dump", b"pg_dump", b"pg_restore"):
        assert tool in shown
    assert leaks(shown, SECRETS) == []


def test_no_file_of_the_host_but_the_vault_holds_a_password(lived: Lived) -> None:
    assert files_with(lived.folder, SECRETS, but_not=VAULT) == {}
    assert (lived.home / "taskhub.sqlite").exists()
    assert leaks(lived.installed.host.output.encode(), SECRETS) == []


def test_no_row_and_no_blob_holds_a_password(lived: Lived) -> None:
    with stored_state(lived.home) as state:
        tables = state.tables()
        blobs = {blob.path: state.content(blob.path) for blob in state.blobs()}
        metadata = repr([blob.metadata for blob in state.blobs()]).encode()

    assert {"BackupHistory", "AuditLogs"} <= tables.keys()
    assert {name: found for name, rows in tables.items() if (found := leaks(repr(rows).encode(), SECRETS))} == {}
    assert any(path.endswith(".manifest.json") for path in blobs)
    assert {path: found for path, content in blobs.items() if (found := leaks(content, SECRETS))} == {}
    assert leaks(metadata, SECRETS) == []


def test_the_task_hub_tells_no_password(lived: Lived) -> None:
    url = f"{lived.installed.host.url}{RPC_PREFIX}/instances"
    with urllib.request.urlopen(f"{url}/", timeout=30) as answer:
        found = [status["instanceId"] for status in json.load(answer)]
    told = []
    for id in found:
        with urllib.request.urlopen(f"{url}/{id}?showHistory=true&showHistoryOutput=true", timeout=30) as answer:
            told.append(answer.read())

    assert any(id.startswith("backup-") for id in found)
    assert leaks(b"\n".join(told), SECRETS) == []


def test_no_answer_of_the_api_holds_a_password(lived: Lived) -> None:
    assert len(lived.answers) > 50
    assert leaks("\n".join(lived.answers).encode(), SECRETS) == []
