"""Sign-in as MSAL does it, with a browser that fills in the form, and what must not work."""

import asyncio
import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import msal  # type: ignore[import-untyped] # ships no types
import pytest
from starlette.applications import Starlette

from local.cloud.cloud import LocalCloud
from local.cloud.sign_in import CODE_SECONDS, SignIn
from local.cloud.tokens import TokenIssuer, keep_tenant

# MSAL advises against what every single-page application has to use.
pytestmark = pytest.mark.filterwarnings("ignore:response_mode='form_post' is recommended")

DASHBOARD = "http://127.0.0.1:7071/dashboard"
VERIFIER = "a-verifier-that-is-long-enough-for-the-standard"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def endpoints(environment: dict[str, str]) -> str:
    return f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/oauth2/v2.0"


@pytest.fixture
def query(environment: dict[str, str]) -> dict[str, str]:
    """What a client sends to the authorize endpoint."""
    return {
        "client_id": environment["AZURE_CLIENT_ID"],
        "redirect_uri": DASHBOARD,
        "response_type": "code",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "scope": "openid offline_access",
        "state": "where I was",
        "nonce": "once",
    }


@pytest.fixture
def application(environment: dict[str, str]) -> msal.PublicClientApplication:
    authority = f"{environment['AZURE_AUTHORITY_HOST']}/{environment['AZURE_TENANT_ID']}/v2.0"
    return msal.PublicClientApplication(environment["AZURE_CLIENT_ID"], oidc_authority=authority)


def fill_in(https: httpx.Client, address: str, *, name: str, roles: list[str]) -> dict[str, str]:
    """Opens the form as a browser would, fills it in, and returns what the redirect brings back."""
    page = https.get(address)
    assert page.status_code == 200
    hidden = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text))
    answer = https.post(address.partition("?")[0], data={**hidden, "name": name, "roles": roles})
    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert answer.headers["location"].startswith(DASHBOARD)
    return {key: values[0] for key, values in parse_qs(target.query or target.fragment).items()}


def get_code(https: httpx.Client, endpoints: str, query: dict[str, str]) -> str:
    address = str(httpx.URL(f"{endpoints}/authorize", params=query))
    return fill_in(https, address, name="Ana", roles=["Backup.Read"])["code"]


def redeem(https: httpx.Client, endpoints: str, query: dict[str, str], **changes: str) -> httpx.Response:
    fields = {
        "grant_type": "authorization_code",
        "client_id": query["client_id"],
        "redirect_uri": DASHBOARD,
        "code_verifier": VERIFIER,
        **changes,
    }
    return https.post(f"{endpoints}/token", data=fields)


def test_msal_signs_in_with_the_name_and_roles_of_the_form(
    cloud: LocalCloud, application: msal.PublicClientApplication, https: httpx.Client
) -> None:
    flow = application.initiate_auth_code_flow(
        [f"api://{cloud.environment()['AZURE_CLIENT_ID']}/access_as_user"], redirect_uri=DASHBOARD
    )

    answer = fill_in(https, flow["auth_uri"], name="Ana", roles=["Backup.Read", "Backup.Operator"])
    result = application.acquire_token_by_auth_code_flow(flow, answer)

    assert result["id_token_claims"]["name"] == "Ana"
    claims = jwt.decode(result["access_token"], options={"verify_signature": False})
    assert claims["roles"] == ["Backup.Read", "Backup.Operator"]
    assert claims["aud"] == cloud.environment()["AZURE_CLIENT_ID"]


def test_msal_refreshes_the_token_without_asking_again(
    cloud: LocalCloud, application: msal.PublicClientApplication, https: httpx.Client
) -> None:
    scopes = [f"api://{cloud.environment()['AZURE_CLIENT_ID']}/access_as_user"]
    flow = application.initiate_auth_code_flow(scopes, redirect_uri=DASHBOARD)
    answer = fill_in(https, flow["auth_uri"], name="Ana", roles=["Backup.Admin"])
    application.acquire_token_by_auth_code_flow(flow, answer)

    (account,) = application.get_accounts()
    result = application.acquire_token_silent(scopes, account, force_refresh=True)

    assert result is not None
    claims = jwt.decode(result["access_token"], options={"verify_signature": False})
    assert claims["roles"] == ["Backup.Admin"]


