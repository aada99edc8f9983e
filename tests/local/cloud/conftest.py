"""One local cloud for all tests here, and clients for it: the SDKs as the product uses them, and plain HTTPS."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from azure.appconfiguration import AzureAppConfigurationClient
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from local.cloud.cloud import LocalCloud
from tests.support.running_cloud import running_cloud, trusting


@pytest.fixture(scope="session")
def cloud_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def cloud(cloud_home: Path) -> Iterator[LocalCloud]:
    with running_cloud(cloud_home) as cloud:
        yield cloud


@pytest.fixture
def environment(cloud: LocalCloud) -> dict[str, str]:
    """The cloud's settings, which are also in the environment until the test ends."""
    os.environ.update(cloud.environment())
    return cloud.environment()


@pytest.fixture
def credential(environment: dict[str, str]) -> Iterator[DefaultAzureCredential]:
    credential = DefaultAzureCredential()
    with credential:
        yield credential


@pytest.fixture
def vault(environment: dict[str, str], credential: DefaultAzureCredential) -> Iterator[SecretClient]:
    with SecretClient(environment["AZURE_KEYVAULT_URL"], credential) as client:
        yield client


@pytest.fixture
def configuration(
    environment: dict[str, str], credential: DefaultAzureCredential
) -> Iterator[AzureAppConfigurationClient]:
    with AzureAppConfigurationClient(environment["AZURE_APPCONFIG_ENDPOINT"], credential) as client:
        yield client


@pytest.fixture
def https(cloud: LocalCloud) -> Iterator[httpx.Client]:
    with trusting(cloud) as client:
        yield client
