"""How fast and how small a backup is on this machine: `python -m bench.backup [--megabytes N] [--rounds N]`.

Every figure is a ratio of runs made in turn, or a size, and stands beside its target. The product runs as it is: the
activities with their claims, progress rows and checks, a real server, and the local cloud's storage over TLS.
The exit code is 0 whatever the figures are: they depend on the machine and on what else runs on it.
"""

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.installation import Installation, claimed, configured, installation
from bench.pipelines import Piped, into_file_and_store, into_nothing
from bench.processes import descendants
from bench.stand_in import measure_growth
from bench.stream_worker import Taken, Work
from bench.targets import Figure, print_table
from local.servers import DatabaseServer

MIB = 1024 * 1024
MEGABYTE = 1_000_000
LARGEST_SHARE_OF_OTHERS = 0.08
CORES = len(os.sched_getaffinity(0))
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Targets:
    """What differs between the engines."""

    against_dump: float
    """Where all parties share two cores, taken with storage in memory and without TLS, which storage has here.

    A filter on a core of its own is as fast as none, so it counts for both.
    """
    against_gzip: float
    check: float


TARGETS = {
    "mysql": Targets(against_dump=1.45, against_gzip=3.5, check=0.45),
    "postgresql": Targets(against_dump=1.60, against_gzip=4.5, check=0.70),
}


@dataclass(frozen=True)
class Round:
    """One run of each kind, made one after the other."""

    cat: Piped
    igzip: Piped
    gzip: Piped
    product: Taken
    wall_bound_seconds: float
    """What the machine allows: the dump alone, or all parties' processor time spread over all cores."""


def main() -> None:
    """Measures both engines and prints the tables."""
    arguments = argparse.ArgumentParser(prog="python -m bench.backup", description=__doc__.splitlines()[0])
    arguments.add_argument("--megabytes", type=int, default=300, help="size of each database's dump, about")
    arguments.add_argument("--rounds", type=int, default=3, help="rounds; figures are medians of them")
    arguments.add_argument("--gibibytes", type=int, default=5, help="size of the stream whose memory must be flat")
    chosen = arguments.parse_args()
    print(f"Making two databases of about {chosen.megabytes} MB ...", flush=True)
    with installation(chosen.megabytes) as installed:
        for server in installed.servers:
            print(f"Measuring {server.family}: {chosen.rounds} rounds ...", flush=True)
            rounds = [_round(installed, server) for _ in range(chosen.rounds)]
            size = rounds[-1].product.dump.bytes_read / 1e6
            print_table(
                f"{server.family}: {size:.0f} MB, {len(os.sched_getaffinity(0))} cores", _figures(server, rounds)
            )
            _tell_of_others(rounds)
        print(f"\nMeasuring memory between 100 MB and {chosen.gibibytes} GiB ...", flush=True)
        growth = measure_growth(installed.folder, chosen.gibibytes, configured(installed.servers[0]), run_worker)
        print_table("whatever the engine", growth)


def _tell_of_others(rounds: list[Round]) -> None:
    share = max(taken.product.processor_seconds_of_others / (taken.product.seconds * CORES) for taken in rounds)
    if share > LARGEST_SHARE_OF_OTHERS:
        print(f"  Other work took up to {share:.0%} of this machine: the times above do not count. Run it again.")


def _round(installed: Installation, server: DatabaseServer) -> Round:
    config = configured(server)
    parties = tuple(descendants(os.getpid()))
    with claimed(config) as request:
        cat = into_nothing(request, ["cat"])
        product = run_worker(Work(request=request, database=config, parties=parties))
        igzip = into_nothing(request, ["igzip", "-1"])
        gzip = into_file_and_store(request, ["gzip", "-6"], installed.folder / "dump.gz")
    assert not product.check_error, product.check_error
    bound = max(cat.seconds, product.processor_seconds_of_all / CORES)
    return Round(cat, igzip, gzip, product, bound)


def run_worker(work: Work) -> Taken:
    """The product's part, in a process of its own that has no folder for temporary files."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stream_worker", "/dev/stdin"],
        input=work.model_dump_json().encode(),
        env={**os.environ, "TMPDIR": "/nonexistent", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'http'}"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Taken.model_validate_json(answer.stdout)


def _figures(server: DatabaseServer, rounds: list[Round]) -> list[Figure]:
    target = TARGETS[server.family]
    return [
        Figure(
            "end to end / max(dump | cat, processor time / cores)",
            [taken.product.seconds / taken.wall_bound_seconds for taken in rounds],
            "<=",
            1.20,
        ),
        Figure(
            "end to end / dump | cat",
            [taken.product.seconds / taken.cat.seconds for taken in rounds],
            "<=",
            target.against_dump,
        ),
        Figure(
            "end to end / dump | igzip -1 > /dev/null",
            [taken.product.seconds / taken.igzip.seconds for taken in rounds],
            "<=",
            target.against_dump,
        ),
        Figure(
            "dump | gzip -6 > file, upload / end to end",
            [taken.gzip.seconds / taken.product.seconds for taken in rounds],
            ">=",
            target.against_gzip,
        ),
        Figure(
            "stored bytes / gzip -6",
            [taken.product.dump.bytes_stored / taken.gzip.size for taken in rounds],
            "<=",
            1.10,
        ),
        Figure(
            "product's processor time per GB, without the dump tool",
            [taken.product.processor_seconds * 1000 * MEGABYTE / taken.product.dump.bytes_read for taken in rounds],
            "<=",
            7.0,
            "s",
        ),
        Figure(
            "memory added, dump tool included",
            [taken.product.added_memory / MIB for taken in rounds],
            "<=",
            68,
            "MiB",
        ),
        Figure(
            "written to disk by product and dump tool",
            [taken.product.disk_bytes for taken in rounds],
            "<=",
            0,
            "B",
        ),
        Figure(
            "reading back and checking / end to end",
            [taken.product.check_seconds / taken.product.seconds for taken in rounds],
            "<=",
            target.check,
        ),
    ]


if __name__ == "__main__":
    main()
