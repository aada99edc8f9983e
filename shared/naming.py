"""Every name that outlives a run: ids, blobs, secrets, containers and the keys of rows."""

import hashlib
import re
import secrets
import string
import unicodedata
from datetime import UTC, datetime

from shared.errors import InvalidRequest
from shared.models.database import DatabaseConfig
from shared.models.run import BlobAddress

LOG_CONTAINER = "system-logs"
SIX_SIGNS = string.ascii_lowercase + string.digits
CONTAINER_RULE = (
    "A container's name has 3 to 63 lower-case letters, digits and hyphens, "
    "begins and ends with a letter or digit, and has no two hyphens in a row."
)

_DATABASE_ID = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)
_BACKUP_ID = re.compile(r"backup-([0-9]{8}-[0-9]{6})-[a-z0-9]{6}", re.ASCII)
_BACKUP_ID_TIME = "%Y%m%d-%H%M%S"
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
# Table keys: https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
_FORBIDDEN_IN_TABLE_KEYS = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")
_LONGEST_TABLE_KEY = 512
# The ticks of .NET: 100 ns each, counted from the year 1.
_TICKS_OF_LAST_MOMENT = 3_155_378_975_999_999_999
_FIRST_MOMENT = datetime(1, 1, 1, tzinfo=UTC)


def is_database_id(text: str) -> bool:
    """Whether `text` can be the id of a database or a target."""
    return _DATABASE_ID.fullmatch(text) is not None


def database_id_from(name: str) -> str:
    """The id made from a free name: `New Database` gives `new_database`.

    Two names may give one id. A name without any Latin letter or digit gets an id made from its hash.
    """
    latin = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", latin).strip("_")
    if not slug:
        slug = f"db_{six_from(name)}"
    elif slug[0].isdigit():
        slug = f"db_{slug}"
    return slug[:50].rstrip("_")


def random_six() -> str:
    """Six random signs of a-z0-9. Plans, which must be deterministic, use `six_from`."""
    return "".join(secrets.choice(SIX_SIGNS) for _ in range(6))


def six_from(text: str) -> str:
    """Six signs of a-z0-9 that depend on `text` alone."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    signs = []
    for _ in range(6):
        number, index = divmod(number, len(SIX_SIGNS))
        signs.append(SIX_SIGNS[index])
    return "".join(signs)


def backup_id(moment: datetime, six: str) -> str:
    """The id of the run that was asked for at `moment`."""
    return f"backup-{moment.astimezone(UTC).strftime(_BACKUP_ID_TIME)}-{six}"


def is_backup_id(text: str) -> bool:
    """Whether `text` has the form of a backup id. Ids in requests are free text until this says yes."""
    return moment_of(text) is not None


def moment_of(backup_id: str) -> datetime | None:
    """When the run was asked for, to the second, as its id tells; None when this is no backup id."""
    match = _BACKUP_ID.fullmatch(backup_id)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _BACKUP_ID_TIME).replace(tzinfo=UTC)
    except ValueError:  # such as month 13
        return None


def blob_address(
    config: DatabaseConfig, started_at: datetime, backup_id: str, attempt: int, extension: str
) -> BlobAddress:
    """Where attempt `attempt` (1, 2, ...) of a run writes its backup: each attempt to a blob of its own name."""
    six = backup_id[-6:] if attempt == 1 else six_from(f"{backup_id} attempt {attempt}")
    start = started_at.astimezone(UTC)
    name = f"{start:%Y/%m/%d}/backup-{config.id}-{start:%Y%m%d%H%M%S}-{six}.{extension}"
    return BlobAddress(container=config.storage_container, name=name)


def manifest_address(backup: BlobAddress) -> BlobAddress:
    """Where the manifest of a backup lies."""
    return _beside(backup, "manifest.json")


def globals_address(backup: BlobAddress) -> BlobAddress:
    """Where a backup's objects of the whole server (roles, tablespaces) lie."""
    return _beside(backup, "globals.sql.gz")


def log_address(backup_id: str) -> BlobAddress:
    """Where the whole stderr of a run's tool lies, redacted."""
    return BlobAddress(container=LOG_CONTAINER, name=f"{backup_id}.log.gz")


def username_secret(slug: str) -> str:
    """The name of the secret with the user name; `slug` is `secret_slug` of a database or target."""
    return f"{slug}-username"


def password_secret(slug: str) -> str:
    """The name of the secret with the password; `slug` is `secret_slug` of a database or target."""
    return f"{slug}-password"


def check_container(name: str) -> None:
    """Raises InvalidRequest, with the rule, when Azure would refuse a container of this name."""
    if _CONTAINER.fullmatch(name) is None:
        raise InvalidRequest(f"Container name {name!r} is not allowed. {CONTAINER_RULE}")


def is_table_key(text: str) -> bool:
    """Whether `text` can be the partition key or row key of a table row."""
    return len(text.encode("utf-16-le", "surrogatepass")) <= 2 * _LONGEST_TABLE_KEY and not (
        _FORBIDDEN_IN_TABLE_KEYS.search(text)
    )


def newest_first(moment: datetime) -> str:
    """A row key, or its beginning, that sorts later moments first: the inverted ticks, 19 digits."""
    since = moment.astimezone(UTC) - _FIRST_MOMENT
    ticks = (since.days * 86_400 + since.seconds) * 10_000_000 + since.microseconds * 10
    return f"{_TICKS_OF_LAST_MOMENT - ticks:019d}"


def history_key(backup_id: str) -> str:
    """The row key of a run in history: newest first, and told by the id alone. ValueError when this is no backup id."""
    moment = moment_of(backup_id)
    if moment is None:
        raise ValueError(f"{backup_id!r} is not a backup id")
    return f"{newest_first(moment)}-{backup_id}"


def index_partition(moment: datetime) -> str:
    """The partition of the month of `moment` in an index over all databases: later months sort first."""
    month = moment.astimezone(UTC)
    return f"{999_999 - month.year * 100 - month.month:06d}"


def _beside(backup: BlobAddress, extension: str) -> BlobAddress:
    folder, _, file_name = backup.name.rpartition("/")
    # Ids have no dot, so the stem ends at the first one: `backup-shop-20260102030405-abc123` of `....sql.gz`.
    stem = file_name.partition(".")[0]
    return BlobAddress(container=backup.container, name=f"{folder}/{stem}.{extension}")
