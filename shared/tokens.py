"""Who is calling: bearer tokens of Entra ID, verified here and nowhere else.

Two issuers and two audiences are accepted, both made from settings and never from the token: v2 tokens
(`{authority}/{tenant}/v2.0`, audience the client id) and v1 tokens (`https://sts.windows.net/{tenant}/`, audience
`api://{client id}`). Headers such as X-MS-CLIENT-PRINCIPAL are ignored: anybody can send them.
"""

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
    known = {role.value for role in Role}
    roles = frozenset(Role(role) for role in claims.get("roles", ()) if role in known)
    shown = claims.get("preferred_username") or claims.get("upn") or claims.get("name") or claims.get("appid")
    return Caller(id=str(claims["oid"]), tenant_id=str(claims["tid"]), name=str(shown or claims["oid"]), roles=roles)


def _verified_claims(token: str) -> dict[str, Any]:
    configuration = settings()
    tenants = {configuration.tenant_id, *configuration.allowed_tenants}
    authority = configuration.azure_authority_host.rstrip("/")
    issuers = {f"{authority}/{tenant}/v2.0" for tenant in tenants}
    issuers |= {f"https://sts.windows.net/{tenant}/" for tenant in tenants}
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
    if claims["tid"] not in tenants:
        raise Unauthenticated("The token was refused: its tenant is not allowed here.")
    return claims