def test_a_fragment_brings_the_code_back_when_it_is_asked_for(
    https: httpx.Client, endpoints: str, query: dict[str, str]
) -> None:
    form = {**query, "response_mode": "fragment", "name": "Ana"}

    answer = https.post(f"{endpoints}/authorize", data=form)

    target = urlsplit(answer.headers["location"])
    assert target.query == ""
    assert parse_qs(target.fragment)["state"] == ["where I was"]


def test_a_hidden_frame_is_told_that_somebody_must_sign_in(
    https: httpx.Client, endpoints: str, query: dict[str, str]
) -> None:
    del query["state"]

    answer = https.get(f"{endpoints}/authorize", params={**query, "prompt": "none"})

    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["login_required"]


def test_what_a_link_brings_into_the_form_stays_text(
    https: httpx.Client, endpoints: str, query: dict[str, str]
) -> None:
    page = https.get(f"{endpoints}/authorize", params={**query, "state": '"><script>alert(1)</script>'})

    assert "<script>" not in page.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "somebody else"},
        {"redirect_uri": "https://example.com/"},
        {"redirect_uri": "https://127.0.0.1.example.com/"},
        {"redirect_uri": "https://127.0.0.1@example.com/"},
        {"redirect_uri": "https://localhost\\.example.com/"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_code_is_given_for_a_request_that_entra_would_refuse(
    https: httpx.Client, endpoints: str, query: dict[str, str], wrong: dict[str, str], method: str
) -> None:
    fields = {**query, "name": "Ana", **wrong}

    if method == "GET":
        answer = https.get(f"{endpoints}/authorize", params=fields)
    else:
        answer = https.post(f"{endpoints}/authorize", data=fields)

    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_nobody_signs_in_without_a_name(https: httpx.Client, endpoints: str, query: dict[str, str]) -> None:
    assert https.post(f"{endpoints}/authorize", data=query).status_code == 400


def test_a_code_works_once(https: httpx.Client, endpoints: str, query: dict[str, str]) -> None:
    code = get_code(https, endpoints, query)

    assert redeem(https, endpoints, query, code=code).status_code == 200
    assert redeem(https, endpoints, query, code=code).json()["error"] == "invalid_grant"


def test_a_code_that_was_left_lying_is_worth_nothing(tmp_path: Path) -> None:
    clock = [1000.0]
    issuer = TokenIssuer(keep_tenant(tmp_path / "tenant.json"), "https://127.0.0.1:1")
    application = Starlette(routes=SignIn(issuer, lambda: clock[0]).routes("/oauth"))
    form = {
        "client_id": issuer.tenant.client_id,
        "redirect_uri": DASHBOARD,
        "response_type": "code",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "code_verifier": VERIFIER,
        "grant_type": "authorization_code",
        "name": "Ana",
    }

    async def redeem_late() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url=issuer.authority) as client:
            target = (await client.post("/oauth/authorize", data=form)).headers["location"]
            clock[0] += CODE_SECONDS + 1
            code = parse_qs(urlsplit(target).query)["code"][0]
            return await client.post("/oauth/token", data={**form, "code": code})

    assert asyncio.run(redeem_late()).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "another"}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:1/"}, "invalid_grant"),
        ({"client_id": "somebody else"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "made up"}, "invalid_grant"),
    ],
    ids=["verifier", "address", "client", "grant type", "refresh token"],
)
def test_no_token_is_given_for_a_code_that_does_not_fit(
    https: httpx.Client, endpoints: str, query: dict[str, str], changes: dict[str, str], error: str
) -> None:
    code = get_code(https, endpoints, query)

    answer = redeem(https, endpoints, query, **{"code": code, **changes})

    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_an_access_token_is_not_taken_for_a_refresh_token(
    cloud: LocalCloud, https: httpx.Client, endpoints: str, query: dict[str, str]
) -> None:
    token = cloud.mint_token(roles=["Backup.Admin"], name="Ana")

    answer = redeem(https, endpoints, query, grant_type="refresh_token", refresh_token=token)

    assert answer.json()["error"] == "invalid_grant"


def test_sign_out_leads_back_to_a_loopback_page_only(https: httpx.Client, endpoints: str) -> None:
    ours = https.get(f"{endpoints}/logout", params={"post_logout_redirect_uri": DASHBOARD})
    foreign = https.get(f"{endpoints}/logout", params={"post_logout_redirect_uri": "https://example.com/"})

    assert ours.headers["location"] == DASHBOARD
    assert foreign.status_code == 200
