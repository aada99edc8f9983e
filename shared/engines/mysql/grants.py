"""Reads the answer to SHOW GRANTS: which privileges a user has on a whole database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# GRANT SELECT, TRIGGER ON `shop\_%`.* TO ... ; grants on single tables, of roles and of PROXY have another shape.
GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<database>\*|`(?:[^`]|``)+`)\.\* TO ")
TABLE_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON `mysql`\.`proc` TO ")
SEE_ROUTINES = ("EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW_ROUTINE", "SHOW CREATE ROUTINE")


@dataclass(frozen=True)
class Grants:
    """Privileges by the pattern of database names on which they were granted; None stands for all databases."""

    on_databases: tuple[tuple[str | None, frozenset[str]], ...]
    reads_routine_table: bool = False

    def cover(self, privilege: str, database: str) -> bool:
        """True when the privilege was seen on the whole database. A role may give it without being seen."""
        return any(
            privilege in privileges or "ALL PRIVILEGES" in privileges
            for pattern, privileges in self.on_databases
            if pattern is None or _matches(pattern, database)
        )

    def show_routines(self, database: str) -> bool:
        """True when the user sees the names of routines; a body that it may not see makes the dump fail aloud."""
        return (
            self.reads_routine_table
            or self.cover("SELECT", "mysql")
            or any(self.cover(privilege, database) for privilege in SEE_ROUTINES)
        )


def parse_grants(lines: Iterable[str]) -> Grants:
    """The grants of one user, as SHOW GRANTS writes them."""
    on_databases: list[tuple[str | None, frozenset[str]]] = []
    reads_routine_table = False
    for line in lines:
        if (grant := GRANT.match(line)) is not None:
            scope = grant["database"]
            pattern = None if scope == "*" else scope[1:-1].replace("``", "`")
            on_databases.append((pattern, frozenset(grant["privileges"].split(", "))))
        elif TABLE_GRANT.match(line) is not None:
            reads_routine_table = True
    return Grants(tuple(on_databases), reads_routine_table)


def _matches(pattern: str, database: str) -> bool:
    """Names of databases in grants are patterns of LIKE."""
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(piece) or re.escape(piece[-1]) for piece in pieces)
    return re.fullmatch(expression, database, re.DOTALL) is not None
