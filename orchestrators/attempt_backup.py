"""One attempt of a run: inspect, stream, commit, check, sign. What fails here leaves no listable blob behind."""

from activities.discard_upload import discard_upload
from activities.dump_database import dump_database
from activities.inspect_database import inspect_database
from activities.reject_backup import reject_backup
from activities.upload_backup import upload_backup
from activities.write_manifest import write_manifest
from orchestrators.insist import insist
from orchestrators.run_checks import failure_among, run_checks
from shared.durable import Context, Steps, orchestrator
from shared.errors import BackupError, ErrorValue
from shared.models.plan import ContentRequest, ManifestRequest
from shared.models.run import Attempt, AttemptRequest, Dump, DumpRequest, Inspection, RunPlan, UploadRequest


@orchestrator
def attempt_backup(context: Context, request: AttemptRequest) -> Steps[Attempt]:
    """Gives the verified backup, or the error that ended the attempt; never raises."""
    context.tell("inspecting")
    inspection = yield from inspect_database.attempt(context, request)
    if isinstance(inspection, BackupError):
        return Attempt(error=inspection.value())
    context.tell("dumping")
    dumping = dump_request(request.run, inspection)
    dump = yield from dump_database.attempt(context, dumping)
    if isinstance(dump, BackupError):
        yield from insist(context, discard_upload, dumping)
        return Attempt(inspection=inspection, error=dump.value())
    return (yield from publish(context, request, inspection, dump))


def publish(context: Context, request: AttemptRequest, inspection: Inspection, dump: Dump) -> Steps[Attempt]:
    """Commits the staged blocks, proves the blob, and signs it with its manifest; takes it back when that fails."""
    run = request.run
    attempt = Attempt(inspection=inspection, dump=dump)
    context.tell("uploading")
    committed = yield from insist(context, upload_backup, upload_request(run, inspection, dump))
    if isinstance(committed, BackupError):  # which does not say that there is no blob: only the answer may be lost
        error = yield from take_back(context, request, committed.value())
        return attempt.model_copy(update={"error": error})
    context.tell("verifying")
    evidence = yield from run_checks(context, content_request(run, inspection, dump))
    attempt = attempt.model_copy(update={"evidence": tuple(evidence), "error": failure_among(evidence)})
    if attempt.error is None:
        signing = ManifestRequest(run=run, attempt=attempt, number=request.number)
        signed = yield from insist(context, write_manifest, signing)
        if isinstance(signed, BackupError):
            attempt = attempt.model_copy(update={"error": signed.value()})
    if attempt.error is not None:
        error = yield from take_back(context, request, attempt.error)
        attempt = attempt.model_copy(update={"error": error})
    return attempt


def take_back(context: Context, request: AttemptRequest, error: ErrorValue) -> Steps[ErrorValue]:
    """Leaves nothing of the attempt in storage; gives `error`, which also says so where storage did not allow it."""
    rejected = yield from insist(context, reject_backup, request)
    if not isinstance(rejected, BackupError):
        return error
    left = f"{error.message} What the attempt had stored could not be deleted: {rejected.message}"
    return error.model_copy(update={"message": left})


def dump_request(run: RunPlan, inspection: Inspection) -> DumpRequest:
    """What the streaming activity is asked."""
    return DumpRequest(
        backup_id=run.request.backup_id,
        database_id=run.database.id,
        server=run.database.server,
        database=run.database.database,
        options=run.database.options,
        tool=inspection.tool,
        probe=inspection.probe,
        blob=inspection.blob,
        compression_level=run.compression_level,
        deadline_at=run.deadline_at,
        max_size_bytes=run.max_size_bytes,
    )


def upload_request(run: RunPlan, inspection: Inspection, dump: Dump) -> UploadRequest:
    """What the commit is asked."""
    return UploadRequest(
        backup_id=run.request.backup_id,
        database_id=run.database.id,
        tenant_id=run.database.tenant_id,
        dump=dump,
        tool=inspection.tool,
        server=inspection.probe.server,
    )


def content_request(run: RunPlan, inspection: Inspection, dump: Dump) -> ContentRequest:
    """What the checks of a run are asked."""
    return ContentRequest(
        backup_id=run.request.backup_id,
        database_id=run.database.id,
        database=run.database,
        dump=dump,
        probe=inspection.probe,
        tool=inspection.tool,
        deadline_at=run.deadline_at,
        progress_id=run.request.backup_id,
        holds_claim=True,
    )
