"""Key Vault through its unmodified SDK, and on the wire where the SDK hides what happens."""

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives.asymmetric import rsa

from local.cloud.cloud import LocalCloud
from tests.support.running_cloud import running_cloud, service_token, trusting


def inner_code(error: HttpResponseError) -> Any:
    assert error.error is not None
    return error.error.innererror["code"]


def resource_of(environment: dict[str, str]) -> str:
    """The audience of the vault's tokens: a parent domain of its own address, which is what clients insist on."""
    return environment["AZURE_KEYVAULT_URL"].replace("127.", "")


def vault_token(cloud: LocalCloud, **claims: Any) -> str:
    return service_token(cloud, **{"audience": resource_of(cloud.environment()), **claims})


@pytest.fixture
def url(environment: dict[str, str]) -> str:
    return environment["AZURE_KEYVAULT_URL"]


@pytest.fixture
def allowed(cloud: LocalCloud) -> dict[str, str]:
    """Headers that the vault lets in."""
    return {"Authorization": f"Bearer {vault_token(cloud)}"}


def test_a_secret_comes_back_as_it_was_set(vault: SecretClient, url: str) -> None:
    expires = datetime(2030, 1, 2, tzinfo=UTC)

    vault.set_secret(
        "db-shop-password",
        "pä🔑",
        content_type="text/plain",
        tags={"database": "shop"},
        expires_on=expires,
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
    )

    secret = vault.get_secret("db-shop-password")
    assert secret.value == "pä🔑"
    assert secret.properties.content_type == "text/plain"
    assert secret.properties.tags == {"database": "shop"}
    assert secret.properties.expires_on == expires
    assert secret.properties.vault_url == url
    assert secret.properties.recovery_level == "Recoverable+Purgeable"


def test_setting_again_makes_a_version_and_keeps_the_one_before(vault: SecretClient) -> None:
    first = vault.set_secret("versioned", "one")
    second = vault.set_secret("versioned", "two")

    assert vault.get_secret("versioned").value == "two"
    assert vault.get_secret("versioned", first.properties.version).value == "one"
    versions = [each.version for each in vault.list_properties_of_secret_versions("versioned")]
    assert versions == [first.properties.version, second.properties.version]


def test_names_are_the_same_in_upper_and_lower_case(vault: SecretClient) -> None:
    vault.set_secret("Mixed-Case", "value")

    assert vault.get_secret("mixed-case").value == "value"


def test_an_update_changes_attributes_and_never_the_value(vault: SecretClient) -> None:
    vault.set_secret("updated", "value", content_type="text/plain", tags={"a": "1"})

    vault.update_secret_properties("updated", tags={"a": "2"}, expires_on=datetime(2031, 1, 1, tzinfo=UTC))

    secret = vault.get_secret("updated")
    assert secret.value == "value"
    assert secret.properties.tags == {"a": "2"}
    assert secret.properties.content_type == "text/plain"
    assert secret.properties.expires_on == datetime(2031, 1, 1, tzinfo=UTC)


def test_a_disabled_secret_is_forbidden_until_it_is_enabled(vault: SecretClient) -> None:
    vault.set_secret("disabled", "value", enabled=False)

    with pytest.raises(HttpResponseError) as refused:
        vault.get_secret("disabled")
    assert refused.value.status_code == 403
    assert inner_code(refused.value) == "SecretDisabled"

    vault.update_secret_properties("disabled", enabled=True)
    assert vault.get_secret("disabled").value == "value"


def test_an_expired_secret_can_still_be_read(vault: SecretClient) -> None:
    vault.set_secret("expired", "value", expires_on=datetime(2020, 1, 1, tzinfo=UTC))

    assert vault.get_secret("expired").value == "value"


@pytest.mark.parametrize("version", [None, "0123456789abcdef0123456789abcdef"])
def test_an_unknown_secret_or_version_is_not_found(vault: SecretClient, version: str | None) -> None:
    if version is not None:
        vault.set_secret("unknown-version", "value")

    with pytest.raises(ResourceNotFoundError) as missing:
        vault.get_secret("unknown-version" if version else "unknown", version)
    assert missing.value.error is not None
    assert missing.value.error.code == "SecretNotFound"


@pytest.mark.parametrize("name", ["db-password-prod_website", "a.b", "ñ", "a" * 128], ids=str)
def test_a_name_with_anything_but_letters_digits_and_hyphens_is_refused(vault: SecretClient, name: str) -> None:
    with pytest.raises(HttpResponseError) as refused:
        vault.set_secret(name, "value")

    assert refused.value.status_code == 400
    assert refused.value.error is not None
    assert refused.value.error.code == "BadParameter"


