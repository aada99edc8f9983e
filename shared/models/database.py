"""What is protected: a database, its server, and the policy for its backups. No secret is in any of these."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from shared.models import Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DatabaseType(StrEnum):
    """The kinds of database, as written in configuration."""

    MYSQL_FLEXIBLE = "mysql-flexible"
    MYSQL_VM = "mysql-vm"
    POSTGRESQL_AZURE = "postgresql-azure"
    POSTGRESQL_VM = "postgresql-vm"
    AZURE_SQL_DB = "azure-sql-db"
    AZURE_SQL_MI = "azure-sql-mi"
    SQLSERVER_VM = "sqlserver-vm"


class SslMode(StrEnum):
    """How the connection to a server is protected; each includes what the one before it proves."""

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class Rung(StrEnum):
    """The rungs of the verification ladder, lowest first."""

    STORED = "stored"
    READABLE = "readable"
    COMPLETE = "complete"
    RESTORED = "restored"

    @property
    def height(self) -> int:
        """0 for the lowest rung."""
        return list(Rung).index(self)


class Server(Value):
    """Where a database lives and who logs in; the password stays in Key Vault under `secret_slug`."""

    type: DatabaseType
    host: str
    port: int
    username: str
    ssl_mode: SslMode = SslMode.VERIFY_FULL
    secret_slug: str
    """The secrets are `{secret_slug}-username` and `{secret_slug}-password`."""


class Verification(Value):
    """What a backup must prove before it counts as completed, and where a restore may be tried."""

    rung: Rung = Rung.READABLE
    target_id: str | None = None


class DatabaseConfig(Value):
    """One protected database: the document at `databases:{id}` in App Configuration."""

    id: str
    tenant_id: str
    name: str
    """Free text for people."""
    type: DatabaseType
    host: str
    port: int
    username: str
    ssl_mode: SslMode = SslMode.VERIFY_FULL
    database: str
    """The database's name on its server: free text within the engine's limits."""
    frequency: str | None = "1d"
    """`<n>m|h|d|w` from 15m up; None where `schedule` is set."""
    schedule: str | None = None
    """A cron expression of 5 fields, or 6 with seconds 0."""
    time_zone: str = "UTC"
    """The IANA zone in which `schedule` is read."""
    starts_at: AwareDatetime | None = None
    """The anchor of the due times; by default `created_at`."""
    created_at: AwareDatetime = EPOCH
    storage_container: str
    retention_days: Annotated[int, Field(ge=1, le=365)] = 30
    compress: bool = True
    enabled: bool = True
    notification_enabled: bool = True
    tags: tuple[str, ...] = ()
    verification: Verification = Verification()
    options: tuple[str, ...] = ()
    """Extra options of the dump tool, each from the engine's allow-list."""

    @property
    def secret_slug(self) -> str:
        """The stem of the two secrets' names; ids have no hyphen, so it is one to one."""
        return f"db-{self.id.replace('_', '-')}"

    @property
    def server(self) -> Server:
        """The server part, as the engines want it."""
        return _server_of(self)


class TargetConfig(Value):
    """A server that restores and verification may use: the document at `targets:{id}`."""

    id: str
    tenant_id: str
    name: str
    type: DatabaseType
    host: str
    port: int
    username: str
    ssl_mode: SslMode = SslMode.VERIFY_FULL
    created_at: AwareDatetime = EPOCH

    @property
    def secret_slug(self) -> str:
        """The stem of the two secrets' names."""
        return f"target-{self.id.replace('_', '-')}"

    @property
    def server(self) -> Server:
        """The server part, as the engines want it."""
        return _server_of(self)


def _server_of(config: DatabaseConfig | TargetConfig) -> Server:
    return Server(
        type=config.type,
        host=config.host,
        port=config.port,
        username=config.username,
        ssl_mode=config.ssl_mode,
        secret_slug=config.secret_slug,
    )
