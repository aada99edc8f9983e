"""The local Entra: OpenID discovery, the signing keys, and the managed identity endpoint of App Service."""

import hmac
import time

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.cloud.sign_in import LOOPBACK_ORIGIN, SignIn
from local.cloud.tokens import ALGORITHM, MANAGED_IDENTITY_SECONDS, TokenIssuer

MANAGED_IDENTITY_PATH = "/msi/token"


def identity_application(issuer: TokenIssuer) -> Starlette:
    """Everything under the authority's URL, as an ASGI application."""
    tenant = issuer.tenant.tenant_id
    endpoints = f"{issuer.authority}/{tenant}/oauth2/v2.0"

    async def discovery(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": issuer.issuer,
                "authorization_endpoint": f"{endpoints}/authorize",
                "token_endpoint": f"{endpoints}/token",
                "end_session_endpoint": f"{endpoints}/logout",
                "jwks_uri": f"{issuer.authority}/{tenant}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "token_endpoint_auth_methods_supported": ["none"],
            }
        )

    async def keys(_: Request) -> Response:
        return JSONResponse(issuer.key_set())

    async def managed_identity(request: Request) -> Response:
        return _managed_identity(issuer, request)

    routes = [
        Route(f"/{tenant}/v2.0/.well-known/openid-configuration", discovery),
        Route(f"/{tenant}/discovery/v2.0/keys", keys),
        Route(MANAGED_IDENTITY_PATH, managed_identity),
        *SignIn(issuer).routes(f"/{tenant}/oauth2/v2.0"),
    ]
    # A dashboard on another loopback port reads discovery and redeems its code here.
    browsers = Middleware(CORSMiddleware, allow_origin_regex=LOOPBACK_ORIGIN, allow_methods=["*"], allow_headers=["*"])
    return Starlette(routes=routes, middleware=[browsers])


def _managed_identity(issuer: TokenIssuer, request: Request) -> Response:
    secret = request.headers.get("x-identity-header", "")
    if not hmac.compare_digest(secret.encode(), issuer.tenant.identity_secret.encode()):
        return JSONResponse({"statusCode": 401, "message": "X-IDENTITY-HEADER is missing or wrong."}, 401)
    resource = request.query_params.get("resource")
    if not resource:
        return JSONResponse({"statusCode": 400, "message": "The query parameter resource is missing."}, 400)
    client_id = request.query_params.get("client_id", issuer.tenant.client_id)
    return JSONResponse(
        {
            "access_token": issuer.managed_identity_token(resource, client_id),
            "expires_on": str(int(time.time()) + MANAGED_IDENTITY_SECONDS),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": client_id,
        }
    )