def test_a_value_may_have_25_kilobytes_and_not_one_more(vault: SecretClient) -> None:
    vault.set_secret("large", "ñ" * (25 * 512))

    with pytest.raises(HttpResponseError) as refused:
        vault.set_secret("large", "ñ" * (25 * 512) + "x")
    assert refused.value.status_code == 400


def test_lists_come_in_pages_of_25_and_hold_no_values(vault: SecretClient) -> None:
    names = [f"listed-{number:03}" for number in range(30)]
    for name in names:
        vault.set_secret(name, "value that is not listed")
    vault.set_secret(names[0], "a newer version")

    pages = [list(page) for page in vault.list_properties_of_secrets().by_page()]

    assert max(len(page) for page in pages) == 25
    listed = [each.name for page in pages for each in page]
    assert [name for name in listed if name in names] == names
    assert not hasattr(pages[0][0], "value")


def test_pages_may_be_asked_for_smaller(vault: SecretClient) -> None:
    for value in ("1", "2", "3"):
        vault.set_secret("small-pages", value)

    pages = vault.list_properties_of_secret_versions("small-pages", max_page_size=2).by_page()

    assert [len(list(page)) for page in pages] == [2, 1]


def test_a_request_without_a_token_is_told_where_to_get_one(cloud: LocalCloud, url: str, https: httpx.Client) -> None:
    answer = https.get(f"{url}/secrets/any/")

    environment = cloud.environment()
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer authorization="{environment["AZURE_AUTHORITY_HOST"]}/{environment["AZURE_TENANT_ID"]}", '
        f'resource="{resource_of(environment)}"'
    )


@pytest.mark.parametrize(
    "claims",
    [
        {"audience": "https://vault.example.com"},
        {"audience": "https://appconfig.azure.com"},
        {"iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/"},
        {"lifetime_seconds": -1},
        {"nbf": int(time.time()) + 3600},
    ],
    ids=["audience", "another service", "tenant", "expired", "not yet"],
)
def test_a_token_for_something_else_is_refused(
    cloud: LocalCloud, url: str, https: httpx.Client, claims: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {vault_token(cloud, **claims)}"}

    answer = https.get(f"{url}/secrets/any/", headers=headers)

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_a_forged_token_is_refused(cloud: LocalCloud, url: str, https: httpx.Client) -> None:
    token = vault_token(cloud)
    claims = jwt.decode(token, options={"verify_signature": False})
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_id = jwt.get_unverified_header(token)["kid"]
    forged = [jwt.encode(claims, key, "RS256", headers={"kid": key_id}), jwt.encode(claims, "", "none"), "no token"]

    answers = [https.get(f"{url}/secrets", headers={"Authorization": f"Bearer {token}"}) for token in forged]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        "{}",
        '{"value": 7, "contentType": "canary"}',
        '{"value": "canary", "tags": ["canary"]}',
        '{"value": "canary", "attributes": {"enabled": "canary"}}',
        '{"value": "canary\\ud800"}',
    ],
)
def test_a_bad_body_is_refused_without_repeating_what_it_holds(
    url: str, https: httpx.Client, allowed: dict[str, str], body: str
) -> None:
    answer = https.put(f"{url}/secrets/bad-body", content=body, headers=allowed)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadParameter"
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["secrets?maxresults=26", "secrets?maxresults=0", "secrets?maxresults=x", "secrets/paged/versions?$skiptoken=x"],
)
def test_a_bad_page_is_refused(
    vault: SecretClient, url: str, https: httpx.Client, allowed: dict[str, str], query: str
) -> None:
    vault.set_secret("paged", "value")

    assert https.get(f"{url}/{query}", headers=allowed).status_code == 400


def test_secrets_outlive_a_restart_in_a_private_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("kept")
    with running_cloud(home) as cloud:
        url = cloud.environment()["AZURE_KEYVAULT_URL"]
        headers = {"Authorization": f"Bearer {vault_token(cloud)}"}
        with trusting(cloud) as client:
            client.put(f"{url}/secrets/kept", json={"value": "still here"}, headers=headers).raise_for_status()
        modes = {path.stat().st_mode & 0o777 for path in (home / "cloud").glob("key-vault.sqlite*")}

    with running_cloud(home) as cloud, trusting(cloud) as client:
        answer = client.get(f"{url}/secrets/kept", headers=headers)

    assert answer.json()["value"] == "still here"
    assert modes == {0o600}
