"""Cancelling runs that are at work: one that streams into a slow store, and one whose tool waits for a lock."""

import time
import urllib.request
from contextlib import ExitStack

from entities.backup_slots import INSTALLATION, backup_slots
from local.servers import DatabaseServer
from local.taskhub.client_links import RPC_PREFIX
from shared.claims import CLAIMS
from tests.support.awkward_installation import AwkwardInstallation
from tests.support.databases import fresh_database, mariadb_server, postgresql_server, run_sql
from tests.support.installation import Installation
from tests.support.interference import dump_tools, dumps_held_up, noise, until, waiting_dump
from tests.support.stored_state import stored_state

PROMISED_SECONDS = 35
NOISE_MEGABYTES = 64
"""More than what lies between tool and store, so that the tool is still at work when the first blocks arrive."""


def test_cancelled_runs_end_their_tools_in_time_and_leave_nothing(
    installed: Installation, awkward: AwkwardInstallation
) -> None:
    postgresql, mariadb = postgresql_server(), mariadb_server()
    with ExitStack() as stack:
        streamed, held = (stack.enter_context(fresh_database(server)) for server in (postgresql, mariadb))
        noise(postgresql, streamed, NOISE_MEGABYTES)
        run_sql(mariadb, ["CREATE TABLE t (a int)"], database=held)
        streaming = Cancelled(awkward, postgresql, streamed)
        waiting = Cancelled(installed, mariadb, held)
        awkward.proxy.bytes_per_second = 300_000
        streaming.trigger()
        until(lambda: awkward.proxy.seen["block"] > 0 and bool(dump_tools(postgresql, streamed)), "a dump that streams")
        with dumps_held_up(mariadb, held, "t"):
            waiting.trigger()
            waiting_dump(mariadb, held)

            for run in (streaming, waiting):
                run.cancel()
            for run in (streaming, waiting):
                run.tool_is_gone_in_time()
            awkward.proxy.heal()
            for run in (streaming, waiting):
                run.has_ended()

        assert awkward.blobs(streaming.container) == []
        with stored_state(installed.host.home) as state:
            stored = [blob.path for blob in state.blobs()] + state.uncommitted()
        assert [path for path in stored if path.startswith(f"{waiting.container}/")] == []
        for run in (streaming, waiting):
            run.next_one_works()


class Cancelled:
    """One run, from its trigger to the next one's good end."""

    def __init__(self, installed: Installation, server: DatabaseServer, database: str) -> None:
        self.installed, self.server, self.database = installed, server, database
        self.id = installed.register(server, database)
        self.container = installed.reader.get(f"/databases/{self.id}")["storage_container"]

    def trigger(self) -> None:
        self.run = self.installed.trigger(self.id)

    def cancel(self) -> None:
        answer = self.installed.operator.post(f"/backups/{self.run}/cancel")
        self.cancelled_at = time.monotonic()
        assert answer == {"backup_id": self.run, "status": "cancelling"}

    def tool_is_gone_in_time(self) -> None:
        left = PROMISED_SECONDS - (time.monotonic() - self.cancelled_at)
        until(lambda: not dump_tools(self.server, self.database), f"the end of the tool of {self.run}", left)

    def has_ended(self) -> None:
        ended = self.installed.ended(f"/backups/{self.run}/status")
        assert (ended["status"], ended["error"]["code"]) == ("cancelled", "cancelled")
        assert self.run in ended["error"]["message"]
        [row] = self.installed.history(self.id)
        assert (row["id"], row["status"], row["blob_url"], row["attempts"]) == (self.run, "cancelled", None, 1)
        url = f"{self.installed.host.url}{RPC_PREFIX}/entities/{backup_slots.name}/{INSTALLATION}"
        until(lambda: self.run not in text_at(url), "the slot to be given back")
        with stored_state(self.installed.host.home) as state:
            assert [claim for claim in state.rows(CLAIMS) if claim["PartitionKey"] == self.id] == []

    def next_one_works(self) -> None:
        again = self.installed.backed_up(self.id)
        assert again["status"] == "completed", again


def text_at(url: str) -> str:
    """What the host's management API answers."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
