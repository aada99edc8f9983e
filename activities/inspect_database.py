"""Looks at the database before it is dumped: who answers, what is in it, which tool fits, which blob it will fill."""

from shared import claims, clock, naming, progress
from shared.durable import activity
from shared.engines.registry import engine_for
from shared.logins import login_for
from shared.models.run import AttemptRequest, BlobAddress, Inspection, Progress
from shared.tools import installed_tools


@activity
def inspect_database(request: AttemptRequest) -> Inspection:
    """One read-only connection. Raises what keeps the database from being backed up, before any byte is streamed."""
    run = request.run
    database = run.database
    claims.keep(database.id, run.request.backup_id)
    progress.write(
        Progress(
            id=run.request.backup_id,
            phase="inspecting",
            logs=("Starting backup process...", "Connecting to database..."),
            updated_at=clock.now(),
        )
    )
    engine = engine_for(database.type)
    engine.check_options(database.options)  # again: what is written into App Configuration itself passes no API
    login = login_for(database.server)
    probe = engine.probe(login, database.database)
    tool = engine.choose_tool(probe.server, installed_tools(engine.dump_tools))
    warnings = (*probe.warnings, *engine.tool_warnings(probe.server, tool))
    return Inspection(
        probe=probe.model_copy(update={"warnings": warnings}),
        tool=tool,
        blob=blob_of(request),
    )


def blob_of(request: AttemptRequest) -> BlobAddress:
    """The blob that this attempt fills: its name follows from the attempt alone."""
    run = request.run
    extension = engine_for(run.database.type).extension
    return naming.blob_address(run.database, run.started_at, run.request.backup_id, request.number, extension)
