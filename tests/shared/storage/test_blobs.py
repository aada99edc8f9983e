import hashlib

import pytest

from shared.errors import BlobExists, BlobMissing, StorageUnavailable
from shared.models.run import BlobAddress
from shared.storage.account import blob_client, fresh_client
from shared.storage.blobs import (
    delete_blob,
    list_blobs,
    read_small_blob,
    set_verdict,
    stored_blob,
    tags_of,
    write_small_blob,
)
from tests.support.azurite import fresh_container
from tests.support.fault_proxy import FaultProxy


def test_a_blob_is_described_with_its_size_and_hash(address: BlobAddress) -> None:
    write_small_blob(address, b"content", content_type="text/plain")

    with fresh_client() as service:
        found = stored_blob(address, service)

    assert (found.size, found.md5) == (7, hashlib.md5(b"content").hexdigest())
    assert found.created_at.tzinfo is not None


def test_a_blob_that_is_not_there_is_missing(address: BlobAddress) -> None:
    with pytest.raises(BlobMissing, match=address.name):
        stored_blob(address)


def test_listing_goes_on_after_each_page(address: BlobAddress) -> None:
    """BR-59."""
    names = [f"2026/{number}" for number in range(5)]
    for name in names:
        write_small_blob(BlobAddress(container=address.container, name=name), b"x", content_type="text/plain")
    write_small_blob(BlobAddress(container=address.container, name="2025/0"), b"x", content_type="text/plain")

    found = [blob.address.name for blob in list_blobs(address.container, "2026/", page_size=2)]

    assert found == names


def test_a_container_that_is_not_there_has_no_blobs(address: BlobAddress) -> None:
    assert list(list_blobs(f"{address.container}-none")) == []


def test_a_verdict_changes_no_other_tag(address: BlobAddress) -> None:
    write_small_blob(address, b"content", content_type="text/plain")
    blob_client(address).set_blob_tags({"database_id": "orders", "verdict": "unverified"})

    set_verdict(address, "verified")

    assert tags_of(address) == {"database_id": "orders", "verdict": "verified"}


def test_deleting_twice_is_no_error(address: BlobAddress) -> None:
    write_small_blob(address, b"content", content_type="text/plain")

    assert delete_blob(address) is None
    assert delete_blob(address) is None


def test_a_leased_blob_is_kept_and_says_why(address: BlobAddress) -> None:
    """BR-60."""
    write_small_blob(address, b"content", content_type="text/plain")
    blob_client(address).acquire_lease(15)

    assert delete_blob(address) == "leased by somebody"
    assert read_small_blob(address) == b"content"


def test_a_blob_locked_by_a_policy_is_kept_and_says_why(address: BlobAddress, proxy: FaultProxy) -> None:
    write_small_blob(address, b"content", content_type="text/plain")
    proxy.answer(409, "BlobImmutableDueToPolicy", to="delete")

    assert delete_blob(address) == "locked by an immutability policy"


def test_a_store_that_fails_to_delete_is_an_error(address: BlobAddress, proxy: FaultProxy) -> None:
    proxy.answer(503, "ServerBusy", to="delete", retry_after=100)

    with pytest.raises(StorageUnavailable):
        delete_blob(address)


def test_a_small_blob_is_written_into_a_new_container_and_read(proxy: FaultProxy) -> None:
    address = BlobAddress(container=fresh_container(), name="manifest.json")

    write_small_blob(address, b"{}", content_type="application/json")

    assert read_small_blob(address) == b"{}"
    assert blob_client(address).get_blob_properties().content_settings.content_type == "application/json"


def test_writing_the_same_small_blob_again_is_success_and_another_one_is_refused(address: BlobAddress) -> None:
    write_small_blob(address, b"one", content_type="text/plain")
    write_small_blob(address, b"one", content_type="text/plain")

    with pytest.raises(BlobExists, match=address.name):
        write_small_blob(address, b"two", content_type="text/plain")

    assert read_small_blob(address) == b"one"


def test_a_small_blob_may_be_replaced_where_that_is_asked_for(address: BlobAddress) -> None:
    write_small_blob(address, b"one", content_type="text/plain")
    write_small_blob(address, b"two", content_type="text/plain", replace=True)

    assert read_small_blob(address) == b"two"
