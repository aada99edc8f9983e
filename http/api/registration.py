"""Adding and removing what has a document in App Configuration and a password in Key Vault: both or neither."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from pydantic import SecretStr

from shared import claims, naming, secrets
from shared.config import Documents
from shared.errors import BackupError, Conflict, InvalidCredentials, NotFound, SettingInvalid
from shared.models.database import DatabaseConfig, TargetConfig
from shared.secrets import Credentials

T = TypeVar("T", DatabaseConfig, TargetConfig)

CLAIM_SECONDS = 300
"""Longer than two secrets take whose deletion must be taken back first."""


def register(documents: Documents[T], document: T, credentials: Credentials) -> None:
    """Stores the password first, then the document; what cannot be finished is taken back. Raises Conflict."""
    with _reserved(document):
        if _is_taken(documents, document.id):
            raise Conflict(f"The id {document.id} is taken. Choose another name.")
        try:
            secrets.store(document.secret_slug, credentials)
            documents.create(document)
        except BackupError:
            with suppress(BackupError):  # the first error says more; what stays is replaced when this id is created
                secrets.remove(document.secret_slug)
            raise


def unregister(documents: Documents[T], document: T) -> None:
    """Removes the password first, so that whoever gets an error finds the document still there and can ask again."""
    secrets.remove(document.secret_slug)
    documents.delete(document.id, tenant=document.tenant_id)


def store_login(document: DatabaseConfig | TargetConfig, password: SecretStr | None) -> None:
    """Stores the document's user name with `password`, or beside the one that is stored already, if one is."""
    if password is not None:
        secrets.store(document.secret_slug, Credentials(document.username, password))
        return
    with suppress(InvalidCredentials):
        secrets.fetch(document.secret_slug)
        secrets.store_username(document.secret_slug, document.username)


@contextmanager
def _reserved(document: DatabaseConfig | TargetConfig) -> Iterator[None]:
    """Keeps two requests from creating one id at a time: the later one would overwrite the password of the earlier.

    The claim on a database is also that of its runs, so a run that outlives its database is waited for.
    """
    name = document.id if isinstance(document, DatabaseConfig) else document.secret_slug
    owner = f"create-{naming.random_six()}"
    try:
        claims.take(name, owner, CLAIM_SECONDS)
    except Conflict as taken:
        raise Conflict(f"The id {document.id} is being created, or still backed up. Try again in a minute.") from taken
    try:
        yield
    finally:
        claims.release(name, owner)


def _is_taken(documents: Documents[T], id: str) -> bool:
    try:
        documents.get(id, tenant=None)
    except NotFound:
        return False
    except SettingInvalid:  # a document that nobody can read is one all the same
        return True
    return True
