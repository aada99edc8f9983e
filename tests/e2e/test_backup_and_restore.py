"""A backup from its trigger to its proof, on real servers, and its restore with nothing but gunzip and the client."""

import gzip
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from local.cloud.authority import certificate_paths
from local.servers import DatabaseServer
from tests.support.databases import fresh_database, rows, sample_database
from tests.support.installation import Installation

NAMES = {"mysql": "e2e_source", "postgresql": "e2e_source"}


@pytest.fixture(scope="session")
def protected(installed: Installation, server: DatabaseServer) -> str:
    """A registered database full of what is hard to dump."""
    sample_database(server, NAMES[server.family])
    return installed.register(server, NAMES[server.family])


@pytest.fixture(scope="session")
def completed(installed: Installation, protected: str) -> dict[str, Any]:
    """The status of a run of it that has ended."""
    return installed.backed_up(protected)


def test_a_run_completes_with_its_evidence(completed: dict[str, Any]) -> None:
    assert completed["status"] == "completed", completed
    assert completed["progress"] == 100
    assert completed["bytes_read"] > completed["bytes_stored"] > 0
    assert {found["rung"] for found in completed["verification"]["evidence"]} == {"stored", "readable"}


def test_the_restored_database_equals_its_source(
    installed: Installation, server: DatabaseServer, completed: dict[str, Any]
) -> None:
    target = installed.register_target(server)

    operation = installed.verified(completed["id"], rung="restored", target_id=target)

    assert operation["status"] == "completed", operation
    comparison = operation["comparison"]
    assert comparison["differences"] == []
    assert comparison["tables"] > 3
    assert comparison["rows"] > 10


def test_the_scratch_database_is_dropped_again(
    installed: Installation, server: DatabaseServer, completed: dict[str, Any]
) -> None:
    listing = "SHOW DATABASES" if server.family == "mysql" else "SELECT datname FROM pg_database"

    assert [name for (name,) in rows(server, listing) if name.startswith("dilux_verify_")] == []


def test_a_backup_restores_with_gunzip_and_the_plain_client(
    installed: Installation, server: DatabaseServer, completed: dict[str, Any], tmp_path: Path
) -> None:
    link = installed.admin.get(f"/backups/{completed['id']}/download")
    dump = gzip.decompress(_downloaded(installed, link["url"]))

    with fresh_database(server) as name:
        _load(server, name, dump)
        statement = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {}"
        if server.family == "mysql":
            here, there = (rows(server, statement.format(f"'{database}'")) for database in (name, "e2e_source"))
        else:
            counting = statement.format("'public'")
            here, there = (rows(server, counting, database=database) for database in (name, "e2e_source"))

    assert here == there


def _downloaded(installed: Installation, url: str) -> bytes:
    authority = certificate_paths(installed.host.home / "cloud").authority
    context = ssl.create_default_context(cafile=str(authority))
    with urllib.request.urlopen(url, context=context, timeout=30) as answer:
        return bytes(answer.read())


def _load(server: DatabaseServer, database: str, dump: bytes) -> None:
    if server.family == "mysql":
        argv = ["mariadb", "--no-defaults", "--protocol=TCP", f"--host={server.host}", f"--port={server.port}"]
        argv += [f"--user={server.admin_user}", "--default-character-set=utf8mb4", database]
        environment = {"MYSQL_PWD": server.admin_password}
    else:
        argv = ["pg_restore", "--exit-on-error", "--dbname", database]
        environment = {
            "PGHOST": server.host,
            "PGPORT": str(server.port),
            "PGUSER": server.admin_user,
            "PGPASSWORD": server.admin_password,
        }
    subprocess.run(argv, input=dump, env={"PATH": "/usr/bin:/bin", **environment}, check=True, timeout=60)
