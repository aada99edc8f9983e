"""Sign-in as the Azure SDK and its MSAL do it, with a browser that fills in the form, and what must not work."""

import asyncio
import base64
import hashlib
import html
import re
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from azure.identity import InteractiveBrowserCredential
from starlette.applications import Starlette

from local.cloud.cloud import LocalCloud
from local.cloud.sign_in import CODE_SECONDS, SignIn
from local.cloud.tokens import TokenIssuer, keep_tenant

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


def hidden_inputs(page: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in re.findall(r'"hidden" name="([^"]*)" value="([^"]*)"', page)}


def fill_in(https: httpx.Client, address: str, *, name: str, roles: list[str]) -> httpx.Response:
    """Opens the form as a browser would, fills it in, and returns what comes then."""
    page = https.get(address)
    assert page.status_code == 200
    return https.post(address.partition("?")[0], data={**hidden_inputs(page.text), "name": name, "roles": roles})


class Browser:
    """What a person and their browser do when an SDK opens the sign-in page."""

    def __init__(self, https: httpx.Client, roles: list[str]) -> None:
        self._https = https
        self._roles = roles
        self._thread: threading.Thread | None = None

    def open(self, address: str) -> bool:
        self._thread = threading.Thread(target=self._sign_in, args=(address,))
        self._thread.start()
        return True

    def _sign_in(self, address: str) -> None:
        page = fill_in(self._https, address, name="Ana", roles=self._roles).text
        (target,) = re.findall(r'action="([^"]*)"', page)
        self._https.post(html.unescape(target), data=hidden_inputs(page))

    def close(self) -> None:
        assert self._thread is not None
        self._thread.join()


def get_code(https: httpx.Client, endpoints: str, query: dict[str, str]) -> str:
    address = str(httpx.URL(f"{endpoints}/authorize", params=query))
    target = fill_in(https, address, name="Ana", roles=["Backup.Read"]).headers["location"]
    return parse_qs(urlsplit(target).query)["code"][0]


def redeem(https: httpx.Client, endpoints: str, query: dict[str, str], **changes: str) -> httpx.Response:
    fields = {
        "grant_type": "authorization_code",
        "client_id": query["client_id"],
        "redirect_uri": DASHBOARD,
        "code_verifier": VERIFIER,
        **changes,
    }
    return https.post(f"{endpoints}/token", data=fields)


def test_the_azure_sdk_signs_in_by_browser_and_refreshes_without_asking_again(
    environment: dict[str, str], https: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(https, ["Backup.Read", "Backup.Operator"])
    monkeypatch.setattr("webbrowser.open", browser.open)
    scope = f"api://{environment['AZURE_CLIENT_ID']}/access_as_user"

    with InteractiveBrowserCredential(
        tenant_id=environment["AZURE_TENANT_ID"],
        client_id=environment["AZURE_CLIENT_ID"],
        disable_instance_discovery=True,
    ) as credential:
        account = credential.authenticate(scopes=[scope])
        browser.close()
        # Claims make it ask for a new token, which it may do with the refresh token only.
        token = credential.get_token(scope, claims='{"access_token": {}}').token

    assert account.username == "Ana"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["roles"] == ["Backup.Read", "Backup.Operator"]
    assert claims["aud"] == environment["AZURE_CLIENT_ID"]


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
