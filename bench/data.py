"""The data of the benchmark: seeded tables that look like those of a shop, made by their server's fastest way in."""

import json
import random
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import accumulate, cycle, islice
from pathlib import Path
from typing import Any, Protocol

import psycopg2
import pymysql

from local.servers import DatabaseServer

SEED = 20261125
DATABASE = "bench"
MEGABYTE = 1_000_000
DIFFERENT_ROWS = 20_000
"""So many rows of a table differ in more than their number: far more than a compressor remembers."""
SHARES = {"orders": 0.55, "items": 0.35, "attachments": 0.10}
TABLES = {
    "orders": "id int primary key, customer varchar(80), placed varchar(20), note text, details text",
    "items": "id int primary key, order_id int, price decimal(10,2), weight decimal(12,4), amount int, state int",
    "attachments": "id int primary key, name varchar(60), content {bytes}",
}
LETTERS = "eeeeeaaaaaooooossssrrrnnnniiillddtttccuuumppbbgvyqhfzjxñkwáéíóú"
EMOJI = "🚀🔑🍋🎈"
Row = tuple[str, ...]


class Words(Protocol):
    """Gives `k` words."""

    def __call__(self, *, k: int) -> list[str]: ...


def load(server: DatabaseServer, megabytes: int, folder: Path) -> None:
    """Makes the database with about this much data, counted as its dump has it."""
    if server.family == "mysql":
        _load_mariadb(server, megabytes, folder)
    else:
        _load_postgresql(server, megabytes, folder)


def rows(table: str, size: int) -> Iterator[str]:
    """A table's rows: lines of tab-separated fields, bytes in hex, `size` bytes in all."""
    source = random.Random(f"{SEED} {table}")
    make = {"orders": _order, "items": _item, "attachments": _attachment}[table]
    words, weights = _vocabulary(source)
    count = DIFFERENT_ROWS if table != "attachments" else 200
    bodies = ["\t".join(make(source, partial(source.choices, words, cum_weights=weights))) for _ in range(count)]
    written = 0
    for number, body in enumerate(cycle(bodies), 1):
        line = f"{number}\t{body}\n"
        written += len(line.encode())
        yield line
        if written >= size:
            return


def _vocabulary(source: random.Random) -> tuple[list[str], list[float]]:
    """Words and how often each is met, cumulated: as in languages, few are met very often and most are rare."""
    words = ["".join(source.choices(LETTERS, k=source.randint(2, 11))) for _ in range(30_000)]
    return words, list(accumulate(1 / rank for rank in range(1, len(words) + 1)))


def _order(source: random.Random, words: Words) -> Row:
    details = {
        "channel": source.choice(["web", "shop", "phone"]),
        "points": source.randint(0, 5000),
        "tags": words(k=3),
    }
    note = f"{' '.join(words(k=18))} {source.choice(EMOJI)}"
    return (
        " ".join(words(k=2)),
        f"2026-{source.randint(1, 12):02}-{source.randint(1, 28):02}",
        note,
        json.dumps(details),
    )


def _item(source: random.Random, words: Words) -> Row:
    price, weight = f"{source.uniform(1, 900):.2f}", f"{source.expovariate(0.1):.4f}"
    return (str(source.randint(1, 2_000_000)), price, weight, str(source.randint(1, 9)), str(source.randint(0, 4)))


def _attachment(source: random.Random, words: Words) -> Row:
    text = " ".join(words(k=2600)).encode()[:16_384]
    return ("_".join(words(k=2)), (source.randbytes(16_384) + text).hex())


def _load_mariadb(server: DatabaseServer, megabytes: int, folder: Path) -> None:
    with (
        pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.admin_user,
            password=server.admin_password,
            charset="utf8mb4",
            local_infile=True,
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"create database {DATABASE} character set utf8mb4")
        cursor.execute(f"use {DATABASE}")
        for table, columns in TABLES.items():
            cursor.execute(f"create table {table} ({columns.format(bytes='longblob')})")
            file = _written(folder / table, rows(table, int(megabytes * MEGABYTE * SHARES[table])))
            columns = "(id, name, @hex) set content = unhex(@hex)" if table == "attachments" else ""
            form = f"character set utf8mb4 fields escaped by '' {columns}"
            cursor.execute(f"load data local infile '{file}' into table {table} {form}")
            file.unlink()
        connection.commit()


def _load_postgresql(server: DatabaseServer, megabytes: int, folder: Path) -> None:
    login: dict[str, Any] = {
        "host": server.host,
        "port": server.port,
        "user": server.admin_user,
        "password": server.admin_password,
    }
    administrator = psycopg2.connect(**login, dbname="postgres")
    administrator.autocommit = True
    administrator.cursor().execute(f"create database {DATABASE} template template0 encoding 'UTF8'")
    administrator.close()
    connection = psycopg2.connect(**login, dbname=DATABASE)
    with connection, connection.cursor() as cursor:
        for table, columns in TABLES.items():
            cursor.execute(f"create table {table} ({columns.format(bytes='bytea')})")
            # PostgreSQL's text form of bytes is \x and hex; COPY wants the backslash doubled.
            mark = "\\\\x" if table == "attachments" else ""
            lines = (_marked(row, mark) for row in rows(table, int(megabytes * MEGABYTE * SHARES[table])))
            file = _written(folder / table, lines)
            with file.open() as content:
                cursor.copy_expert(f"copy {table} from stdin", content)
            file.unlink()
    connection.close()


def _marked(line: str, mark: str) -> str:
    head, tab, last = line.rpartition("\t")
    return f"{head}{tab}{mark}{last}" if mark else line.replace("\\", "\\\\")


def _written(path: Path, lines: Iterable[str]) -> Path:
    """The file with these lines, written in large pieces."""
    rest = iter(lines)
    with path.open("w", encoding="utf-8") as file:
        while piece := "".join(islice(rest, 20_000)):
            file.write(piece)
    return path
