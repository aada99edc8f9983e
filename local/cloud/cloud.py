"""The whole local cloud: identity, Key Vault, App Configuration and storage, started and stopped together."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from local.cloud.app_configuration import app_configuration_application
from local.cloud.authority import certificate_paths, ensure_certificates
from local.cloud.azurite import ACCOUNT, Azurite, AzuritePorts
from local.cloud.faults import FaultSwitch
from local.cloud.identity import MANAGED_IDENTITY_PATH, identity_application
from local.cloud.key_vault import key_vault_application
from local.cloud.ports import keep_ports, kept_ports, listen
from local.cloud.private_file import make_private_folder
from local.cloud.secret_store import SecretStore
from local.cloud.server import LoopbackServer
from local.cloud.setting_store import SettingStore
from local.cloud.tokens import TokenIssuer, keep_tenant

OUR_SERVICES = ("identity", "key_vault", "app_configuration")


class LocalCloud:
    """Azure's services for one host; all they keep lies in home/cloud, which only the owner may read.

    start and stop may follow each other; one host at a time per home (the host's lock sees to that).
    """

    def __init__(self, home: Path) -> None:
        self._folder = home.absolute() / "cloud"
        self._certificates = certificate_paths(self._folder)
        self._ports: Mapping[str, int] = {}
        self._issuer: TokenIssuer | None = None
        self._running = AsyncExitStack()

    @property
    def ca_certificate(self) -> Path:
        """The public certificate of the local authority (PEM): what a browser has to trust. There after start."""
        return self._certificates.authority

    async def start(self) -> None:
        """Returns when every service answers. Raises AzuriteFailed; whatever had started is then stopped again."""
        make_private_folder(self._folder)
        ensure_certificates(self._folder, datetime.now(UTC))
        kept = kept_ports(self._folder / "ports.json")
        async with AsyncExitStack() as starting:
            listeners = {name: starting.enter_context(listen(kept.get(name))) for name in OUR_SERVICES}
            ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
            issuer = TokenIssuer(keep_tenant(self._folder / "tenant.json"), _url(ports["identity"]))
            applications = self._applications(issuer, ports["key_vault"], starting)

            parts: list[LoopbackServer | Azurite] = []
            starting.push_async_callback(stop_together, parts)
            for name, application in applications.items():
                server = LoopbackServer(FaultSwitch(application), listeners[name], self._certificates.server)
                parts.append(server)
                await server.start()
            azurite = Azurite(
                make_private_folder(self._folder / "azurite"), self._certificates.server, self._certificates.authority
            )
            parts.append(azurite)
            storage = await azurite.start(_kept_storage(kept))

            self._ports = {**ports, "blob": storage.blob, "queue": storage.queue, "table": storage.table}
            keep_ports(self._folder / "ports.json", self._ports)
            self._issuer = issuer
            self._running = starting.pop_all()

    async def stop(self) -> None:
        """Stops everything and leaves no process; harmless when nothing runs."""
        await self._running.aclose()

    def environment(self) -> dict[str, str]:
        """The settings an app in Azure would have, for this cloud; it must have been started."""
        issuer = self._started()
        bundle = str(self._certificates.bundle)
        # A proxy for the rest of the world cannot reach this machine's loopback addresses.
        already = [name for name in os.environ.get("NO_PROXY", "").split(",") if name]
        direct = ",".join(dict.fromkeys([*already, "127.0.0.1", "localhost"]))
        return {
            "AZURE_TENANT_ID": issuer.tenant.tenant_id,
            "AZURE_CLIENT_ID": issuer.tenant.client_id,
            "AZURE_AUTHORITY_HOST": issuer.authority,
            "IDENTITY_ENDPOINT": f"{issuer.authority}{MANAGED_IDENTITY_PATH}",
            "IDENTITY_HEADER": issuer.tenant.identity_secret,
            "AZURE_KEYVAULT_URL": _url(self._ports["key_vault"]),
            "AZURE_APPCONFIG_ENDPOINT": _url(self._ports["app_configuration"]),
            "BACKUP_STORAGE_ACCOUNT": f"{_url(self._ports['blob'])}/{ACCOUNT}",
            "BACKUP_TABLES_ACCOUNT": f"{_url(self._ports['table'])}/{ACCOUNT}",
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
            "NO_PROXY": direct,
            "no_proxy": direct,
        }

    def mint_token(self, *, roles: Sequence[str], name: str, lifetime_seconds: int = 3600, **claims: Any) -> str:
        """A token for the application's API, as the person called name would bring it; claims win over the usual."""
        return self._started().api_token(roles=roles, name=name, lifetime_seconds=lifetime_seconds, **claims)

    def _applications(self, issuer: TokenIssuer, key_vault_port: int, starting: AsyncExitStack) -> dict[str, ASGIApp]:
        """What each of OUR_SERVICES serves; starting closes the files behind them."""
        secrets = SecretStore(self._folder / "key-vault.sqlite")
        starting.callback(secrets.close)
        settings = SettingStore(self._folder / "app-configuration.sqlite")
        starting.callback(settings.close)
        return {
            "identity": identity_application(issuer),
            "key_vault": key_vault_application(secrets, issuer, key_vault_port),
            "app_configuration": app_configuration_application(settings, issuer),
        }

    def _started(self) -> TokenIssuer:
        assert self._issuer is not None, "start the local cloud first"
        return self._issuer


async def stop_together(parts: Sequence[LoopbackServer | Azurite]) -> None:
    """Stops all of parts at once; one that fails does not keep the others running."""
    outcomes = await asyncio.gather(*(part.stop() for part in parts), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _url(port: int) -> str:
    return f"https://127.0.0.1:{port}"


def _kept_storage(kept: Mapping[str, int]) -> AzuritePorts | None:
    if "blob" not in kept:
        return None
    return AzuritePorts(kept["blob"], kept["queue"], kept["table"])
