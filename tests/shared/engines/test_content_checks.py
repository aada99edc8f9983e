"""The rung `readable`: a dump that is cut, foreign or lacks a table is found, however it arrives."""

import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for
from shared.errors import (
    BackupCorrupted,
)
from tests.support.databases import create_database, drop_database, quoted, run_sql
from tests.support.engines import SAMPLE, Dumped, checked, dumped, login

LATER = 'cre`ated" later'


def test_every_cut_of_a_dump_is_found(server: DatabaseServer) -> None:
    dump = dumped(login(server), SAMPLE)
    size = len(dump.data)
    # The end marker's own line may lose its date and stays a whole dump.
    cuts = [1, 40, size // 3, size - 120] + ([size - 1, size - 6] if server.family == "postgresql" else [])

    for length in cuts:
        with pytest.raises(BackupCorrupted):
            checked(login(server), Dumped(dump.data[:length], dump.probe, dump.tool))


def test_an_empty_stream_and_foreign_bytes_are_no_dump(server: DatabaseServer) -> None:
    dump = dumped(login(server), SAMPLE)

    for data in (b"", b"\0" * 100_000, b"hello"):
        with pytest.raises(BackupCorrupted, match=r"no (dump|archive)"):
            checked(login(server), Dumped(data, dump.probe, dump.tool))


def test_a_table_that_the_dump_lacks_is_named(server: DatabaseServer) -> None:
    create_database(server, "lacking")
    try:
        run_sql(server, ["CREATE TABLE earlier (id INT)"], database="lacking")
        before = dumped(login(server), "lacking")
        run_sql(server, [f"CREATE TABLE {quoted(server, LATER)} (id INT)"], database="lacking")
        after = dumped(login(server), "lacking")
    finally:
        drop_database(server, "lacking")

    checked(login(server), after)
    with pytest.raises(BackupCorrupted, match=LATER):
        checked(login(server), Dumped(before.data, after.probe, before.tool))


def test_the_size_of_pieces_does_not_matter(server: DatabaseServer) -> None:
    dump = dumped(login(server), SAMPLE)

    assert checked(login(server), dump, piece_bytes=997) == checked(login(server), dump, piece_bytes=1 << 20)


def test_a_check_may_be_closed_at_any_time(server: DatabaseServer) -> None:
    dump = dumped(login(server), SAMPLE)
    check = engine_for(login(server).server.type).content_check(dump.probe, dump.tool)
    check.feed(dump.data[:5000])

    check.close()
    check.close()
