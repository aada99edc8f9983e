import os
import ssl
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from local.cloud.cloud import LocalCloud
from shared.models.run import BlobAddress
from shared.storage.account import blob_service
from shared.storage.blobs import write_small_blob
from shared.storage.download_link import download_link
from tests.support.azurite import fresh_container
from tests.support.storage import storage_account


@pytest.fixture
def stored(cloud: LocalCloud) -> Iterator[BlobAddress]:
    """A blob in an account that is reached with the installation's identity."""
    address = BlobAddress(container=fresh_container(), name="2026/11/25/backup of ñ.sql.gz")
    with storage_account(cloud.environment()["BACKUP_STORAGE_ACCOUNT"]):
        write_small_blob(address, b"the backup", content_type="application/gzip")
        yield address


def trust() -> ssl.SSLContext:
    """The local cloud's certificates."""
    return ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def test_the_link_reads_the_blob_under_its_file_name(stored: BlobAddress) -> None:
    link = download_link(stored, file_name="backup ñ.sql.gz")

    answer = httpx.get(link, verify=trust())

    assert (answer.status_code, answer.content) == (200, b"the backup")
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''backup%20%C3%B1.sql.gz"


def test_the_link_is_for_reading_this_one_blob_over_https_for_fifteen_minutes(stored: BlobAddress) -> None:
    query = parse_qs(urlsplit(download_link(stored, file_name="x")).query)

    assert (query["sp"], query["sr"], query["spr"]) == (["r"], ["b"], ["https"])
    assert query["st"][0] < query["se"][0]


def test_the_link_writes_nothing_and_opens_no_other_blob(stored: BlobAddress) -> None:
    link = download_link(stored, file_name="x")
    other = BlobAddress(container=stored.container, name="other")
    write_small_blob(other, b"another", content_type="text/plain")
    base, _, query = link.partition("?")
    elsewhere = f"{blob_service().get_blob_client(other.container, other.name).url}?{query}"

    with httpx.Client(verify=trust()) as client:
        assert client.put(link, content=b"", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
        assert client.delete(link).status_code == 403
        assert client.get(elsewhere).status_code == 403
        assert client.get(base).status_code in (401, 403, 404)


def test_a_link_may_not_last_longer(stored: BlobAddress) -> None:
    with pytest.raises(ValueError, match="at most"):
        download_link(stored, file_name="x", expires_in=timedelta(minutes=16))
