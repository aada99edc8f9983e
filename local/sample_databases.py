"""The two sample servers of `make run`, with the specification's sample data; made on first use, gone on with later."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pymysql

from local.servers import DatabaseServer, start_mariadb, start_postgresql

DATABASE = "dilux_test"
FILLED = "filled"
"""The comment of a database that is whole: one that was left half-filled is made anew at the next start."""
SCRIPTS = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """A sample server and its database, with what the API wants to know of them."""

    name: str
    type: str
    server: DatabaseServer
    database: str = DATABASE


def start_samples(folder: Path, certificate: tuple[Path, Path]) -> list[Sample]:
    """Starts both servers and fills what is empty. `certificate` is (chain, key) for 127.0.0.1."""
    mariadb = start_mariadb(folder / "mariadb", certificate=certificate)
    try:
        _fill_mariadb(mariadb)
        postgresql = start_postgresql(folder / "postgresql", certificate=certificate)
    except BaseException:
        mariadb.stop()
        raise
    samples = [
        Sample("Sample MariaDB", "mysql-vm", mariadb),
        Sample("Sample PostgreSQL", "postgresql-vm", postgresql),
    ]
    try:
        _fill_postgresql(postgresql)
    except BaseException:
        stop_samples(samples)
        raise
    return samples


def stop_samples(samples: Sequence[Sample]) -> None:
    """Stops the servers; their data stay."""
    for sample in samples:
        sample.server.stop()


def _fill_mariadb(server: DatabaseServer) -> None:
    with pymysql.connect(
        host=server.host, port=server.port, user=server.admin_user, password=server.admin_password
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT schema_comment FROM information_schema.schemata WHERE schema_name = %s", [DATABASE])
        if cursor.fetchone() == (FILLED,):
            return
        cursor.execute(f"DROP DATABASE IF EXISTS `{DATABASE}`")
        cursor.execute(f"CREATE DATABASE `{DATABASE}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        _play(
            (
                _client("mariadb", "mysql"),
                "--no-defaults",
                "--protocol=TCP",
                f"--host={server.host}",
                f"--port={server.port}",
                f"--user={server.admin_user}",
                "--default-character-set=utf8mb4",
                f"--database={DATABASE}",
            ),
            {"MYSQL_PWD": server.admin_password},
            SCRIPTS / "mariadb.sql",
        )
        cursor.execute(f"ALTER DATABASE `{DATABASE}` COMMENT '{FILLED}'")


def _fill_postgresql(server: DatabaseServer) -> None:
    connection = psycopg2.connect(
        host=server.host, port=server.port, user=server.admin_user, password=server.admin_password, dbname="postgres"
    )
    connection.autocommit = True
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [DATABASE])
        if cursor.fetchone() == (FILLED,):
            return
        cursor.execute(f'DROP DATABASE IF EXISTS "{DATABASE}"')
        cursor.execute(
            f"CREATE DATABASE \"{DATABASE}\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        )
        _play(
            (_client("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"),
            {
                "PGHOST": server.host,
                "PGPORT": str(server.port),
                "PGUSER": server.admin_user,
                "PGPASSWORD": server.admin_password,
                "PGDATABASE": DATABASE,
            },
            SCRIPTS / "postgresql.sql",
        )
        cursor.execute(f"COMMENT ON DATABASE \"{DATABASE}\" IS '{FILLED}'")
    finally:
        connection.close()


def _client(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(f"None of the client tools {', '.join(names)} is installed.")


def _play(argv: Sequence[str], secrets: dict[str, str], script: Path) -> None:
    with script.open("rb") as text:
        done = subprocess.run(
            argv, stdin=text, env={"PATH": "/usr/bin:/bin", **secrets}, capture_output=True, check=False, timeout=120
        )
    if done.returncode:
        raise RuntimeError(f"{script.name} could not be loaded: {done.stderr.decode(errors='replace')[-500:]}")
