"""The databases that restores are made into."""

from contextlib import ExitStack

import pytest

from local.servers import DatabaseServer
from shared.engines.registry import engine_for, restorer_for
from shared.errors import (
    Conflict,
    RestoreFailed,
    UnknownDatabase,
)
from tests.support.databases import connection, create_database, fresh_database
from tests.support.engines import SAMPLE, Dumped, dumped, loaded, login

SCRATCH = 'sc`ra"tch'


def test_a_database_is_made_once_and_dropped_as_often_as_asked(server: DatabaseServer) -> None:
    admin = login(server)
    engine, restorer = engine_for(admin.server.type), restorer_for(admin.server.type)
    facts = engine.probe(admin, SAMPLE).server

    restorer.create_database(admin, SCRATCH, facts)
    with pytest.raises(Conflict, match="already"):
        restorer.create_database(admin, SCRATCH, facts)
    made = engine.probe(admin, SCRATCH).server
    assert restorer.is_empty(admin, SCRATCH)
    restorer.drop_database(admin, SCRATCH)
    restorer.drop_database(admin, SCRATCH)

    assert (made.character_set, made.collation) == (facts.character_set, facts.collation)
    with pytest.raises(UnknownDatabase):
        engine.probe(admin, SCRATCH)


def test_a_database_is_dropped_although_somebody_uses_it(server: DatabaseServer) -> None:
    create_database(server, "in use")

    with ExitStack() as stack:
        user_of_it = stack.enter_context(connection(server, "in use"))
        with user_of_it.cursor() as cursor:
            cursor.execute("SELECT 1")
        restorer_for(login(server).server.type).drop_database(login(server), "in use")

    with pytest.raises(UnknownDatabase):
        engine_for(login(server).server.type).probe(login(server), "in use")


def test_a_locale_or_collation_that_the_target_lacks_is_named(server: DatabaseServer) -> None:
    admin = login(server)
    facts = engine_for(admin.server.type).probe(admin, SAMPLE).server.model_copy(update={"collation": "xx_YY_nowhere"})

    with pytest.raises(RestoreFailed, match="xx_YY_nowhere"):
        restorer_for(admin.server.type).create_database(admin, "elsewhere", facts)


def test_a_restore_that_is_cut_off_is_no_success(server: DatabaseServer) -> None:
    dump = dumped(login(server), SAMPLE)
    cut = Dumped(dump.data[: len(dump.data) * 2 // 3], dump.probe, dump.tool)

    with fresh_database(server) as name:
        error = loaded(login(server), name, cut)
        # mysql takes a file that ends between two statements for whole: only the content check sees the cut.
        assert isinstance(error, RestoreFailed) or server.family == "mysql"


def test_a_filled_database_is_not_empty(server: DatabaseServer) -> None:
    assert not restorer_for(login(server).server.type).is_empty(login(server), SAMPLE)
