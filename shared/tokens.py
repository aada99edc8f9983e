"""Who is calling: bearer tokens of Entra ID, verified here and nowhere else.

Two issuers and two audiences are accepted, both made from settings and never from the token: v2 tokens
(`{authority}/{tenant}/v2.0`, audience the client id) and v1 tokens (`https://sts.windows.net/{tenant}/`, audience
`api://{client id}`). Headers such as X-MS-CLIENT-PRINCIPAL are ignored: anybody can send them.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any

import jwt
from pydantic import BaseModel, ConfigDict

from shared.errors import ConfigurationUnavailable, Forbidden, Unauthenticated
from shared.settings import settings

LEEWAY_SECONDS = 120


class Role(StrEnum):
    """The app roles of the API."""

    READ = "Backup.Read"
    OPERATOR = "Backup.Operator"
    ADMIN = "Backup.Admin"


ALLOWS: dict[Role, frozenset[Role]] = {
    Role.READ: frozenset({Role.READ, Role.OPERATOR, Role.ADMIN}),
    Role.OPERATOR: frozenset({Role.OPERATOR, Role.ADMIN}),
    Role.ADMIN: frozenset({Role.ADMIN}),
}
"""A route that needs the role on the left is open to a caller with any of the roles on the right."""


NAMES = ("upn", "preferred_username", "email", "name", "appid", "azp")
"""The claims that may say who it is, best first; tokens of version 2 and of services have not all of them."""


class Caller(BaseModel):
    """The identity behind a request."""

    model_config = ConfigDict(frozen=True)

    id: str
    """The object id, stable for one person or service in one tenant."""
    tenant_id: str
    name: str
    roles: frozenset[Role]

    def must_have(self, role: Role) -> None:
        """Raises Forbidden unless one of the caller's roles opens what needs `role`."""
        if not self.roles & ALLOWS[role]:
            raise Forbidden(f"This needs the role {role}; the token of {self.name} has {sorted(self.roles) or 'none'}.")


@lru_cache(maxsize=4)
def _signing_keys(url: str) -> jwt.PyJWKClient:
    # A token with an unknown key id must not make us fetch the key set again and again: hence the cooldown.
    return jwt.PyJWKClient(url, lifespan=3600, timeout=5, cooldown_duration=60)


def caller_of(authorization: str | None) -> Caller:
    """The caller behind an Authorization header. Raises Unauthenticated for anything but a valid bearer token."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("Send `Authorization: Bearer <token>` with a token of Entra ID for this API.")
    claims = _verified_claims(token)
    return Caller(id=str(claims["oid"]), tenant_id=str(claims["tid"]), name=name_in(claims), roles=roles_in(claims))


def name_in(claims: Mapping[str, Any]) -> str:
    """How people know the caller; the object id where the claims say nothing better."""
    return str(next((claims[name] for name in NAMES if claims.get(name)), claims["oid"]))


def roles_in(claims: Mapping[str, Any]) -> frozenset[Role]:
    """The roles of ours that the claims name; none where `roles` is not a list of texts."""
    named = claims.get("roles")
    return frozenset(role for role in Role if isinstance(named, list) and role.value in named)


def _verified_claims(token: str) -> dict[str, Any]:
    configuration = settings()
    tenants = {configuration.tenant_id, *configuration.allowed_tenants}
    authority = configuration.azure_authority_host.rstrip("/")
    issuers = {issuer for tenant in tenants for issuer in _issuers(authority, tenant)}
    client = configuration.client_id
    keys = _signing_keys(f"{authority}/{configuration.tenant_id}/discovery/v2.0/keys")
    try:
        key = keys.get_signing_key_from_jwt(token)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=[client, f"api://{client}"],
            issuer=issuers,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "nbf", "iat", "iss", "aud", "tid", "oid"]},
        )
    except jwt.PyJWKClientConnectionError as failure:
        raise ConfigurationUnavailable(
            "Entra ID's signing keys cannot be read now; try again in a minute."
        ) from failure
    except jwt.PyJWTError as failure:
        raise Unauthenticated(f"The token was refused: {failure}.") from failure
    if claims["iss"] not in _issuers(authority, claims["tid"]):
        raise Unauthenticated("The token was refused: its tenant is not that of its issuer.")
    return claims


def _issuers(authority: str, tenant: str) -> set[str]:
    return {f"{authority}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"}
