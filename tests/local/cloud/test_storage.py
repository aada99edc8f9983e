"""What the product needs of storage, through the unmodified SDKs against Azurite as the cloud starts it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.data.tables import TableServiceClient
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from local.cloud.cloud import LocalCloud


@pytest.fixture
def blobs(environment: dict[str, str], credential: DefaultAzureCredential) -> Iterator[BlobServiceClient]:
    with BlobServiceClient(environment["BACKUP_STORAGE_ACCOUNT"], credential) as client:
        yield client


@pytest.fixture
def tables(environment: dict[str, str], credential: DefaultAzureCredential) -> Iterator[TableServiceClient]:
    with TableServiceClient(environment["BACKUP_TABLES_ACCOUNT"], credential=credential) as client:
        yield client


def test_a_blob_is_written_in_blocks_and_read_back(blobs: BlobServiceClient) -> None:
    blobs.create_container("written")
    blob = blobs.get_blob_client("written", "2026/11/25/dump.gz")

    for number, block in (("0001", b"first "), ("0002", b"second")):
        blob.stage_block(number, block)
    blob.commit_block_list([BlobBlock("0001"), BlobBlock("0002")], tags={"verdict": "none"}, metadata={"sha256": "x"})

    assert blob.download_blob().readall() == b"first second"
    assert blob.get_blob_tags() == {"verdict": "none"}


def test_a_link_signed_for_one_blob_reads_that_blob_and_no_other(blobs: BlobServiceClient, https: httpx.Client) -> None:
    container = blobs.create_container("signed")
    for name in ("mine", "other"):
        container.upload_blob(name, name.encode())
    now = datetime.now(UTC)
    assert blobs.account_name is not None

    signature = generate_blob_sas(
        blobs.account_name,
        "signed",
        "mine",
        user_delegation_key=blobs.get_user_delegation_key(now, now + timedelta(hours=1)),
        permission=BlobSasPermissions(read=True),
        expiry=now + timedelta(minutes=15),
        content_disposition='attachment; filename="dump.sql.gz"',
    )

    answer = https.get(f"{container.url}/mine?{signature}")
    assert answer.content == b"mine", answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="dump.sql.gz"'
    assert https.get(f"{container.url}/other?{signature}").status_code == 403


def test_rows_are_written_and_found(tables: TableServiceClient) -> None:
    table = tables.create_table("Rows")
    table.create_entity({"PartitionKey": "shop", "RowKey": "1", "status": "completed"})

    (row,) = table.query_entities("PartitionKey eq 'shop'")

    assert row["status"] == "completed"


def test_storage_refuses_a_token_for_another_service(cloud: LocalCloud, https: httpx.Client) -> None:
    environment = cloud.environment()
    issuer = f"https://sts.windows.net/{environment['AZURE_TENANT_ID']}/"
    token = cloud.mint_token(roles=[], name="an app", iss=issuer, aud="https://vault.azure.net")

    answer = https.get(
        f"{environment['BACKUP_STORAGE_ACCOUNT']}?comp=list",
        headers={"Authorization": f"Bearer {token}", "x-ms-version": "2025-11-05"},
    )

    assert answer.status_code == 403


def test_nobody_reads_without_a_token(environment: dict[str, str]) -> None:
    with (
        BlobServiceClient(environment["BACKUP_STORAGE_ACCOUNT"]) as client,
        pytest.raises((ClientAuthenticationError, HttpResponseError)),
    ):
        list(client.list_containers())
