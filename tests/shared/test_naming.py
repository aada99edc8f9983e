"""Names that outlive a run: their forms, and that one thing has one name."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import naming
from shared.errors import InvalidRequest
from shared.models.database import DatabaseConfig
from shared.models.run import BlobAddress
from tests.support.records import database_config

pytestmark = pytest.mark.unit

MOMENT = datetime(2024, 11, 29, 8, 0, 0, 999_999, tzinfo=UTC)
BACKUP_ID = "backup-20241129-080000-abc123"
BLOB = BlobAddress(container="shop-backups", name="2024/11/29/backup-shop-20241129080000-abc123.sql.gz")
moments = st.timedeltas(timedelta(0), timedelta(days=365 * 7000)).map(lambda since: MOMENT + since)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("New Database", "new_database"),
        ("prod_website", "prod_website"),
        ("  Café --- Ñandú  ", "cafe_nandu"),
        ("2nd shop", "db_2nd_shop"),
        ("a/b#c?d", "a_b_c_d"),
        ("x" * 49 + " yz", "x" * 49),
        ("漢字", f"db_{naming.six_from('漢字')}"),
    ],
)
def test_a_database_id_is_made_from_its_name(name: str, expected: str) -> None:
    assert naming.database_id_from(name) == expected


@given(st.text())
def test_every_name_gives_a_legal_id_and_a_legal_secret_name(name: str) -> None:
    database_id = naming.database_id_from(name)

    assert naming.is_database_id(database_id)
    secret = naming.password_secret(database_config(id=database_id).secret_slug)
    assert re.fullmatch("[0-9a-zA-Z-]{1,127}", secret)


@pytest.mark.parametrize("text", ["", "1a", "_a", "A", "a-b", "a" * 51, "ñ", "a\n", "a b"])
def test_other_texts_are_no_database_ids(text: str) -> None:
    assert not naming.is_database_id(text)


def test_secret_names_have_hyphens_for_underscores() -> None:
    slug = database_config(id="prod_website").secret_slug

    assert naming.username_secret(slug) == "db-prod-website-username"
    assert naming.password_secret(slug) == "db-prod-website-password"


def test_random_six_differ() -> None:
    drawn = {naming.random_six() for _ in range(100)}

    assert len(drawn) == 100
    assert all(re.fullmatch("[a-z0-9]{6}", six) for six in drawn)


def test_derived_six_depend_on_their_text_alone() -> None:
    assert naming.six_from("a") == naming.six_from("a") == "hfioqg"
    assert len({naming.six_from(str(number)) for number in range(1000)}) == 1000


def test_a_backup_id_tells_the_moment_in_utc() -> None:
    madrid = MOMENT.astimezone(timezone(timedelta(hours=1)))

    assert naming.backup_id(madrid, "abc123") == BACKUP_ID
    assert naming.moment_of(BACKUP_ID) == MOMENT.replace(microsecond=0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../x",
        "..%2Fx",
        "a%00b",
        "https://x/backup-20241129-080000-abc123",
        "backup-20241129-080000-abc123\n",
        "backup-20241129-080000-ABC123",
        "backup-20241329-080000-abc123",
        "backup-20241129-250000-abc123",
        "backup-２0241129-080000-abc123",
    ],
)
def test_other_texts_are_no_backup_ids(text: str) -> None:
    assert not naming.is_backup_id(text)
    with pytest.raises(ValueError, match="is not a backup id"):
        naming.history_key(text)


def config() -> DatabaseConfig:
    return database_config(id="shop", storage_container="shop-backups")


def test_a_blob_lies_under_the_day_of_its_start() -> None:
    blob = naming.blob_address(config(), MOMENT, BACKUP_ID, 1, "sql.gz")

    assert blob == BLOB


def test_each_attempt_has_a_blob_of_its_own() -> None:
    names = [naming.blob_address(config(), MOMENT, BACKUP_ID, attempt, "sql.gz").name for attempt in range(1, 7)]

    assert len(set(names)) == 6
    assert all(re.fullmatch(r"2024/11/29/backup-shop-20241129080000-[a-z0-9]{6}\.sql\.gz", name) for name in names)
    again = naming.blob_address(config(), MOMENT, BACKUP_ID, 2, "sql.gz")
    assert again.name == names[1]


def test_what_belongs_to_a_backup_lies_beside_it() -> None:
    stem = "2024/11/29/backup-shop-20241129080000-abc123"

    assert naming.manifest_address(BLOB).path == f"shop-backups/{stem}.manifest.json"
    assert naming.globals_address(BLOB).path == f"shop-backups/{stem}.globals.sql.gz"
    assert naming.log_address(BACKUP_ID).path == f"system-logs/{BACKUP_ID}.log.gz"


@pytest.mark.parametrize("name", ["abc", "website-backups", "0-0", "a" * 63])
def test_container_names_that_azure_takes_pass(name: str) -> None:
    naming.check_container(name)


@pytest.mark.parametrize(
    "name", ["My-Backups", "my_backups", "ab", "a--b", "-ab", "ab-", "a" * 64, "", "abc\n", "$logs", "añb"]
)
def test_br_63_a_bad_container_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidRequest, match="3 to 63 lower-case letters, digits and hyphens"):
        naming.check_container(name)


@pytest.mark.parametrize("key", ["a'b%ü", "x" * 512, ""])
def test_table_keys_that_azure_takes_pass(key: str) -> None:
    assert naming.is_table_key(key)


@pytest.mark.parametrize("key", ["a/b", "a\\b", "a#b", "a?b", "a\nb", "a\x7fb", "a\x9fb", "x" * 513, "🚀" * 257])
def test_br_89_forbidden_table_keys_are_known(key: str) -> None:
    assert not naming.is_table_key(key)


@given(moments, moments)
def test_later_moments_sort_first(one: datetime, other: datetime) -> None:
    assert (one > other) == (naming.newest_first(one) < naming.newest_first(other))
    assert len(naming.newest_first(one)) == 19


def test_newest_first_counts_the_ticks_of_dotnet() -> None:
    # DateTime.MaxValue.Ticks - new DateTime(1970, 1, 1).Ticks
    assert naming.newest_first(datetime(1970, 1, 1, tzinfo=UTC)) == str(3155378975999999999 - 621355968000000000)


def test_a_history_key_follows_from_the_backup_id() -> None:
    key = naming.history_key(BACKUP_ID)

    assert key == f"{naming.newest_first(MOMENT.replace(microsecond=0))}-{BACKUP_ID}"
    assert naming.is_table_key(key)
