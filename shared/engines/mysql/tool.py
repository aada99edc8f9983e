"""The client tools of MySQL and MariaDB: which one to take, and how it is told where to connect."""

from collections.abc import Sequence

from shared.engines.certificates import trusted_bundle
from shared.engines.engine import Login
from shared.errors import ToolMissing
from shared.models.database import SslMode
from shared.models.inventory import ServerFacts
from shared.models.run import Tool

SSL_MODE_OF_MYSQL = {
    SslMode.DISABLE: "DISABLED",
    SslMode.REQUIRE: "REQUIRED",
    SslMode.VERIFY_CA: "VERIFY_CA",
    SslMode.VERIFY_FULL: "VERIFY_IDENTITY",
}


def best_tool(server: ServerFacts, tools: Sequence[Tool], names: Sequence[str]) -> Tool:
    """The newest tool of the server's own vendor, else the newest of the other one. Raises ToolMissing."""
    if not tools:
        raise ToolMissing(f"None of {', '.join(names)} is on this machine. Install the client of MySQL or MariaDB.")
    return max(tools, key=lambda tool: (tool.vendor == server.vendor, tool.version_number))


def connection_arguments(login: Login, tool: Tool) -> tuple[str, ...]:
    """First arguments of every client tool: no option file is read, and TCP is used whatever the host is called."""
    server = login.server
    return (
        "--no-defaults",  # must be the first
        "--protocol=TCP",
        f"--host={server.host}",
        f"--port={server.port}",
        f"--user={server.username}",
        *_tls_arguments(login, tool),
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",  # the most that either vendor takes; memory is used only for a row that needs it
    )


def password_environment(login: Login) -> dict[str, str]:
    """The only place where a tool gets the password."""
    return {"MYSQL_PWD": login.password.get_secret_value()}


def _tls_arguments(login: Login, tool: Tool) -> tuple[str, ...]:
    bundle = trusted_bundle(login)
    mode = login.server.ssl_mode
    if tool.vendor == "mysql":
        authorities = () if bundle is None else (f"--ssl-ca={bundle}",)
        # Without TLS, the default login method of MySQL 8 needs the server's public key.
        public_key = ("--get-server-public-key",) if mode is SslMode.DISABLE and tool.version_number >= (8,) else ()
        return (f"--ssl-mode={SSL_MODE_OF_MYSQL[mode]}", *authorities, *public_key)
    if mode is SslMode.DISABLE:
        return ("--skip-ssl",)
    if bundle is None:
        # Clients before 11.4 go on without TLS where the server offers none. The probe has insisted on TLS just before;
        # who could take it away now could also have shown a false certificate, which this mode does not look at.
        return ("--ssl", "--skip-ssl-verify-server-cert")
    # Without the check of the name these clients also go on without TLS, so verify-ca is as strict as verify-full.
    return ("--ssl", f"--ssl-ca={bundle}", "--ssl-verify-server-cert")
