"""Links to backups: read one blob, for a while, a few at a time, and leave a trace."""

import hashlib
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from shared import clock, download, history
from shared.errors import StorageUnavailable
from shared.models.run import BlobAddress, RunRecord, RunStatus
from shared.settings import settings
from shared.storage.account import blob_client, ensure_container
from tests.api.client import Api, refused
from tests.api.trail import last_line
from tests.support.cloud import fresh_id
from tests.support.records import run_record

BEGAN = datetime(2025, 5, 1, 8, tzinfo=UTC)
CONTENT = b"proven bytes"


def backup(status: RunStatus = RunStatus.COMPLETED, **fields: Any) -> RunRecord:
    """A run in history whose blob is in storage."""
    name = fresh_id("backup-shop").replace("_", "-")
    blob = BlobAddress(container="download-tests", name=f"2025/05/01/{name}.sql.gz")
    ensure_container(blob.container)
    blob_client(blob).upload_blob(CONTENT)
    whole = {
        "database_id": "shop",
        "tenant_id": settings().tenant_id,
        "seed": name,
        "blob": blob,
        "sha256_stored": hashlib.sha256(CONTENT).hexdigest(),
        "bytes_stored": len(CONTENT),
    }
    run = run_record(BEGAN, status, **whole | fields)
    history.record(run)
    return run


def asked(api: Api, url: str, method: str = "GET") -> httpx.Response:
    """What a browser gets."""
    return httpx.request(method, url, verify=ssl.create_default_context(cafile=str(api.cloud.ca_certificate)))


def test_the_link_reads_the_blob(api: Api) -> None:
    run = backup()

    answer = api.get(f"/backups/{run.backup_id}/download")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert hashlib.sha256(asked(api, body["url"]).content).hexdigest() == body["sha256"]
    assert run.blob is not None
    assert (body["size_bytes"], body["file_name"]) == (len(CONTENT), run.blob.name.rpartition("/")[2])


def test_it_expires_within_a_quarter_of_an_hour(api: Api) -> None:
    body = api.get(f"/backups/{backup().backup_id}/download").json()

    left = datetime.fromisoformat(body["expires_at"]) - clock.now()
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


def test_it_opens_no_other_blob_and_writes_nothing(api: Api) -> None:
    first, second = backup(), backup()
    assert first.blob is not None
    assert second.blob is not None
    url = api.get(f"/backups/{first.backup_id}/download").json()["url"]

    assert asked(api, url.replace(first.blob.name, second.blob.name)).status_code == 403
    assert asked(api, url, "DELETE").status_code == 403


def test_a_caller_holds_three_at_a_time_and_another_caller_others(api: Api) -> None:
    run = backup()
    path = f"/backups/{run.backup_id}/download"

    codes = [api.get(path).status_code for _ in range(3)]
    fourth = api.get(path)

    assert codes == [200, 200, 200]
    refused(fourth, 429, "Too many requests")
    assert 1 <= int(fourth.headers["Retry-After"]) <= 901
    assert last_line("backup_downloaded", run.backup_id).result == "too_many_requests"
    assert api.get(f"/backups/{backup().backup_id}/download").status_code == 200
    assert Api(api.cloud, person="grace@example.com").get(path).status_code == 200


def test_the_limit_holds_for_requests_that_come_at_once(api: Api) -> None:
    path = f"/backups/{backup().backup_id}/download"

    with ThreadPoolExecutor(8) as callers:
        codes = sorted(callers.map(lambda _: api.get(path).status_code, range(8)))

    assert codes.count(200) <= 3
    assert set(codes) == {200, 429}


def test_an_expired_link_makes_room_for_another(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    run = backup()
    assert run.blob is not None
    links = [download.download(run.backup_id, run.blob, "caller") for _ in range(3)]

    later = links[0].expires_at + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)

    assert download.download(run.backup_id, run.blob, "caller").expires_at > later


def test_a_link_that_could_not_be_made_does_not_count(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    run = backup()
    assert run.blob is not None

    def unavailable(*_: object, **__: object) -> str:
        raise StorageUnavailable("Blob Storage does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(download, "download_link", unavailable)
        for _ in range(4):
            with pytest.raises(StorageUnavailable):
                download.download(run.backup_id, run.blob, "caller")

    assert download.download(run.backup_id, run.blob, "caller").url


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.IN_PROGRESS, RunStatus.CANCELLED])
def test_a_run_that_is_no_backup_has_no_link(api: Api, status: RunStatus) -> None:
    refused(api.get(f"/backups/{backup(status).backup_id}/download"), 409, "Conflict")


def test_a_deleted_backup_has_no_link(api: Api) -> None:
    run = backup()
    history.mark_deleted(run.backup_id, clock.now())

    refused(api.get(f"/backups/{run.backup_id}/download"), 409, "Conflict")


def test_every_link_is_noted_without_its_signature(api: Api) -> None:
    run = backup()

    url = api.get(f"/backups/{run.backup_id}/download").json()["url"]

    line = last_line("backup_downloaded", run.backup_id)
    assert line.result == "success"
    assert urlsplit(url).query not in line.model_dump_json()
