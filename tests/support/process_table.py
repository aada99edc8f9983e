"""The processes of this machine: who started whom, and the client tools of databases."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from local.servers import DatabaseServer

TOOLS = ("mariadb-dump", "mysqldump", "mariadb", "mysql", "pg_dump", "pg_restore", "psql")


def descendants(ancestor: int) -> dict[int, str]:
    """Pid and command line of all that a process started, and what those started."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: command for pid in found - {ancestor} if (command := _command(pid))}


def tools_of(servers: Sequence[DatabaseServer]) -> dict[int, str]:
    """Pid and command line of the client tools that speak to one of the servers."""
    ports = {str(server.port).encode() for server in servers}
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            words = (folder / "cmdline").read_bytes().split(b"\0")
            known = set((folder / "environ").read_bytes().split(b"\0"))
            is_tool = Path(words[0].decode(errors="replace")).name in TOOLS
            if is_tool and any(b"--port=" + port in words or b"PGPORT=" + port in known for port in ports):
                found[int(folder.name)] = b" ".join(words).decode(errors="replace")
    return found


def still_running(began: dict[int, str]) -> list[str]:
    """Those of `descendants` that have not ended."""
    return [f"{pid} {command}" for pid, command in began.items() if _command(pid) == command]


def _command(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
