"""Seeded data for the benchmarks, in the proportions of the measurements that the targets come from.

Of each gigabyte of SQL: 1.8 million orders (words by Zipf's law, accents, emojis, JSON), 0.3 million customers,
3.6 million items and 1.5 million metrics (numbers), and 2,000 attachments of 32 KiB, each half random bytes and half
text.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from io import StringIO

import psycopg2
import pymysql

from local.servers import DatabaseServer

SEED = 20261125
DATABASE = "bench"
WORDS = [
    "pedido", "cliente", "camión", "envío", "factura", "número", "producto", "rápido", "café", "piñata",
    "azul", "verde", "calle", "ciudad", "almacén", "devolución", "pago", "tarjeta", "oferta", "temporada",
    "regalo", "🚚", "🎉", "☕", "✅", "urgente", "frágil", "nuevo", "usado", "cantidad", "precio", "mañana",
    "tarde", "semana", "jueves", "correo", "teléfono", "dirección", "puerta", "caja", "bolsa", "grande",
    "pequeño", "mediano", "rojo", "negro", "blanco", "papel", "madera", "metal", "vidrio", "algodón",
]  # fmt: skip
ROWS_PER_BATCH = 5000
ATTACHMENT_BYTES = 32 * 1024

Row = tuple[object, ...]
Table = tuple[str, str, int, Callable[[random.Random, int], Row]]
WEIGHTS = [1 / rank for rank in range(1, len(WORDS) + 1)]


def _order(chance: random.Random, number: int) -> Row:
    words = chance.choices(WORDS, WEIGHTS, k=12)
    document = f'{{"channel": "{words[0]}", "lines": {number % 9}, "gift": {"true" if number % 5 == 0 else "false"}}}'
    return number, chance.randrange(300_000), " ".join(words), document, f"{chance.random() * 1000:.2f}"


def _customer(chance: random.Random, number: int) -> Row:
    first, second = chance.choices(WORDS, WEIGHTS, k=2)
    return number, f"{first} {second}", f"{second}.{number}@example.com"


def _item(chance: random.Random, number: int) -> Row:
    return number, number // 2, chance.randrange(5000), chance.randrange(1, 20), f"{chance.random() * 100:.2f}"


def _metric(chance: random.Random, number: int) -> Row:
    return number, 1_700_000_000 + number * 60, f"{chance.gauss(50, 12):.4f}", f"{chance.random():.6f}"


# Name, columns, rows of a gigabyte, and how a row is made.
TABLES: Sequence[Table] = (
    (
        "orders",
        "id INT PRIMARY KEY, customer INT NOT NULL, note TEXT, document {json}, amount DECIMAL(10,2)",
        1_800_000,
        _order,
    ),
    ("customers", "id INT PRIMARY KEY, name VARCHAR(80), mail VARCHAR(80)", 300_000, _customer),
    ("items", "id INT PRIMARY KEY, orders INT, product INT, pieces INT, price DECIMAL(10,2)", 3_600_000, _item),
    (
        "metrics",
        "id INT PRIMARY KEY, moment BIGINT, value DOUBLE PRECISION, share DOUBLE PRECISION",
        1_500_000,
        _metric,
    ),
)
ATTACHMENTS = 2_000


def fill(server: DatabaseServer, megabytes: int) -> None:
    """Makes a fresh database that dumps to about `megabytes` (10^6 bytes) of SQL."""
    if server.family == "mysql":
        _fill_mariadb(server, megabytes / 1000)
    else:
        _fill_postgresql(server, megabytes / 1000)


def _batches(table: Table, share: float) -> Iterator[list[Row]]:
    chance = random.Random(f"{SEED} {table[0]}")
    count = int(table[2] * share)
    for first in range(1, count + 1, ROWS_PER_BATCH):
        yield [table[3](chance, number) for number in range(first, min(first + ROWS_PER_BATCH, count + 1))]


def _attachments(share: float) -> Iterator[Row]:
    chance = random.Random(SEED)
    for number in range(1, int(ATTACHMENTS * share) + 1):
        text = " ".join(chance.choices(WORDS, WEIGHTS, k=4000)).encode()[: ATTACHMENT_BYTES // 2]
        yield number, chance.randbytes(ATTACHMENT_BYTES - len(text)) + text


def _fill_mariadb(server: DatabaseServer, share: float) -> None:
    connection = pymysql.connect(
        host=server.host,
        port=server.port,
        user=server.admin_user,
        password=server.admin_password,
        charset="utf8mb4",
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {DATABASE}")
        cursor.execute(f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {DATABASE}")
        for table in TABLES:
            cursor.execute(f"CREATE TABLE {table[0]} ({table[1].format(json='JSON')})")
            for batch in _batches(table, share):
                cursor.executemany(f"INSERT INTO {table[0]} VALUES ({', '.join(['%s'] * len(batch[0]))})", batch)
                connection.commit()
        cursor.execute("CREATE TABLE attachments (id INT PRIMARY KEY, content LONGBLOB)")
        for row in _attachments(share):
            cursor.execute("INSERT INTO attachments VALUES (%s, %s)", row)
        connection.commit()


def _fill_postgresql(server: DatabaseServer, share: float) -> None:
    def connect(database: str) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host=server.host,
            port=server.port,
            user=server.admin_user,
            password=server.admin_password,
            dbname=database,
        )

    connection = connect("postgres")
    connection.autocommit = True
    connection.cursor().execute(f"DROP DATABASE IF EXISTS {DATABASE}")
    connection.cursor().execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")
    connection.close()
    connection = connect(DATABASE)
    with connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"CREATE TABLE {table[0]} ({table[1].format(json='JSONB')})")
            for batch in _batches(table, share):
                lines = StringIO("".join("\t".join(map(str, row)) + "\n" for row in batch))
                cursor.copy_expert(f"COPY {table[0]} FROM STDIN", lines)
        cursor.execute("CREATE TABLE attachments (id INT PRIMARY KEY, content BYTEA)")
        for row in _attachments(share):
            cursor.execute("INSERT INTO attachments VALUES (%s, %s)", row)
    connection.close()
