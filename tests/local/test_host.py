"""The life of a host: start, stop, kill, start again. Everything here is a real process."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.embedded_host import ROOT, RunningHost, processes_of, start_host, wait_until_gone

FOREIGN_APP = Path(__file__).parent / "foreign_app"
RARELY = "0 0 0 1 1 *"
PATIENCE_SECONDS = 60.0


def start(folder: Path, *arguments: str, **settings: str) -> RunningHost:
    """A host whose functions leave their traces in the folder."""
    return start_host(FOREIGN_APP, folder / "home", *arguments, **{"TRACES": str(folder), "TICKS": RARELY, **settings})


@pytest.fixture(scope="module")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """For the tests that leave a host as it was."""
    disabled = {"AzureWebJobs.disabled_step.Disabled": "true", "AzureWebJobs.nothing.Disabled": "1"}
    with start(tmp_path_factory.mktemp("shared"), "--strict", "--verbose", **disabled) as host:
        yield host


def start_plan(host: RunningHost, name: str, **given: Any) -> str:
    """Starts an orchestration and gives the address of its status."""
    reply = httpx.post(f"{host.url}/v1/start/{name}", json=given, timeout=30)
    assert reply.status_code == 202, reply.text
    return str(reply.json()["statusQueryGetUri"]).partition("/runtime/")[2]


def wait_for_plan(host: RunningHost, status: str) -> dict[str, Any]:
    """The status of an orchestration that has ended."""
    found: dict[str, Any] = {}

    def has_ended() -> bool:
        found.update(httpx.get(f"{host.url}/runtime/{status}", timeout=30).json())
        return found["runtimeStatus"] in ("Completed", "Failed")

    until(has_ended, lambda: f"{found}\n{host.output}")
    return found


def until(claim: Callable[[], object], seen: Callable[[], object] = lambda: "") -> None:
    """Returns when the claim is true. Waits long, for a busy machine; fails with what was seen."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not claim():
        assert time.monotonic() < deadline, f"it did not become true in time: {seen()}"
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def worker_pids(home: Path) -> list[int]:
    mark = "-m local.worker"
    return [int(line.split()[0]) for line in processes_of(home) if mark in line and "local.guard" not in line]


