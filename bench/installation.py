"""What the benchmark works on: the local cloud and two database servers with data, in a folder that goes again."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Thread

from pydantic import SecretStr

from bench.data import DATABASE, load
from local.cloud.cloud import LocalCloud
from local.servers import DatabaseServer, start_mariadb, start_postgresql
from shared import claims, clock, naming, secrets
from shared.engines.registry import engine_for
from shared.logins import login_for
from shared.models.database import DatabaseConfig, DatabaseType, SslMode
from shared.models.run import DumpRequest
from shared.storage.blobs import delete_blob
from shared.tools import installed_tools

CONTAINER = "bench"


@dataclass(frozen=True)
class Installation:
    """Running services; `folder` is for whatever a round writes."""

    folder: Path
    servers: tuple[DatabaseServer, ...]


@contextmanager
def installation(megabytes: int) -> Iterator[Installation]:
    """Everything started, with the settings of this process pointing to it; all gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="dilux-bench-", dir="/var/tmp"))
    folder.chmod(0o755)  # the servers' accounts pass through it
    with ExitStack() as running:
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(running.enter_context(_cloud(folder / "home")))
        os.environ["ALLOWED_NETWORKS"] = "127.0.0.0/8"
        servers = (start_mariadb(folder / "mariadb"), start_postgresql(folder / "postgresql"))
        for server in servers:
            running.callback(shutil.rmtree, server.folder, ignore_errors=True)
            running.callback(server.stop)
            load(server, megabytes, folder)
        yield Installation(folder, servers)


@contextmanager
def _cloud(home: Path) -> Iterator[dict[str, str]]:
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="local cloud", daemon=True)
    thread.start()
    cloud = LocalCloud(home)
    try:
        asyncio.run_coroutine_threadsafe(cloud.start(), loop).result()
        yield cloud.environment()
    finally:
        asyncio.run_coroutine_threadsafe(cloud.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def configured(server: DatabaseServer) -> DatabaseConfig:
    """The benchmark's database on this server, its password stored."""
    config = DatabaseConfig(
        id=f"bench_{server.family}",
        tenant_id="bench",
        name=f"Bench {server.family}",
        type=DatabaseType.MYSQL_VM if server.family == "mysql" else DatabaseType.POSTGRESQL_VM,
        host=server.host,
        port=server.port,
        username=server.admin_user,
        ssl_mode=SslMode.DISABLE,
        database=DATABASE,
        storage_container=CONTAINER,
    )
    secrets.store(config.secret_slug, secrets.Credentials(server.admin_user, SecretStr(server.admin_password)))
    return config


@contextmanager
def claimed(config: DatabaseConfig) -> Iterator[DumpRequest]:
    """A dump of this database, asked for as the product's plan would; its claim and its blob are gone at the end."""
    engine = engine_for(config.type)
    probe = engine.probe(login_for(config.server), config.database)
    backup_id = naming.backup_id(clock.now(), naming.random_six())
    claims.take(config.id, backup_id, seconds=600)
    request = DumpRequest(
        backup_id=backup_id,
        database_id=config.id,
        server=config.server,
        database=config.database,
        options=(),
        tool=engine.choose_tool(probe.server, installed_tools(engine.dump_tools)),
        probe=probe,
        blob=naming.blob_address(config, clock.now(), backup_id, 1, engine.extension),
        compression_level=2,
        deadline_at=clock.now() + timedelta(hours=1),
        max_size_bytes=2**40,
    )
    try:
        yield request
    finally:
        claims.release(config.id, backup_id)
        delete_blob(request.blob)
