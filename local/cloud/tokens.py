"""Who this local tenant is, and the tokens it signs and checks: Entra's, in shape and in claims."""

import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from local.cloud.private_file import write_private_file

ALGORITHM = "RS256"
MANAGED_IDENTITY_SECONDS = 24 * 3600  # as on App Service

Claims = dict[str, Any]  # a seam: whatever JSON a token holds


@dataclass(frozen=True)
class Tenant:
    """The tenant's identifiers and its signing key, kept so that tokens outlive a restart."""

    tenant_id: str
    client_id: str  # of the application's registration: the audience of its API
    identity_secret: str  # what a caller of the managed identity endpoint must know
    key: rsa.RSAPrivateKey


def keep_tenant(path: Path) -> Tenant:
    """The tenant kept at path, made on first use."""
    if not path.exists():
        _make_tenant(path)
    kept = json.loads(path.read_text())
    key = load_pem_private_key(kept["key"].encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey), f"{path} was not written by the local tenant"
    return Tenant(kept["tenant_id"], kept["client_id"], kept["identity_secret"], key)


def _make_tenant(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    content = {
        "tenant_id": str(uuid.uuid4()),
        "client_id": str(uuid.uuid4()),
        "identity_secret": secrets.token_urlsafe(32),
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }
    write_private_file(path, json.dumps(content, indent=2).encode())


class TokenIssuer:
    """Signs tokens as the tenant; authority is the https URL where its sign-in is served, without a trailing slash."""

    def __init__(self, tenant: Tenant, authority: str) -> None:
        self.tenant = tenant
        self.authority = authority
        self.issuer = f"{authority}/{tenant.tenant_id}/v2.0"
        # Storage, Key Vault and App Configuration take tokens of the older endpoint, whose issuer is the same for all.
        self.service_issuer = f"https://sts.windows.net/{tenant.tenant_id}/"
        self._public_key = tenant.key.public_key()
        public = self._public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._key_id = hashlib.sha256(public).hexdigest()[:32]

    def key_set(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """The public key as a JSON Web Key Set."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._public_key, as_dict=True)
        return {"keys": [{**key, "use": "sig", "alg": ALGORITHM, "kid": self._key_id, "issuer": self.issuer}]}

    def sign(self, claims: Claims, lifetime_seconds: int) -> str:
        """A token of claims that begins now; claims win over the times and the tenant set here."""
        now = int(time.time())
        times = {"iat": now, "nbf": now, "exp": now + lifetime_seconds, "tid": self.tenant.tenant_id}
        return jwt.encode({**times, **claims}, self.tenant.key, ALGORITHM, headers={"kid": self._key_id})

    def check(self, token: str, *, audiences: Collection[str], issuer: str) -> Claims:
        """The claims of token. Raises jwt.InvalidTokenError when signature, audience, issuer or times are wrong."""
        required = ["exp", "nbf", "iat", "iss", "aud"]
        claims: Claims = jwt.decode(
            token,
            self._public_key,
            algorithms=[ALGORITHM],
            audience=list(audiences),
            issuer=issuer,
            options={"require": required},
        )
        return claims

    def api_token(self, *, roles: Sequence[str], name: str, lifetime_seconds: int, **claims: Any) -> str:
        """A token that lets the person called name call the application's API in these roles."""
        return self.sign({**self.person(roles, name), "scp": "access_as_user", **claims}, lifetime_seconds)

    def person(self, roles: Sequence[str], name: str) -> Claims:
        """What every token for the application says about the person called name, who keeps the same object id."""
        object_id = self.object_id(name)
        return {
            "aud": self.tenant.client_id,
            "azp": self.tenant.client_id,
            "iss": self.issuer,
            "oid": object_id,
            "sub": object_id,
            "name": name,
            "preferred_username": name,
            "roles": list(roles),
            "ver": "2.0",
        }

    def managed_identity_token(self, resource: str, client_id: str) -> str:
        """A token for resource, a service's URL, in the name of the application's managed identity."""
        object_id = self.object_id("managed identity")
        claims = {
            "aud": resource.rstrip("/"),
            "iss": self.service_issuer,
            "oid": object_id,
            "sub": object_id,
            "appid": client_id,
            "idtyp": "app",
            "ver": "1.0",
        }
        return self.sign(claims, MANAGED_IDENTITY_SECONDS)

    def object_id(self, name: str) -> str:
        """The object id of whoever is called name: always the same one in this tenant."""
        return str(uuid.uuid5(uuid.UUID(self.tenant.tenant_id), name))
