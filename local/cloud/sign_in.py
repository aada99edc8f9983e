"""Sign-in in the browser: the authorization code flow with PKCE (RFC 6749, RFC 7636), and refresh tokens.

There are no passwords: a form asks for a name and the roles to have. Codes and tokens go to loopback pages only.
"""

import base64
import hashlib
import html
import json
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

import jwt
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local.cloud.tokens import TokenIssuer

ROLES = ("Backup.Admin", "Backup.Operator", "Backup.Read")
LOOPBACK_ORIGIN = r"https?://(127\.0\.0\.1|localhost)(:\d+)?"
CODE_SECONDS = 300
ACCESS_SECONDS = 3600
REFRESH_SECONDS = 24 * 3600  # Entra's for single-page applications
REFRESH_AUDIENCE = "urn:local:refresh"

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Local sign-in</title>
<style>body{{font:16px system-ui;max-width:24em;margin:4em auto}}label{{display:block;margin:.5em 0}}</style>
<h1>Local sign-in</h1>
<form method="post">{hidden}
<label>Name <input name="name" value="Local Admin" required></label>
{roles}
<button>Sign in</button></form></html>"""

# What brings an answer to a page by POST, as the Azure SDKs want it: a form that the browser sends by itself.
HAND_OVER = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Signed in</title>
<form method="post" action="{address}">{hidden}<noscript><button>Continue</button></noscript></form>
<script>document.forms[0].submit()</script></html>"""


@dataclass(frozen=True)
class Grant:
    """Who signed in, and what the code that stands for it may be redeemed with."""

    name: str
    roles: Sequence[str]
    redirect_uri: str
    code_challenge: str
    nonce: str | None
    scope: str
    expires: float  # Unix time


