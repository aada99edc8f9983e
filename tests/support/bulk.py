"""Tables that take a while to dump."""

from local.servers import DatabaseServer
from tests.support.databases import run_sql


def fill(server: DatabaseServer, database: str, megabytes: int) -> None:
    """Makes a table of so many MB that do not compress well, so that a dump takes its time."""
    rows = megabytes * 1024
    if server.family == "mysql":
        body = ", ".join(f"SHA2(seq * 8 + {number}, 512)" for number in range(8))
        source = f"SELECT seq, CONCAT({body}) FROM seq_1_to_{rows}"
    else:
        body = " || ".join(f"encode(sha512((n * 8 + {number})::text::bytea), 'hex')" for number in range(8))
        source = f"SELECT n, {body} FROM generate_series(1, {rows}) AS n"
    run_sql(
        server,
        ["CREATE TABLE bulk (id INT PRIMARY KEY, body VARCHAR(1024))", f"INSERT INTO bulk {source}"],
        database=database,
    )
