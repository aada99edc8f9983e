"""What it takes to enter a server: its address, judged anew, and the password from Key Vault."""

from shared import hosts, secrets
from shared.engines.engine import Login
from shared.errors import InvalidRequest, UnsupportedServer
from shared.models.database import Server
from shared.settings import settings


def login_for(server: Server) -> Login:
    """The login that configuration names. The host is resolved and judged right before it is used.

    Raises UnknownHost, ConnectionFailed without name servers, UnsupportedServer when the host lies where databases must
    not, InvalidCredentials without a stored password, ConfigurationUnavailable.
    """
    try:
        hosts.resolve(server.host, server.port, server.type)
    except InvalidRequest as refusal:  # the name resolves to something else than when it was configured
        raise UnsupportedServer(refusal.message) from refusal
    credentials = secrets.fetch(server.secret_slug)
    return Login(server=server, password=credentials.password, ca_bundle=settings().database_ca_bundle)