def refusal(home: Path, *options: str, app: Path = FOREIGN_APP) -> subprocess.CompletedProcess[str]:
    """What a host says that cannot start."""
    command = [sys.executable, "-m", "local", "host", "--app", str(app), "--home", str(home), "--port", "0", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_durable_functions_of_an_app_that_knows_nothing_of_us_run(shared_host: RunningHost) -> None:
    names = {"chain": {"steps": 2}, "fan": {"steps": 3}, "nap": {"seconds": 1}}
    plans = {name: start_plan(shared_host, name, **given) for name, given in names.items()}

    done = {name: wait_for_plan(shared_host, plan) for name, plan in plans.items()}

    assert {status["runtimeStatus"] for status in done.values()} == {"Completed"}
    assert done["chain"]["output"] == [{"step": 0, "thread": "function"}, {"step": 1, "thread": "function"}]
    assert len(done["fan"]["output"]) == 3
    assert done["nap"]["output"] == "rested"
    until(lambda: httpx.get(f"{shared_host.url}/durabletask/entities/tally/chains").text == "1")


def test_a_disabled_function_does_not_run(shared_host: RunningHost) -> None:
    done = wait_for_plan(shared_host, start_plan(shared_host, "call_disabled"))

    assert done["runtimeStatus"] == "Failed"
    assert "disabled_step" in done["output"]
    assert "a disabled function ran" not in done["output"]
    assert httpx.get(f"{shared_host.url}/v1/nothing").status_code == 404
    assert "nothing does not run: the setting AzureWebJobs.nothing.Disabled switches it off" in shared_host.output


def test_what_cannot_run_is_named_and_keeps_nothing_else_from_it(shared_host: RunningHost) -> None:
    assert "the function unscheduled does not run: the setting NO_SUCH_SETTING" in shared_host.output
    assert "the function from_queue does not run: the embedded host has no queueTrigger" in shared_host.output
    assert httpx.get(f"{shared_host.url}/v1/hello").status_code == 200


def test_an_activity_past_its_time_fails_and_its_tool_is_killed(tmp_path: Path) -> None:
    app = Path(shutil.copytree(FOREIGN_APP, tmp_path / "app"))
    settings = json.loads((app / "host.json").read_text())
    (app / "host.json").write_text(json.dumps({**settings, "functionTimeout": "00:00:01"}))
    with start_host(app, tmp_path / "home", TRACES=str(tmp_path), TICKS=RARELY) as host:
        done = wait_for_plan(host, start_plan(host, "overrun"))

        assert "Timeout: function 'endless_step' ran past the functionTimeout" in done["output"]
        for tool in lines(tmp_path / "tools"):
            assert not Path(f"/proc/{tool}").exists()


def test_settings_come_from_the_environment_the_cloud_and_the_apps_own_file(tmp_path: Path) -> None:
    app = Path(shutil.copytree(FOREIGN_APP, tmp_path / "app"))
    own = {"Values": {"TICKS": RARELY, "OWN": "from the file", "GIVEN": "from the file"}}
    (app / "local.settings.json").write_text(json.dumps(own))
    with start_host(app, tmp_path / "home", TRACES=str(tmp_path), GIVEN="from outside", OTHER="from outside") as host:

        def setting(name: str) -> Any:
            return httpx.get(f"{host.url}/v1/worker", params={"setting": name}).json()["setting"]

        assert setting("OWN") == "from the file"
        assert setting("GIVEN") == "from the file"
        assert setting("OTHER") == "from outside"
        assert setting("AZURE_KEYVAULT_URL").startswith("https://127.0.0.1:")
        assert setting("WEBSITE_HOSTNAME") == host.url.removeprefix("http://")


def test_the_stack_of_a_failed_activity_is_in_the_log(shared_host: RunningHost) -> None:
    done = wait_for_plan(shared_host, start_plan(shared_host, "call_failing"))

    assert "ValueError: out of salt" in done["output"]
    log = (shared_host.home / "logs" / "host.log").read_text()
    assert "activity failing_step of" in log
    assert 'raise ValueError("out of salt")' in log


def test_what_workers_print_is_in_their_log_and_on_the_screen_if_asked(shared_host: RunningHost) -> None:
    httpx.get(f"{shared_host.url}/v1/worker")

    logs = [shared_host.home / "logs" / f"worker-{number}.log" for number in (1, 2)]
    until(lambda: any("printed by a function" in line for log in logs for line in lines(log)))
    assert "printed by a function" in shared_host.output


def test_timers_run_at_their_times_and_never_over_themselves(tmp_path: Path) -> None:
    with start(tmp_path, TICKS="* * * * * *"):
        until(lambda: len(lines(tmp_path / "ticks")) >= 3)

    assert lines(tmp_path / "ticks")[:3] == ["begins", "ends", "begins"]
    assert len(lines(tmp_path / "startups")) == 1, "one runner per host, not per worker"
    assert not (tmp_path / "yearly").exists()


def test_a_timer_that_missed_its_time_runs_once_when_the_host_is_back(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    long_ago = "2020-06-01T00:00:00+00:00"
    (home / "timers.json").write_text(json.dumps({"yearly": {"last": long_ago, "updated": long_ago}}))

    for _ in range(2):
        with start(tmp_path):
            until(lambda: lines(tmp_path / "yearly"))

    assert lines(tmp_path / "yearly") == ["past due: True"]


def test_a_second_host_on_the_same_folder_is_refused_in_one_sentence(shared_host: RunningHost) -> None:
    refused = refusal(shared_host.home)

    assert refused.returncode == 1
    assert refused.stderr == (
        f"Another host (process {shared_host.process.pid}) uses {shared_host.home}. "
        "Stop it, or choose another folder with --home.\n"
    )
    assert httpx.get(f"{shared_host.url}/v1/hello").status_code == 200


@pytest.mark.parametrize("options", [["--workers", "0"], ["--activities", "0"], ["--port", "70000"]])
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: list[str]) -> None:
    refused = refusal(tmp_path / "home", *options)

    assert refused.returncode in (1, 2)
    assert "Traceback" not in refused.stderr


def test_a_taken_port_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = refusal(tmp_path / "home", "--port", str(port))

    assert refused.returncode == 1
    assert refused.stderr == (
        f"Port {port} cannot be had ([Errno 98] Address already in use). "
        "Stop what uses it, or choose another with --port.\n"
    )


def test_an_app_that_cannot_be_loaded_is_refused_with_its_own_reason(tmp_path: Path) -> None:
    app = Path(shutil.copytree(FOREIGN_APP, tmp_path / "app"))
    (app / "function_app.py").write_text("import no_such_module")

    refused = refusal(tmp_path / "home", app=app)

    assert refused.returncode == 1
    assert refused.stderr.startswith("ModuleNotFoundError: No module named 'no_such_module'")
    wait_until_gone(tmp_path / "home")


def test_a_folder_without_an_app_is_refused(tmp_path: Path) -> None:
    refused = refusal(tmp_path / "home", app=tmp_path)

    assert (refused.returncode, refused.stderr) == (
        1,
        f"There is no host.json in {tmp_path}: it is not the folder of a function app.\n",
    )


def test_a_clean_stop_leaves_no_process_though_functions_run(tmp_path: Path) -> None:
    with start(tmp_path) as host:
        child = httpx.post(f"{host.url}/v1/child").text
        start_plan(host, "overrun")
        until(lambda: lines(tmp_path / "tools"))
        assert len(worker_pids(host.home)) == 2
        host.process.send_signal(signal.SIGINT)

        assert host.stop(signal.SIGTERM) == 0, "one signal more does no harm"

        assert processes_of(host.home) == []
        assert not Path(f"/proc/{child}").exists()
        assert host.output.endswith("stopped\n")


def test_a_stop_while_it_starts_leaves_no_process(tmp_path: Path) -> None:
    app = Path(shutil.copytree(FOREIGN_APP, tmp_path / "app"))
    (app / "function_app.py").write_text("import time; open('began', 'w').close(); time.sleep(600)")
    options = ["--app", str(app), "--home", str(tmp_path / "home"), "--port", "0"]
    command = [sys.executable, "-m", "local", "host", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        until((app / "began").exists)
        process.send_signal(signal.SIGINT)

        assert process.wait(10) == 0

    assert processes_of(tmp_path / "home") == []


def test_a_killed_host_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with start(tmp_path) as host:
        child = httpx.post(f"{host.url}/v1/child").text
        plans = [start_plan(host, "chain", steps=3) for _ in range(3)]
        until(lambda: len(lines(tmp_path / "steps")) > 4)
        host.kill_group()

    wait_until_gone(tmp_path / "home")
    assert not Path(f"/proc/{child}").exists()
    with start(tmp_path) as host:
        outcomes = [wait_for_plan(host, plan) for plan in plans]

    for outcome in outcomes:
        assert [step["step"] for step in outcome["output"]] == list(range(3))


def test_a_host_starts_in_the_moment_after_it_was_killed(tmp_path: Path) -> None:
    port = 0
    for _ in range(2):
        with start(tmp_path, "--port", str(port)) as host:
            port = int(host.url.rpartition(":")[2])
            assert httpx.get(f"{host.url}/v1/hello").status_code == 200
            host.kill_group()

    wait_until_gone(tmp_path / "home")


def test_plans_go_on_when_workers_are_killed(tmp_path: Path) -> None:
    with start(tmp_path) as host:
        plan = start_plan(host, "chain", steps=3)
        for count in (1, 4):
            until(lambda count=count: len(lines(tmp_path / "steps")) >= count)  # type: ignore[misc] # no type for it
            for pid in worker_pids(host.home):
                os.kill(pid, signal.SIGKILL)

        outcome = wait_for_plan(host, plan)

    assert [step["step"] for step in outcome["output"]] == list(range(3))


def test_the_state_folder_is_private(shared_host: RunningHost) -> None:
    assert shared_host.home.stat().st_mode & 0o777 == 0o700
    assert (shared_host.home / "keys.json").stat().st_mode & 0o777 == 0o600
