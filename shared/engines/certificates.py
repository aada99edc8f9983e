"""The authorities whose certificates we trust."""

import ssl
from pathlib import Path

from shared.engines.engine import Login
from shared.errors import TlsFailed
from shared.models.database import SslMode

SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
VERIFYING = (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)


def trusted_bundle(login: Login) -> Path | None:
    """The PEM file to verify the server's certificate with; None where `ssl_mode` verifies nothing.

    Raises TlsFailed when there is no such file.
    """
    if login.server.ssl_mode not in VERIFYING:
        return None
    of_openssl = ssl.get_default_verify_paths().cafile
    bundle = login.ca_bundle or (Path(of_openssl) if of_openssl else SYSTEM_BUNDLE)
    if not bundle.is_file():
        raise TlsFailed(
            f"The certificate of {login.server.host} cannot be verified: there is no file {bundle}."
            " Install the package ca-certificates, or name a file of trusted authorities."
        )
    return bundle
