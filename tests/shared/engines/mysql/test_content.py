import pytest

from shared.engines.mysql.content import DumpCheck
from shared.errors import BackupCorrupted
from shared.models.inventory import Inventory, ObjectName, Probe, ServerFacts

pytestmark = pytest.mark.unit

MARIADB = b"-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n"
MYSQL = b"-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n"
SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"
OLD_SANDBOX = b"/*!999999\\- enable the sandbox mode */ \n"
CHARSET = b"/*!50503 SET NAMES utf8mb4 */;\n"
TABLE = b"CREATE TABLE `%s` (\n  `id` int\n);\n"
END = b"-- Dump completed on 2026-01-01  0:00:00\n"


def check(data: bytes, *tables: str) -> str:
    facts = ServerFacts(vendor="mysql", version="8", version_number=(8,), character_set="utf8mb4")
    inventory = Inventory(tables=tuple(ObjectName(name=table) for table in tables))
    checked = DumpCheck(Probe(server=facts, size_bytes=0, inventory=inventory))
    checked.feed(data)
    found = checked.finish()
    checked.close()
    return found


@pytest.mark.parametrize("head", [MARIADB, MYSQL, SANDBOX + MARIADB, OLD_SANDBOX + MARIADB])
def test_br25_the_heads_of_both_vendors_are_known(head: bytes) -> None:
    assert "1 tables" in check(head + CHARSET + TABLE % b"a" + END, "a")


@pytest.mark.parametrize("end", [END, END + b"\n\n", b"-- Dump completed\n", END.rstrip()])
def test_blank_lines_may_follow_the_end_marker(end: bytes) -> None:
    check(MYSQL + CHARSET + end)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (MYSQL + CHARSET, "cut off"),
        (MYSQL + CHARSET + END + b"INSERT INTO `a` VALUES (1);\n", "cut off"),
        (MYSQL + b"/*!40101 SET NAMES utf8 */;\n" + END, "utf8mb4"),
        (MYSQL + CHARSET + b"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'x:1-5';\n" + END, "GTID_PURGED"),
        (b"CREATE TABLE `a` (\n" + END, "no dump"),
        (MYSQL + CHARSET + END + MYSQL + CHARSET + END, "second dump"),
        (MYSQL + CHARSET + END + b"\n" + SANDBOX + MARIADB + CHARSET + END, "second dump"),
    ],
)
def test_what_is_no_whole_dump_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(BackupCorrupted, match=told):
        check(data)


def test_data_cannot_pretend_to_be_a_table() -> None:
    faked = b"INSERT INTO `b` VALUES ('\\nCREATE TABLE `a` (');\n"

    with pytest.raises(BackupCorrupted, match="lacks 1 tables: a"):
        check(MYSQL + CHARSET + faked + END, "a")


def test_a_name_that_begins_like_another_is_another() -> None:
    with pytest.raises(BackupCorrupted, match="lacks 1 tables: a"):
        check(MYSQL + CHARSET + TABLE % b"ab" + TABLE % b"a``" + END, "a", "ab")


def test_a_routine_that_quotes_the_markers_does_not_confuse() -> None:
    routine = b"CREATE PROCEDURE `p`()\nBEGIN\n-- Dump completed on a day\nSELECT 1;\nEND ;;\n"

    check(MYSQL + CHARSET + routine + TABLE % b"a" + END, "a")


def test_a_line_without_a_closing_tick_is_no_table() -> None:
    with pytest.raises(BackupCorrupted, match="lacks"):
        check(MYSQL + CHARSET + b"CREATE TABLE `" + b"x" * 700 + b"\n" + END, "x")


def test_a_name_of_the_greatest_length_is_found() -> None:
    check(MYSQL + CHARSET + TABLE % (b"``" * 64) + END, "`" * 64)
