"""Points the product's settings at a storage account, and its shared client with them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared.settings import settings
from shared.storage.account import blob_service


@contextmanager
def storage_account(connection_string: str) -> Iterator[None]:
    """Within it, the backup account is this one."""
    before = os.environ.get("BACKUP_STORAGE_ACCOUNT")
    os.environ["BACKUP_STORAGE_ACCOUNT"] = connection_string
    _forget()
    try:
        yield
    finally:
        if before is None:
            del os.environ["BACKUP_STORAGE_ACCOUNT"]
        else:
            os.environ["BACKUP_STORAGE_ACCOUNT"] = before
        if blob_service.cache_info().currsize:
            blob_service().close()
        _forget()


def _forget() -> None:
    settings.cache_clear()
    blob_service.cache_clear()
