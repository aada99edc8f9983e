import asyncio
import os
import signal
import stat
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
from starlette.applications import Starlette

from local.cloud.azurite import AzuriteFailed
from local.cloud.cloud import LocalCloud, stop_together
from local.cloud.ports import kept_ports, listen
from local.cloud.server import LoopbackServer
from tests.support.running_cloud import running_cloud, trusting


def test_everything_it_keeps_is_for_its_owner_alone(cloud: LocalCloud, cloud_home: Path) -> None:
    folder = cloud_home / "cloud"

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    open_to_others = [path for path in folder.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []


def test_its_settings_are_those_that_the_product_reads(cloud: LocalCloud) -> None:
    environment = cloud.environment()

    assert environment.keys() == {
        "AZURE_APPCONFIG_ENDPOINT",
        "AZURE_AUTHORITY_HOST",
        "AZURE_CLIENT_ID",
        "AZURE_KEYVAULT_URL",
        "AZURE_TENANT_ID",
        "BACKUP_STORAGE_ACCOUNT",
        "BACKUP_TABLES_ACCOUNT",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "no_proxy",
    }
    assert all(value.startswith("https://127.0.0.1:") for value in environment.values() if "://" in value)


def test_a_proxy_for_the_rest_of_the_world_is_not_asked(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with listen(None) as nobody_answers:
        proxy = f"http://127.0.0.1:{nobody_answers.getsockname()[1]}"
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.setenv("NO_PROXY", "example.com")
        os.environ.update(cloud.environment())

        credential = DefaultAzureCredential(retry_total=0)
        with credential, SecretClient(os.environ["AZURE_KEYVAULT_URL"], credential, retry_total=0) as vault:
            vault.set_secret("not-by-proxy", "value")

        assert os.environ["NO_PROXY"] == "example.com,127.0.0.1,localhost"


def test_a_part_that_fails_does_not_keep_another_running(cloud: LocalCloud, cloud_home: Path) -> None:
    async def stop() -> None:
        with listen(None) as first, listen(None) as second:
            failing = LoopbackServer(Starlette(), first, cloud_home / "no-such-certificate")
            running = LoopbackServer(Starlette(), second, cloud_home / "cloud" / "server.pem")
            with pytest.raises(FileNotFoundError):
                await failing.start()
            await running.start()

            with pytest.raises(FileNotFoundError):
                await stop_together([failing, running])
            assert second.fileno() == -1

    asyncio.run(stop())


def test_a_taken_port_is_replaced_and_the_new_one_kept(tmp_path: Path) -> None:
    with running_cloud(tmp_path):
        before = kept_ports(tmp_path / "cloud" / "ports.json")

    with listen(before["key_vault"]) as taken:
        taken.listen()
        with running_cloud(tmp_path) as cloud, trusting(cloud) as client:
            after = kept_ports(tmp_path / "cloud" / "ports.json")
            assert client.get(f"{cloud.environment()['AZURE_KEYVAULT_URL']}/secrets").status_code == 401

    assert {name for name in after if after[name] != before[name]} == {"key_vault"}


def test_it_can_be_started_again_after_a_stop(tmp_path: Path) -> None:
    async def start_twice() -> None:
        cloud = LocalCloud(tmp_path)
        for _ in range(2):
            await cloud.start()
            await cloud.stop()
        await cloud.stop()

    asyncio.run(start_twice())


def test_a_start_that_fails_leaves_nothing_listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_cloud(tmp_path) as cloud:
        environment = cloud.environment()
    monkeypatch.setenv("PATH", str(tmp_path))  # no Node

    with pytest.raises(AzuriteFailed):
        asyncio.run(LocalCloud(tmp_path).start())

    for name in ("AZURE_AUTHORITY_HOST", "AZURE_KEYVAULT_URL", "AZURE_APPCONFIG_ENDPOINT"):
        with listen(httpx.URL(environment[name]).port) as listener:
            assert listener.getsockname()[1] == httpx.URL(environment[name]).port


def test_the_signals_of_the_process_stay_the_hosts(tmp_path: Path) -> None:
    async def handlers() -> tuple[object, object]:
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        cloud = LocalCloud(tmp_path)
        await cloud.start()
        during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        await cloud.stop()
        return before, during

    before, during = asyncio.run(handlers())

    assert during == before


def test_a_stop_takes_little_time_though_clients_keep_their_connections(tmp_path: Path) -> None:
    with ExitStack() as clients:
        with running_cloud(tmp_path) as cloud:
            client = clients.enter_context(trusting(cloud))
            for name in ("AZURE_AUTHORITY_HOST", "AZURE_KEYVAULT_URL", "BACKUP_STORAGE_ACCOUNT"):
                client.get(cloud.environment()[name])
            begin = time.monotonic()

        assert time.monotonic() - begin < 3
