"""Many callers ask for the same backup at the same moment, of two worker processes: one gets it."""

import threading
from concurrent.futures import ThreadPoolExecutor

from local.api_client import ApiRefused
from tests.support.databases import fresh_database, postgresql_server, run_sql
from tests.support.installation import Installation
from tests.support.interference import dumps_held_up

CALLERS = 50


def test_fifty_triggers_at_once_give_one_run_and_its_id_to_all_others(installed: Installation) -> None:
    server = postgresql_server()
    together = threading.Barrier(CALLERS)
    with fresh_database(server) as name, ThreadPoolExecutor(CALLERS) as callers:
        run_sql(server, ["CREATE TABLE t (a int)"], database=name)
        database_id = installed.register(server, name)

        def trigger(_: int) -> tuple[int, str]:
            together.wait(30)
            try:
                return 202, installed.trigger(database_id)
            except ApiRefused as refusal:
                return refusal.status, refusal.body["backup_id"]

        with dumps_held_up(server, name, "t"):  # so that the run lasts until all have been answered
            answers = list(callers.map(trigger, range(CALLERS)))

        [(_, running)] = [answer for answer in answers if answer[0] == 202]
        assert sorted(answers) == [(202, running), *[(409, running)] * (CALLERS - 1)]
        assert installed.ended(f"/backups/{running}/status")["status"] == "completed"
        assert [run["id"] for run in installed.history(database_id)] == [running]
