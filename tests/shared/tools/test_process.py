import gzip
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.errors import ToolMissing
from shared.tools import ToolProcess


def shell(script: str, *, takes_input: bool = False, secrets: tuple[str, ...] = ()) -> ToolProcess:
    return ToolProcess(["/bin/sh", "-c", script], {"CANARY": "s3cret"}, secrets=secrets, takes_input=takes_input)


def output_of(tool: ToolProcess) -> bytes:
    pieces = []
    while piece := os.read(tool.stdout, 65536):
        pieces.append(piece)
    return b"".join(pieces)


def until(claim: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def group_of(leader: int) -> list[int]:
    """The living processes of a process group."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[2] == str(leader) and fields[0] != "Z":
            members.append(int(entry.name))
    return members


def test_output_stderr_and_exit_code_arrive() -> None:
    with shell("echo out; echo err >&2; exit 3") as tool:
        assert output_of(tool) == b"out\n"
        assert tool.wait() == 3
        assert tool.log.text == "err\n"


def test_the_tool_reads_what_is_written_to_its_input() -> None:
    with shell("cat", takes_input=True) as tool:
        os.write(tool.stdin, b"through")
        tool.end_input()
        assert output_of(tool) == b"through"
        assert tool.wait() == 0


def test_the_environment_is_minimal_and_has_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SECRET_OF_OURS", "x")
    with shell("env; pwd") as tool:
        lines = output_of(tool).decode().splitlines()

    assert "CANARY=s3cret" in lines
    assert lines[-1] == "/"
    assert not any(line.startswith("AZURE") for line in lines)


def test_secrets_are_redacted_in_text_and_blob() -> None:
    with shell('printf "pass s3c" >&2; sleep 0.05; echo "ret bad" >&2', secrets=("s3cret",)) as tool:
        output_of(tool)
        tool.wait()

    assert tool.log.text == "pass [redacted] bad\n"
    assert gzip.decompress(tool.log.compressed()) == b"pass [redacted] bad\n"


def test_a_tool_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolMissing, match="/no/such/pg_dump"):
        ToolProcess(["/no/such/pg_dump"], {})


def test_a_talkative_tool_does_not_block_on_its_stderr() -> None:
    with shell("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done") as tool:
        assert output_of(tool) == b"done\n"
        assert tool.wait() == 0


def test_kill_ends_the_whole_group() -> None:
    with shell("sleep 100 & sleep 100 & wait") as tool:
        until(lambda: len(group_of(tool.pid)) == 3)
        tool.kill()

        until(lambda: group_of(tool.pid) == [])
        assert tool.wait() == -15


def test_kill_insists_when_asking_does_not_help() -> None:
    with shell("trap '' TERM; echo ready; while :; do sleep 0.1; done") as tool:
        os.read(tool.stdout, 10)
        started = time.monotonic()
        tool.kill()

        assert tool.wait() == -9
        assert 1.5 < time.monotonic() - started < 5


def test_leaving_the_context_leaves_nothing_behind() -> None:
    with shell("sleep 100 & exec sleep 100") as tool:
        until(lambda: len(group_of(tool.pid)) == 2)
        files = len(list(Path("/proc/self/fd").iterdir()))

    until(lambda: group_of(tool.pid) == [])
    assert not is_alive(tool.pid)
    assert len(list(Path("/proc/self/fd").iterdir())) == files - 2


def test_what_a_finished_tool_left_running_is_ended_too() -> None:
    with shell("sleep 100 >/dev/null 2>/dev/null & echo $!") as tool:
        left = int(output_of(tool))
        assert is_alive(left)
        assert tool.wait() == 0
        until(lambda: not is_alive(left))


def test_the_tool_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        textwrap.dedent("""
        import sys, time
        from shared.tools import ToolProcess
        tool = ToolProcess(["sleep", "100"], {})
        print(tool.pid, flush=True)
        time.sleep(100)
        """)
    )
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    ) as parent:
        assert parent.stdout is not None
        tool_pid = int(parent.stdout.readline())
        until(lambda: "sleep" in Path(f"/proc/{tool_pid}/cmdline").read_text().split("\0")[0])
        parent.kill()
        until(lambda: not is_alive(tool_pid))


def test_a_tool_shows_that_it_works_although_it_writes_nothing() -> None:
    with shell("while :; do :; done") as busy, shell("sleep 100") as idle:
        until(lambda: busy.ticks > 5)
        assert idle.ticks <= 5
    assert busy.ticks == 0


def test_a_tool_runs_where_neither_setpriv_nor_stdbuf_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with shell("echo plain") as tool:
        assert output_of(tool) == b"plain\n"
        assert tool.wait() == 0