class SignIn:
    """The browser's endpoints. Codes live in memory: a restart in the middle means to sign in again.

    now gives the Unix time by which codes expire.
    """

    def __init__(self, issuer: TokenIssuer, now: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._now = now
        self._grants: dict[str, Grant] = {}

    def routes(self, prefix: str) -> list[Route]:
        """authorize, token and logout under prefix."""
        return [
            Route(f"{prefix}/authorize", self._ask, methods=["GET"]),
            Route(f"{prefix}/authorize", self._grant, methods=["POST"]),
            Route(f"{prefix}/token", self._token, methods=["POST"]),
            Route(f"{prefix}/logout", self._sign_out, methods=["GET"]),
        ]

    async def _ask(self, request: Request) -> Response:
        query = dict(request.query_params)
        refusal = self._refusal(query)
        if refusal is not None:
            return refusal
        if query.get("prompt") == "none":  # a hidden frame, where nobody could fill in a form
            return _send_back(query, {"error": "login_required", "error_description": "Sign in first."})
        hidden = _hidden_inputs({key: value for key, value in query.items() if key not in ("name", "roles")})
        roles = "".join(
            f'<label><input type="checkbox" name="roles" value="{role}"{" checked" if role == ROLES[0] else ""}> '
            f"{role}</label>"
            for role in ROLES
        )
        return HTMLResponse(PAGE.format(hidden=hidden, roles=roles))

    async def _grant(self, request: Request) -> Response:
        form = await _form(request)
        fields = {key: values[0] for key, values in form.items()}
        refusal = self._refusal(fields)
        if refusal is not None:
            return refusal
        if not fields.get("name"):
            return HTMLResponse("A name is needed to sign in.", 400)
        now = self._now()
        self._grants = {code: grant for code, grant in self._grants.items() if grant.expires > now}
        code = secrets.token_urlsafe(32)
        self._grants[code] = Grant(
            name=fields["name"],
            roles=form.get("roles", []),
            redirect_uri=fields["redirect_uri"],
            code_challenge=fields["code_challenge"],
            nonce=fields.get("nonce"),
            scope=fields.get("scope", "openid"),
            expires=now + CODE_SECONDS,
        )
        return _send_back(fields, {"code": code, "client_info": self._client_info(fields["name"])})

    def _refusal(self, query: Mapping[str, str]) -> Response | None:
        """Why no code may be given, as a page: an address that is not ours to send to is never redirected to."""
        if query.get("client_id") != self._issuer.tenant.client_id:
            return HTMLResponse("client_id is not that of this local application.", 400)
        if not _is_loopback(query.get("redirect_uri", "")):
            return HTMLResponse("redirect_uri must be a page on 127.0.0.1 or localhost.", 400)
        if query.get("response_type") != "code":
            return HTMLResponse("response_type must be code.", 400)
        if query.get("code_challenge_method") != "S256" or not query.get("code_challenge"):
            return HTMLResponse("A code_challenge with the method S256 is needed.", 400)
        return None

    async def _token(self, request: Request) -> Response:
        fields = {key: values[0] for key, values in (await _form(request)).items()}
        if fields.get("client_id") != self._issuer.tenant.client_id:
            return _token_error("invalid_client", "client_id is not that of this local application.")
        match fields.get("grant_type"):
            case "authorization_code":
                return self._redeem_code(fields)
            case "refresh_token":
                return self._refresh(fields)
            case _:
                return _token_error("unsupported_grant_type", "Use authorization_code or refresh_token.")

    def _redeem_code(self, fields: Mapping[str, str]) -> Response:
        grant = self._grants.pop(fields.get("code", ""), None)
        if grant is None or grant.expires < self._now():
            return _token_error("invalid_grant", "The code is unknown, used or expired.")
        if fields.get("redirect_uri") != grant.redirect_uri:
            return _token_error("invalid_grant", "redirect_uri differs from the one the code was sent to.")
        challenge = _base64url(hashlib.sha256(fields.get("code_verifier", "").encode()).digest())
        if not secrets.compare_digest(challenge.encode(), grant.code_challenge.encode()):
            return _token_error("invalid_grant", "code_verifier does not fit the code_challenge.")
        return self._tokens(grant.name, grant.roles, grant.scope, grant.nonce)

    def _refresh(self, fields: Mapping[str, str]) -> Response:
        issuer = self._issuer
        try:
            claims = issuer.check(fields.get("refresh_token", ""), audiences=[REFRESH_AUDIENCE], issuer=issuer.issuer)
        except jwt.InvalidTokenError:
            return _token_error("invalid_grant", "The refresh token is not valid any more: sign in again.")
        return self._tokens(claims["name"], claims["roles"], claims["scope"], nonce=None)

    def _tokens(self, name: str, roles: Sequence[str], scope: str, nonce: str | None) -> Response:
        issuer = self._issuer
        person = issuer.person(roles, name)
        refresh = {**person, "aud": REFRESH_AUDIENCE, "scope": scope}
        id_claims = person if nonce is None else {**person, "nonce": nonce}
        return JSONResponse(
            {
                "token_type": "Bearer",
                "scope": scope,
                "expires_in": ACCESS_SECONDS,
                "ext_expires_in": ACCESS_SECONDS,
                "access_token": issuer.api_token(roles=roles, name=name, lifetime_seconds=ACCESS_SECONDS),
                "id_token": issuer.sign(id_claims, ACCESS_SECONDS),
                "refresh_token": issuer.sign(refresh, REFRESH_SECONDS),
                "client_info": self._client_info(name),
            },
            headers={"Cache-Control": "no-store"},
        )

    async def _sign_out(self, request: Request) -> Response:
        target = request.query_params.get("post_logout_redirect_uri", "")
        if _is_loopback(target):
            return RedirectResponse(target, 303)
        return HTMLResponse("You are signed out.")

    def _client_info(self, name: str) -> str:
        """How MSAL tells accounts apart."""
        info = {"uid": self._issuer.object_id(name), "utid": self._issuer.tenant.tenant_id}
        return _base64url(json.dumps(info).encode())


def _send_back(query: Mapping[str, str], answer: Mapping[str, str]) -> Response:
    if "state" in query:
        answer = {**answer, "state": query["state"]}
    address = query["redirect_uri"]
    match query.get("response_mode"):
        case "form_post":
            return HTMLResponse(HAND_OVER.format(address=html.escape(address), hidden=_hidden_inputs(answer)))
        case "fragment":
            return RedirectResponse(f"{address}#{urlencode(answer)}", 303)
        case _:
            return RedirectResponse(f"{address}?{urlencode(answer)}", 303)


def _hidden_inputs(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )


def _is_loopback(url: str) -> bool:
    return re.fullmatch(LOOPBACK_ORIGIN + r"(/[^?#\\]*)?", url) is not None


async def _form(request: Request) -> dict[str, list[str]]:
    return parse_qs((await request.body()).decode(errors="replace"))


def _token_error(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, 400)


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
