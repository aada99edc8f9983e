"""Tokens that must open nothing: each differs from an administrator's own in one thing only."""

import base64
import json
import os
import ssl
import urllib.request
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.cloud.cloud import LocalCloud

Forge = Callable[[LocalCloud], str]
HOUR = 3600


def _minted(**claims: Any) -> Forge:
    return lambda cloud: cloud.mint_token(roles=["Backup.Admin"], name="eve", **claims)


def _claims(cloud: LocalCloud) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(_minted()(cloud), options={"verify_signature": False})
    return claims


def _without(claim: str) -> Forge:
    # A claim that is null counts as missing.
    return _minted(**{claim: None})


def _key_of(cloud: LocalCloud) -> jwt.PyJWK:
    settings = cloud.environment()
    url = f"{settings['AZURE_AUTHORITY_HOST']}/{settings['AZURE_TENANT_ID']}/discovery/v2.0/keys"
    trusted = ssl.create_default_context(cafile=os.fspath(cloud.ca_certificate))
    with urllib.request.urlopen(url, context=trusted) as answer:
        return jwt.PyJWKSet.from_dict(json.load(answer)).keys[0]


def _unsigned(cloud: LocalCloud) -> str:
    return jwt.encode({**_claims(cloud), "exp": 1}, "", "none", headers={"kid": _key_of(cloud).key_id})


def _signed_with_the_public_key(cloud: LocalCloud) -> str:
    """The old trick: an HMAC under the public key, for verifiers that let the token choose how it is verified."""
    key = _key_of(cloud)
    public = key.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT", "kid": key.key_id}, _claims(cloud))
    )
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing_input, public)
    return (signing_input + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def _signed_with_another_key(cloud: LocalCloud) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(_claims(cloud), key, "RS256", headers={"kid": _key_of(cloud).key_id})


def _with_an_unknown_key(cloud: LocalCloud) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(_claims(cloud), key, "RS256", headers={"kid": "unknown"})


def _without_a_key_id(cloud: LocalCloud) -> str:
    _, claims, signature = _minted()(cloud).split(".")
    bare = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "typ": "JWT"}).encode()).rstrip(b"=").decode()
    return f"{bare}.{claims}.{signature}"


def _with_a_changed_claim(cloud: LocalCloud) -> str:
    header, _, signature = cloud.mint_token(roles=["Backup.Read"], name="eve").split(".")
    changed = base64.urlsafe_b64encode(json.dumps(_claims(cloud)).encode()).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}"


FORGERIES: dict[str, Forge] = {
    "unsigned": _unsigned,
    "HS256 with the public key": _signed_with_the_public_key,
    "another key": _signed_with_another_key,
    "unknown key id": _with_an_unknown_key,
    "no key id": _without_a_key_id,
    "changed after signing": _with_a_changed_claim,
    "expired": lambda cloud: cloud.mint_token(roles=["Backup.Admin"], name="eve", lifetime_seconds=-HOUR),
    "not valid yet": _minted(nbf=2**33),
    "wrong audience": _minted(aud="https://vault.azure.net"),
    "wrong issuer": _minted(iss="https://login.example.com/common/v2.0"),
    "issuer with our own as a prefix": lambda cloud: _minted(iss=f"{_claims(cloud)['iss']}.example.com")(cloud),
    "another tenant": _minted(tid="99999999-9999-9999-9999-999999999999"),
    "no expiry": _without("exp"),
    "no tenant": _without("tid"),
    "no object id": _without("oid"),
    "not a token": lambda _: "abc",
    "not a token either": lambda _: "a.b.c",
    "not even ASCII": lambda _: "ñ.ñ.ñ",
}
