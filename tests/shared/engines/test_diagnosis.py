import pytest

from shared.engines.diagnosis import Diagnosis, explained, killed_by_signal, listed, place, telling_line
from shared.errors import DumpFailed, ToolKilled
from shared.models.database import DatabaseType, Server

pytestmark = pytest.mark.unit

DIAGNOSIS = Diagnosis(DumpFailed, "It failed", "Do something.")


def test_a_message_says_what_where_what_to_do_and_what_was_said() -> None:
    error = explained(DIAGNOSIS, "here", "words\n  over lines")

    assert error.message == "It failed (here). Do something. It said: words over lines"
    assert isinstance(error, DumpFailed)


def test_without_words_nothing_was_said() -> None:
    assert explained(DIAGNOSIS, "here", " \n").message == "It failed (here). Do something."


@pytest.mark.parametrize(("where", "said"), [("here", "x" * 1000), ("y" * 1000, "words"), ("z" * 480, "words")])
def test_no_message_is_longer_than_500_characters(where: str, said: str) -> None:
    assert len(explained(DIAGNOSIS, where, said).message) <= 500


def test_a_place_names_database_server_and_user() -> None:
    server = Server(type=DatabaseType.MYSQL_VM, host="h", port=1, username="u", secret_slug="db-x")

    assert place(server, "a b") == "database 'a b' on h:1 as 'u'"


@pytest.mark.parametrize(("code", "name"), [(-9, "SIGKILL"), (-11, "SIGSEGV"), (143, "SIGTERM"), (-35, "signal 35")])
def test_signals_are_named(code: int, name: str) -> None:
    error = killed_by_signal(code, "pg_dump", "here")

    assert isinstance(error, ToolKilled)
    assert name in error.message


@pytest.mark.parametrize("code", [0, 1, 7, 127, 255])
def test_exit_codes_are_no_signals(code: int) -> None:
    assert killed_by_signal(code, "pg_dump", "here") is None


@pytest.mark.parametrize(
    ("stderr", "line"),
    [("", ""), ("a\nb\n\n", "b"), ("x error: one\nerror: two\nhint", "error: two"), ("error: a\n", "error: a")],
)
def test_the_telling_line_is_the_last_marked_one_else_the_last(stderr: str, line: str) -> None:
    assert telling_line(stderr, "error:") == line


def test_names_are_sorted_and_cut() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed(str(number) for number in range(10, 22)) == "10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 2 more"
