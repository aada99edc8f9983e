"""Documents of one kind in App Configuration: read fresh, written only over what was read, seen by their tenant."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from shared.config import last_known, store
from shared.config.store import Setting
from shared.errors import ConfigurationUnavailable, Conflict, InvalidRequest, NotFound, SettingInvalid
from shared.models.database import DatabaseConfig, TargetConfig
from shared.naming import is_database_id

TRIES = 10

T = TypeVar("T", DatabaseConfig, TargetConfig)
FromFlatKeys = Callable[[str, Mapping[str, str]], T]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BrokenDocument:
    """A document that cannot be read, such as one that was edited by hand."""

    id: str
    reason: str


@dataclass(frozen=True)
class Listing(Generic[T]):
    """The documents of a kind that a tenant sees, sorted by id."""

    documents: tuple[T, ...]
    broken: tuple[BrokenDocument, ...] = ()
    """Nobody can use these, nor tell whose they are: only the product itself is given them."""
    is_copy: bool = False
    """True when App Configuration does not answer, and these are the last ones known."""


@dataclass(frozen=True)
class _Raw:
    """What App Configuration holds for one id: a document, or fields in the specification's form."""

    id: str
    setting: Setting | None
    fields: Mapping[str, Setting]

    @property
    def etag(self) -> str:
        """Changes with each write to any part that counts."""
        parts = [self.setting] if self.setting else list(self.fields.values())
        return " ".join(part.etag for part in parts)


