"""Databases that the API has stored, and what is done to them past the product."""

from typing import Any

from azure.appconfiguration import AzureAppConfigurationClient

from shared.config import store
from shared.settings import settings
from shared.storage.access import credential
from tests.api.bodies import new_database
from tests.api.client import Api


def created(api: Api, **fields: Any) -> str:
    """The id of a new database."""
    answer = api.post("/databases", new_database(**fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def configuration_client() -> AzureAppConfigurationClient:
    """App Configuration as an administrator of Azure reaches it, past the product."""
    return AzureAppConfigurationClient(settings().configuration_store, credential())


def move_to_another_tenant(id: str) -> None:
    """Makes a stored database another tenant's."""
    setting = store.read(f"databases:{id}")
    assert setting is not None
    document = setting.value.replace(settings().tenant_id, "22222222-2222-2222-2222-222222222222")
    assert store.write(f"databases:{id}", document, over=setting)
