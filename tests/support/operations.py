"""What tests of verifications and restores do with backups, their blobs and their targets."""

import gzip
from collections.abc import Callable
from itertools import count
from typing import Any

from azure.storage.blob import BlobBlock, ContentSettings
from pydantic import SecretStr

from local.servers import DatabaseServer
from shared import config, history, operations, secrets
from shared.models.database import DatabaseConfig, DatabaseType, Rung, SslMode, TargetConfig
from shared.models.operation import OperationRecord, RestoreRequest, VerifyRequest
from shared.models.run import BlobAddress, RunRecord, RunStatus
from shared.storage.account import blob_client
from shared.storage.blobs import delete_blob, read_small_blob
from tests.support.cloud import fresh_id
from tests.support.databases import rows, run_sql
from tests.support.in_process import start
from tests.support.plans import NOON, TENANT, Life, Scenario

Live = Callable[[Scenario], None]
TYPES = {"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}

_numbers = count(1)


def fill(server: DatabaseServer, database: str) -> None:
    statements = ["CREATE TABLE t (a varchar(20))", "INSERT INTO t VALUES ('ñandú 🚀'), ('two')"]
    run_sql(server, statements, database=database)


def target_on(server: DatabaseServer, **fields: Any) -> str:
    """A target for restores; gives its id."""
    usual = {
        "id": fresh_id("target"),
        "tenant_id": TENANT,
        "name": "target",
        "type": TYPES[server.family],
        "host": server.host,
        "port": server.port,
        "username": server.admin_user,
        "ssl_mode": SslMode.DISABLE,
        "created_at": NOON,
    }
    made = TargetConfig.model_validate(usual | fields)
    secrets.store(made.secret_slug, secrets.Credentials(made.username, SecretStr(server.admin_password)))
    config.targets.create(made)
    return made.id


async def backed_up(life: Life, database: DatabaseConfig) -> RunRecord:
    """A proven backup."""
    backup_id = await life.back_up(database)
    await life.live(seconds=1)
    run = row(backup_id)
    assert run.status is RunStatus.COMPLETED, run
    return run


async def verified(life: Life, run: RunRecord, rung: Rung, target_id: str | None = None) -> OperationRecord:
    """The verification of a backup, once it has ended."""
    request = VerifyRequest(
        operation_id=f"verify-{next(_numbers)}",
        backup_id=run.backup_id,
        database_id=run.database_id,
        tenant_id=TENANT,
        rung=rung,
        target_id=target_id,
    )
    return await ended(life, "verify_backup", request)


async def restored(
    life: Life, run: RunRecord, target_id: str, database: str, *, overwrite: bool = False
) -> OperationRecord:
    """The restore of a backup, once it has ended."""
    request = RestoreRequest(
        operation_id=f"restore-{next(_numbers)}",
        backup_id=run.backup_id,
        database_id=run.database_id,
        tenant_id=TENANT,
        target_id=target_id,
        database=database,
        overwrite=overwrite,
    )
    return await ended(life, "restore_backup", request)


async def ended(life: Life, plan: str, request: VerifyRequest | RestoreRequest) -> OperationRecord:
    await start(life.hub, plan, request.model_dump(mode="json"), instance_id=request.operation_id)
    await life.live(minutes=15)
    operation = operations.get(request.operation_id, TENANT)
    assert operation is not None
    assert life.output(request.operation_id)["status"] == operation.status
    return operation


def row(backup_id: str) -> RunRecord:
    found = history.get(backup_id, tenant=None)
    assert found is not None
    return found


def code_of(operation: OperationRecord) -> str | None:
    return operation.error.code if operation.error else None


def databases_of(server: DatabaseServer) -> set[str]:
    listing = "SHOW DATABASES" if server.family == "mysql" else "SELECT datname FROM pg_database"
    return {name for (name,) in rows(server, listing)}


def scratches(server: DatabaseServer) -> list[str]:
    return [name for name in databases_of(server) if name.startswith("dilux_verify_")]


# What can become of a blob. All but the last leave its name, metadata, tags and what stands as its MD5 as they were.


def flip_a_byte(address: BlobAddress) -> None:
    content = bytearray(read_small_blob(address))
    content[len(content) // 2] ^= 1
    overwrite(address, bytes(content))


def cut_it_off(address: BlobAddress) -> None:
    content = read_small_blob(address)
    overwrite(address, content[: len(content) // 2])


def swap_it(address: BlobAddress) -> None:
    overwrite(address, gzip.compress(b"-- another dump\n"))


def overwrite(address: BlobAddress, content: bytes) -> None:
    blob = blob_client(address)
    properties, tags = blob.get_blob_properties(), blob.get_blob_tags()
    settings = ContentSettings(content_md5=properties.content_settings.content_md5)
    blob.stage_block("tampered", content)  # whose MD5, unlike that of a blob sent whole, nobody checks
    blob.commit_block_list([BlobBlock("tampered")], metadata=properties.metadata, tags=tags, content_settings=settings)


def delete_it(address: BlobAddress) -> None:
    assert delete_blob(address) is None
