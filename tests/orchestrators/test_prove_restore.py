"""The proof by restore leaves the databases of others alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from activities.describe_backup import describe_backup
from local.servers import DatabaseServer
from orchestrators.prove_restore import SCRATCH_PREFIX
from shared import config, secrets
from shared.durable import Context
from shared.models.database import SslMode, TargetConfig
from shared.models.plan import BackupReference, ProofRequest
from tests.support.cloud import fresh_id
from tests.support.databases import fresh_database, rows, run_sql
from tests.support.in_process import start
from tests.support.plans import TENANT, Life, Scenario, register


def test_a_database_that_has_the_scratch_name_by_chance_is_not_dropped(
    live: Callable[[Scenario], None], postgresql: DatabaseServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Context, "six", lambda context: "chance")
    database = register(postgresql, source)
    target = TargetConfig(
        **database.model_dump(include={"tenant_id", "name", "type", "host", "port", "username"}),
        id=fresh_id("target"),
        ssl_mode=SslMode.DISABLE,
    )
    secrets.store(target.secret_slug, secrets.Credentials(target.username, SecretStr(postgresql.admin_password)))
    config.targets.create(target)

    async def scenario(life: Life) -> None:
        backup_id = await life.back_up(database)
        await life.live(seconds=1)
        request = ProofRequest(
            operation_id="verify-by-chance",
            tenant_id=TENANT,
            target_id=target.id,
            facts=describe_backup.run(BackupReference(backup_id=backup_id, tenant_id=TENANT)),
            deadline_at=life.clock.now() + timedelta(hours=1),
        )
        await start(life.hub, "prove_restore", request.model_dump(mode="json"), instance_id="by-chance")
        await life.live(seconds=1)
        assert life.output("by-chance")["error"]["code"] == "target_not_empty"

    with fresh_database(postgresql, f"{SCRATCH_PREFIX}chance") as taken:
        run_sql(postgresql, ["CREATE TABLE precious (a int)"], database=taken)
        live(scenario)
        assert rows(postgresql, "SELECT count(*) FROM precious", database=taken) == [(0,)]
