import time
from collections.abc import Iterator

import httpx
import pytest
from azure.appconfiguration import AzureAppConfigurationClient, ConfigurationSetting
from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

VAULT, CONFIGURATION, AUTHORITY = "AZURE_KEYVAULT_URL", "AZURE_APPCONFIG_ENDPOINT", "AZURE_AUTHORITY_HOST"
UNKNOWN_PATH = "local/nothing-here"


@pytest.fixture(autouse=True)
def no_fault_afterwards(environment: dict[str, str], https: httpx.Client) -> Iterator[None]:
    yield
    for service in (VAULT, CONFIGURATION, AUTHORITY):
        https.put(f"{environment[service]}/local/faults", json={"count": 0}).raise_for_status()


def statuses(https: httpx.Client, url: str, count: int) -> list[int]:
    return [https.get(f"{url}/{UNKNOWN_PATH}").status_code for _ in range(count)]


def turn_on(https: httpx.Client, url: str, **fault: float) -> None:
    https.put(f"{url}/local/faults", json=fault).raise_for_status()


@pytest.mark.parametrize("service", [VAULT, CONFIGURATION, AUTHORITY])
@pytest.mark.parametrize("status", [429, 503])
def test_a_fault_answers_as_many_requests_as_it_was_planned_for(
    environment: dict[str, str], https: httpx.Client, service: str, status: int
) -> None:
    url = environment[service]
    usual = statuses(https, url, 1)

    turn_on(https, url, status=status, count=2)

    assert statuses(https, url, 4) == [status, status, *usual, *usual]


def test_the_vaults_client_waits_as_told_and_gets_through(
    environment: dict[str, str], https: httpx.Client, vault: SecretClient
) -> None:
    vault.set_secret("throttled", "value")
    turn_on(https, environment[VAULT], status=429, count=2, retry_after_seconds=0.15)

    begin = time.monotonic()

    assert vault.get_secret("throttled").value == "value"
    assert 0.3 <= time.monotonic() - begin < 2


def test_a_client_that_does_not_try_again_sees_the_fault(
    environment: dict[str, str], https: httpx.Client, credential: DefaultAzureCredential
) -> None:
    with AzureAppConfigurationClient(environment[CONFIGURATION], credential, retry_total=0) as client:
        client.set_configuration_setting(ConfigurationSetting(key="unavailable", value="x"))
        turn_on(https, environment[CONFIGURATION], status=503, count=1)

        with pytest.raises(HttpResponseError) as refused:
            client.get_configuration_setting("unavailable")

    assert refused.value.status_code == 503


def test_whole_seconds_are_told_in_the_standard_header(environment: dict[str, str], https: httpx.Client) -> None:
    turn_on(https, environment[VAULT], status=429, count=1, retry_after_seconds=7)

    answer = https.get(f"{environment[VAULT]}/{UNKNOWN_PATH}")

    assert answer.headers["retry-after"] == "7"
    assert "retry-after-ms" not in answer.headers


def test_a_fault_without_a_status_only_takes_time(environment: dict[str, str], https: httpx.Client) -> None:
    url = environment[CONFIGURATION]
    usual = statuses(https, url, 1)
    turn_on(https, url, count=1, latency_seconds=0.3)

    begin = time.monotonic()

    assert statuses(https, url, 1) == usual
    assert time.monotonic() - begin >= 0.3


@pytest.mark.parametrize("plan", ["", "[]", "{}", '{"count": 1, "status": 200}', '{"count": 1, "sleep": 3}'])
def test_a_plan_that_cannot_be_read_changes_nothing(
    environment: dict[str, str], https: httpx.Client, plan: str
) -> None:
    url = environment[VAULT]
    usual = statuses(https, url, 1)

    assert https.put(f"{url}/local/faults", content=plan).status_code == 400
    assert statuses(https, url, 1) == usual


def test_faults_are_planned_by_put_alone(environment: dict[str, str], https: httpx.Client) -> None:
    assert https.post(f"{environment[VAULT]}/local/faults", json={"count": 1}).status_code == 405
