"""Links by which a browser fetches one backup from storage itself, for a short time."""

from datetime import timedelta
from urllib.parse import quote

from azure.storage.blob import BlobSasPermissions, generate_blob_sas

from shared import clock
from shared.models.run import BlobAddress
from shared.storage.account import blob_client, blob_service
from shared.storage.errors import storage_errors

LONGEST = timedelta(minutes=15)
# Clocks differ: a link that begins now may not be valid yet where it is used.
SKEW = timedelta(minutes=5)


def download_link(address: BlobAddress, *, file_name: str, expires_in: timedelta = LONGEST) -> str:
    """A URL that reads this one blob over HTTPS and offers it as `file_name`.

    Signed with a user delegation key, so no account key is needed. Raises StorageDenied where the installation's
    identity may not make such keys (it needs the role Storage Blob Delegator).
    """
    if not timedelta(0) < expires_in <= LONGEST:
        raise ValueError(f"a link lasts at most {LONGEST}, not {expires_in}")
    now = clock.now()
    expires_at = now + expires_in
    with storage_errors(address.path):
        key = blob_service().get_user_delegation_key(now - SKEW, expires_at)
        blob = blob_client(address)
        signature = generate_blob_sas(
            account_name=str(blob.account_name),
            container_name=address.container,
            blob_name=address.name,
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            start=now - SKEW,
            expiry=expires_at,
            protocol="https",
            content_disposition=f"attachment; filename*=UTF-8''{quote(file_name, safe='')}",
        )
    return f"{blob.url}?{signature}"
