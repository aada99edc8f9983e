"""A process in which many threads try to take one claim at the same moment; what each got is printed as JSON.

Run as `python -m tests.support.claim_takers DATABASE_ID FIRST COUNT`; it begins when a line comes on stdin.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from shared import claims
from shared.errors import Conflict


def take_together(database_id: str, first: int, count: int) -> list[tuple[str, str]]:
    """For each taker its own backup id and the id of the run that holds the claim after it tried."""
    together = Barrier(count)

    def take(number: int) -> tuple[str, str]:
        backup_id = f"backup-20260101-000000-{number:06d}"
        together.wait()
        try:
            return backup_id, claims.take(database_id, backup_id).backup_id
        except Conflict as conflict:
            return backup_id, str(conflict.backup_id)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(take, range(first, first + count)))


if __name__ == "__main__":
    claims.holder(sys.argv[1])  # the table and the token are there before the race begins
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(take_together(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
