"""`python -m bench.backup`: a backup against what the machine could do and against the usual scripts, in one run.

Every ratio has both its sides in one round on one machine; shown is the median of the rounds, beside its target. Where
the targets come from is told in docs/evidence.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from bench.data import DATABASE, fill
from local.servers import DatabaseServer, start_mariadb, start_postgresql
from shared import secrets
from shared.engines.engine import Command, Login
from shared.engines.registry import engine_for
from shared.models.database import DatabaseConfig, DatabaseType, SslMode
from shared.storage.account import ensure_container
from shared.tools import installed_tools
from tests.support.cloud import forget_settings, running_cloud, stop_cloud

CONTAINER = "bench"
MIB = 2**20
KINDS = {"mysql": DatabaseType.MYSQL_VM, "postgresql": DatabaseType.POSTGRESQL_VM}


@dataclass(frozen=True)
class Target:
    """A row of the report: what is compared, and which bound it must keep for each engine."""

    name: str
    bounds: Mapping[str, float]
    at_least: bool = False
    unit: str = ""

    def met(self, engine: str, value: float) -> bool:
        """Whether `value` keeps the bound."""
        return value >= self.bounds[engine] if self.at_least else value <= self.bounds[engine]


def both(bound: float) -> dict[str, float]:
    """One bound for both engines."""
    return {"mysql": bound, "postgresql": bound}


TARGETS = {
    "limit": Target("end to end / max(dump | cat, CPU of all / cores)", both(1.20)),
    "cat": Target("end to end / (dump | cat)", {"mysql": 1.45, "postgresql": 1.60}),
    "igzip": Target("end to end / (dump | igzip -1 > /dev/null)", both(1.15)),
    "gzip": Target("(dump | gzip -6 > file, upload) / end to end", {"mysql": 3.5, "postgresql": 4.5}, at_least=True),
    "own_cpu": Target("own CPU seconds per GB read", both(7.0)),
    "memory": Target("memory added, worker and tools", both(68.0), unit=" MiB"),
    "disk": Target("temporary disk", both(0.0), unit=" bytes"),
    "size": Target("stored / gzip -6", both(1.10)),
    "verify": Target("verification `readable` / backup", {"mysql": 0.45, "postgresql": 0.70}),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 0 whatever the verdicts, since a busy machine is no fault."""
    parser = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=300, help="size of each dump, in 10^6 bytes")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many rounds is shown")
    chosen = parser.parse_args(arguments)
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} cores, {chosen.megabytes} MB per engine, median of {chosen.rounds} rounds", flush=True)
    with tempfile.TemporaryDirectory(prefix="dilux-bench-") as folder:
        Path(folder).chmod(0o755)  # so that the servers' accounts can pass
        servers = [start_mariadb(Path(folder) / "mariadb"), start_postgresql(Path(folder) / "postgresql")]
        try:
            os.environ.update(running_cloud().environment() | {"ALLOWED_NETWORKS": "127.0.0.0/8"})
            forget_settings()
            ensure_container(CONTAINER)
            for server in servers:
                report(server.family, measured(server, chosen.megabytes, chosen.rounds, cores, Path(folder)))
        finally:
            stop_cloud()
            for server in servers:
                server.stop()
    return 0


def measured(server: DatabaseServer, megabytes: int, rounds: int, cores: int, folder: Path) -> dict[str, list[float]]:
    """The values of each target, one a round."""
    print(f"\n{server.family}: loading {megabytes} MB ...", flush=True)
    fill(server, megabytes)
    database = registered(server)
    dump = dump_command(server)
    found: dict[str, list[float]] = defaultdict(list)
    for number in range(1, rounds + 1):
        print(f"{server.family}: round {number} of {rounds}", flush=True)
        for name, value in one_round(dump, database, cores, folder).items():
            found[name].append(value)
    return found


def one_round(dump: Command, database: DatabaseConfig, cores: int, folder: Path) -> dict[str, float]:
    """All sides of all ratios, one after the other."""
    cat = seconds_of(lambda: shell(dump, "cat > /dev/null"))
    product = product_backup(database)
    igzip = seconds_of(lambda: shell(dump, "igzip -1 > /dev/null"))
    file = folder / "script.gz"
    script = seconds_of(lambda: script_backup(dump, file))
    gzip_bytes = file.stat().st_size
    file.unlink()
    seconds = product["seconds"]
    return {
        "limit": seconds / max(cat, product["cpu_of_all"] / cores),
        "cat": seconds / cat,
        "igzip": seconds / igzip,
        "gzip": script / seconds,
        "own_cpu": product["own_cpu"] / (product["read"] / 1e9),
        "memory": product["added_bytes"] / MIB,
        "disk": product["disk_bytes"],
        "size": product["stored"] / gzip_bytes,
        "verify": product["verify_seconds"] / seconds,
    }


def seconds_of(work: Callable[[], None]) -> float:
    """How long `work` took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def report(engine: str, found: Mapping[str, Sequence[float]]) -> None:
    """Prints a row for each target."""
    print(f"\n  {engine:<52} {'median':>10} {'range':>17} {'target':>10}")
    for key, target in TARGETS.items():
        values = found[key]
        value = statistics.median(values)
        spread = f"{min(values):.2f}-{max(values):.2f}"
        bound = f"{'>=' if target.at_least else '<='} {target.bounds[engine]:g}"
        verdict = "met" if target.met(engine, value) else "NOT met"
        print(f"  {target.name:<52} {value:>10.2f} {spread:>17} {bound:>10}{target.unit}  {verdict}", flush=True)


def product_backup(database: DatabaseConfig) -> dict[str, float]:
    """One backup and its verification by the product's own activities, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.one_backup"],
        input=database.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def script_backup(dump: Command, file: Path) -> None:
    """What a careful shell script does: dump, gzip -6 into a file, upload the file."""
    shell(dump, f"gzip -6 > {file}")
    from shared.storage.account import blob_service

    with file.open("rb") as content:
        blob_service().get_blob_client(CONTAINER, "script.gz").upload_blob(content, overwrite=True, max_concurrency=4)


def shell(dump: Command, rest: str) -> None:
    """`dump | rest`; raises when either fails."""
    subprocess.run(
        ["bash", "-o", "pipefail", "-c", f'"$@" | {rest}', "bench", *dump.argv],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **dump.environment},
        check=True,
    )


def registered(server: DatabaseServer) -> DatabaseConfig:
    """The configuration of the database that is dumped, and its secret in the local vault."""
    database = DatabaseConfig(
        id=f"bench_{server.family}",
        tenant_id="bench",
        name="Benchmark",
        type=KINDS[server.family],
        host=server.host,
        port=server.port,
        username=server.admin_user,
        ssl_mode=SslMode.DISABLE,
        database=DATABASE,
        storage_container=CONTAINER,
    )
    secrets.store(database.secret_slug, secrets.Credentials(server.admin_user, SecretStr(server.admin_password)))
    return database


def dump_command(server: DatabaseServer) -> Command:
    """The very command that the product runs."""
    database = registered(server)
    engine = engine_for(database.type)
    login = Login(server=database.server, password=SecretStr(server.admin_password))
    probe = engine.probe(login, DATABASE)
    tool = engine.choose_tool(probe.server, installed_tools(engine.dump_tools))
    return engine.dump_command(login, DATABASE, tool, probe, ())


if __name__ == "__main__":
    sys.exit(main())
