import ssl

import httpx
import jwt
import pytest
from azure.identity import DefaultAzureCredential
from jwt import PyJWKClient

from local.cloud.cloud import LocalCloud
from tests.support.running_cloud import running_cloud

STORAGE = "https://storage.azure.com"


def public_key(cloud: LocalCloud, token: str) -> jwt.PyJWK:
    """The signing key as the product finds it."""
    environment = cloud.environment()
    address = f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/discovery/v2.0/keys"
    context = ssl.create_default_context(cafile=cloud.ca_certificate)
    return PyJWKClient(address, ssl_context=context).get_signing_key_from_jwt(token)


def test_a_minted_token_is_one_of_a_person_for_the_api(cloud: LocalCloud) -> None:
    environment = cloud.environment()

    token = cloud.mint_token(roles=["Backup.Read"], name="Ana")

    issuer = f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/v2.0"
    key = public_key(cloud, token)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=environment["AZURE_CLIENT_ID"], issuer=issuer)
    assert claims["roles"] == ["Backup.Read"]
    assert claims["preferred_username"] == "Ana"
    assert claims["tid"] == environment["AZURE_TENANT_ID"]
    assert claims["ver"] == "2.0"
    assert claims["scp"] == "access_as_user"
    assert claims["exp"] - claims["iat"] == 3600


def test_a_person_keeps_the_same_object_id(cloud: LocalCloud) -> None:
    def object_id(name: str) -> object:
        token = cloud.mint_token(roles=[], name=name)
        return jwt.decode(token, options={"verify_signature": False})["oid"]

    assert object_id("Ana") == object_id("Ana")
    assert object_id("Ana") != object_id("Luis")


def test_claims_of_a_minted_token_can_be_made_wrong_on_purpose(cloud: LocalCloud) -> None:
    token = cloud.mint_token(roles=[], name="Ana", lifetime_seconds=-60, aud="somebody else")

    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["aud"] == "somebody else"
    assert claims["exp"] < claims["iat"]


def test_discovery_leads_to_the_keys_and_the_sign_in(cloud: LocalCloud, https: httpx.Client) -> None:
    environment = cloud.environment()
    issuer = f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/v2.0"

    document = https.get(f"{issuer}/.well-known/openid-configuration").json()

    assert document["issuer"] == issuer
    assert https.get(document["jwks_uri"]).json()["keys"][0]["kty"] == "RSA"
    assert document["token_endpoint"].startswith(environment["AZURE_AUTHORITY_HOST"])


def test_a_page_on_another_loopback_port_may_read_discovery(cloud: LocalCloud, https: httpx.Client) -> None:
    environment = cloud.environment()
    address = f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/discovery/v2.0/keys"

    ours = https.get(address, headers={"Origin": "http://127.0.0.1:7071"})
    foreign = https.get(address, headers={"Origin": "https://127.0.0.1.example.com"})

    assert ours.headers["access-control-allow-origin"] == "http://127.0.0.1:7071"
    assert "access-control-allow-origin" not in foreign.headers


def test_the_default_credential_gets_a_token_for_any_resource(
    cloud: LocalCloud, credential: DefaultAzureCredential
) -> None:
    token = credential.get_token(f"{STORAGE}/.default").token

    claims = jwt.decode(token, public_key(cloud, token), algorithms=["RS256"], audience=STORAGE)
    assert claims["iss"] == f"https://sts.windows.net/{cloud.environment()['AZURE_TENANT_ID']}/"


@pytest.mark.parametrize(
    ("header", "resource", "status"),
    [("right", "", 400), ("wrong", STORAGE, 401), ("", STORAGE, 401), ("ñ", STORAGE, 401)],
    ids=["no resource", "wrong header", "no header", "not ascii"],
)
def test_the_managed_identity_is_given_to_nobody_else(
    environment: dict[str, str], https: httpx.Client, header: str, resource: str, status: int
) -> None:
    secret = environment["IDENTITY_HEADER"] if header == "right" else header

    answer = https.get(
        environment["IDENTITY_ENDPOINT"],
        params={"resource": resource, "api-version": "2019-08-01"},
        headers={b"X-IDENTITY-HEADER": secret.encode()},
    )

    assert answer.status_code == status
    assert "access_token" not in answer.json()


def test_tokens_and_identifiers_outlive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("restarted")
    with running_cloud(home) as cloud:
        before = cloud.environment()
        token = cloud.mint_token(roles=["Backup.Read"], name="Ana")

    with running_cloud(home) as cloud:
        assert cloud.environment() == before
        key = public_key(cloud, token)
        assert jwt.decode(token, key, algorithms=["RS256"], audience=before["AZURE_CLIENT_ID"])
