"""What a server said about a database before it was dumped: the yardstick of verification and restore."""

from shared.models import Value


class ObjectName(Value):
    """An object of a database. MySQL has no schemas inside a database: its `schema_name` is empty."""

    schema_name: str = ""
    name: str

    @property
    def text(self) -> str:
        """The name as people write it."""
        return f"{self.schema_name}.{self.name}" if self.schema_name else self.name


class Inventory(Value):
    """The objects of one database by kind. Sorted, so that two inventories compare by equality."""

    schemas: tuple[str, ...] = ()
    tables: tuple[ObjectName, ...] = ()
    views: tuple[ObjectName, ...] = ()
    routines: tuple[ObjectName, ...] = ()
    """Procedures and functions; a PostgreSQL function's name carries its argument types."""
    triggers: tuple[ObjectName, ...] = ()
    events: tuple[ObjectName, ...] = ()
    sequences: tuple[ObjectName, ...] = ()
    large_objects: int = 0


class ServerFacts(Value):
    """Who answers: vendor, version and the character sets that matter for a dump."""

    vendor: str
    """`mariadb`, `mysql` or `postgresql`."""
    version: str
    """As the server tells it."""
    version_number: tuple[int, ...]
    """The leading numbers, such as (10, 11, 19) or (17, 10)."""
    character_set: str
    """Of the database: `utf8mb4`, `UTF8`, ..."""
    collation: str = ""
    encrypted: bool = False
    """Whether the connection that told this was protected by TLS; so must be the tools'."""
    generated_columns: bool = False
    """Whether a table of the database has any: MariaDB's client cannot dump those of a MySQL server."""

    @property
    def major(self) -> int:
        """The first number of the version."""
        return self.version_number[0]


class Probe(Value):
    """All that `inspect_database` learns in one connection."""

    server: ServerFacts
    size_bytes: int
    """The server's own estimate of the database's data; the dump may be larger or smaller."""
    inventory: Inventory
    warnings: tuple[str, ...] = ()


class TableDigest(Value):
    """Rows and content of one table, computed by its server; only digests of one method compare."""

    table: ObjectName
    rows: int
    digest: str


class ContentDigest(Value):
    """Rows and content of all tables, and the positions of sequences."""

    method: str
    """Names the statement that made the digests."""
    tables: tuple[TableDigest, ...]
    sequences: tuple[tuple[str, int], ...] = ()
    large_objects: str = ""
    """A digest over all large objects, empty where there are none."""

    @property
    def rows(self) -> int:
        """The rows of all tables together."""
        return sum(table.rows for table in self.tables)