class Documents(Generic[T]):
    """The documents at `{kind}:{id}`; ids are unique over all tenants.

    A tenant of None is the product itself: it sees what all tenants have.
    """

    def __init__(self, kind: str, model: type[T], *, most: int, from_flat_keys: FromFlatKeys[T] | None = None) -> None:
        self._kind = kind
        self._model: type[T] = model
        self._most = most
        self._from_flat_keys: FromFlatKeys[T] | None = from_flat_keys

    def get(self, id: str, *, tenant: str | None) -> T:
        """The document as it is now; the last one known when App Configuration does not answer.

        Raises NotFound, also for another tenant's; SettingInvalid when it cannot be read.
        """
        try:
            raw = self._read(id)
        except ConfigurationUnavailable:
            copy = last_known.recall(self._kind, id)
            if copy is None:
                raise
            logger.warning("configuration read from its copy", extra={"kind": self._kind, "document": id})
            return self._visible(self._model.model_validate_json(copy), tenant)
        if raw is None:
            last_known.forget(self._kind, id)
            raise self._not_found(id)
        return self._visible(self._parsed(raw), tenant)

    def list_all(self, *, tenant: str | None) -> Listing[T]:
        """All documents as they are now; the last ones known when App Configuration does not answer."""
        try:
            held = self._read_all()
        except ConfigurationUnavailable:
            copies = last_known.recall_all(self._kind)
            logger.warning("configuration read from its copies", extra={"kind": self._kind, "documents": len(copies)})
            known = [self._model.model_validate_json(copy) for copy in copies.values()]
            return Listing(tuple(document for document in known if _sees(tenant, document)), is_copy=True)
        documents, broken = [], []
        for raw in held:
            try:
                documents.append(self._parsed(raw))
            except SettingInvalid as error:
                broken.append(BrokenDocument(raw.id, error.message))
        return Listing(
            tuple(document for document in documents if _sees(tenant, document)),
            tuple(broken) if tenant is None else (),
        )

    def create(self, document: T) -> None:
        """Adds a document. Raises Conflict when its id is taken, or there are as many as there may be."""
        held = self._read_all()
        taken = any(raw.id == document.id for raw in held)
        if not taken and len(held) >= self._most:
            raise Conflict(f"There are {self._most} {self._kind} already; an installation holds no more.")
        if taken or not store.write(self._key(document.id), document.model_dump_json(), over=None):
            raise Conflict(f"The id {document.id} is taken. Choose another name.")

    def update(self, id: str, change: Callable[[T], T], *, tenant: str | None) -> T:
        """Writes what `change` makes of the document, and gives that; id, tenant and time of creation stay.

        `change` is called again when somebody else wrote meanwhile, so that no change is lost. Raises NotFound, and
        Conflict when too many write at once.
        """
        for _ in range(TRIES):
            raw = self._read(id)
            if raw is None:
                raise self._not_found(id)
            old = self._visible(self._parsed(raw), tenant)
            stays = {"id": old.id, "tenant_id": old.tenant_id, "created_at": old.created_at}
            new = change(old).model_copy(update=stays)
            # Where only single fields were, the document is new, and wins over them from now on.
            if store.write(self._key(id), new.model_dump_json(), over=raw.setting):
                return new
        raise Conflict(f"{self._key(id)} is written by too many at once. Try again.")

    def delete(self, id: str, *, tenant: str | None) -> None:
        """Deletes the document and its single fields. Raises NotFound."""
        raw = self._read(id)
        if raw is None:
            raise self._not_found(id)
        self._visible(self._parsed(raw), tenant)
        # The document goes last: until then it wins over the fields, and the deletion can be repeated.
        for setting in store.read_all(f"{self._key(id)}:"):
            store.erase(setting.key)
        store.erase(self._key(id))
        last_known.forget(self._kind, id)

    def _read(self, id: str) -> _Raw | None:
        if not is_database_id(id):
            return None
        setting = store.read(self._key(id))
        if setting is not None:
            return _Raw(id, setting, {})
        found = store.read_all(f"{self._key(id)}:") if self._from_flat_keys else []
        return _Raw(id, None, {setting.key.split(":")[2]: setting for setting in found}) if found else None

    def _read_all(self) -> list[_Raw]:
        """What there is for each id, sorted by id."""
        documents: dict[str, Setting] = {}
        fields: dict[str, dict[str, Setting]] = {}
        for setting in store.read_all(f"{self._kind}:"):
            _, id, *rest = setting.key.split(":")
            if not rest:
                documents[id] = setting
            elif self._from_flat_keys:
                fields.setdefault(id, {})[rest[0]] = setting
        return [_Raw(id, documents.get(id), fields.get(id, {})) for id in sorted(documents.keys() | fields.keys())]

    def _parsed(self, raw: _Raw) -> T:
        """The document; its copy is kept. SettingInvalid when it cannot be read."""
        try:
            if not is_database_id(raw.id):
                raise ValueError("its id must have 1 to 50 of a-z, 0-9 and _, and begin with a letter.")
            if raw.setting is not None:
                document = self._model.model_validate_json(raw.setting.value)
            else:
                assert self._from_flat_keys is not None
                document = self._from_flat_keys(raw.id, {name: field.value for name, field in raw.fields.items()})
            if document.id != raw.id:
                raise ValueError(f"its id is {document.id!r}.")
        except ValidationError as error:
            names = ", ".join(".".join(str(part) for part in problem["loc"]) or "JSON" for problem in error.errors())
            raise SettingInvalid(f"{self._key(raw.id)} in App Configuration cannot be read: see {names}.") from None
        except (ValueError, InvalidRequest) as error:
            raise SettingInvalid(f"{self._key(raw.id)} in App Configuration cannot be read: {error}") from None
        last_known.remember(self._kind, raw.id, document.model_dump_json(), raw.etag)
        return document

    def _visible(self, document: T, tenant: str | None) -> T:
        if not _sees(tenant, document):
            raise self._not_found(document.id)
        return document

    def _not_found(self, id: str) -> NotFound:
        return NotFound(f"There is no {self._kind.removesuffix('s')} {id[:100]!r}.")

    def _key(self, id: str) -> str:
        return f"{self._kind}:{id}"


def _sees(tenant: str | None, document: DatabaseConfig | TargetConfig) -> bool:
    """The one place that says what of the configuration a tenant sees."""
    return tenant is None or tenant == document.tenant_id
