"""The fields that bodies share, each with its rule: a broken rule is a fault of that field, told with all others.

A rule that depends on another field reads it from what was validated before, so the order of a body's fields matters:
type, host, ssl_mode and so on, as in `DatabaseFields`.
"""

import unicodedata
from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
)

from shared import catalogue, hosts, schedule
from shared.errors import InvalidRequest
from shared.models.database import DatabaseType, Rung, SslMode
from shared.naming import check_container
from shared.problems import bad_field, checked, refusals_as_faults

BAD_PORT = "Port must be between 1-65535"
BAD_CRON = "Invalid cron expression"
NO_PASSWORD = "Password required"  # noqa: S105  # the specification's text, no password
MIDNIGHT = "0 0 * * *"
SERVER = AliasChoices("host", "server")
"""Azure SQL calls a host its server."""
RUNGS_OF_RUNS = (Rung.STORED, Rung.READABLE)


def _printable(text: str) -> str:
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in text):
        raise bad_field("Must not hold control characters.")
    return text


def _supported_type(name: object) -> object:
    if not isinstance(name, str):
        return name
    with refusals_as_faults():
        return catalogue.supported_type(name)


def _whole_port(port: object) -> object:
    if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
        raise bad_field(BAD_PORT, title=BAD_PORT)
    return port


def _allowed_host(host: str, info: ValidationInfo) -> str:
    # Where the type is not known the laxest one stands in: the host must not be blamed for the type.
    kind = info.data.get("type") or DatabaseType.MYSQL_VM
    with refusals_as_faults():
        hosts.check_host(host, kind)
    return host


def _canonical_ssl_mode(mode: object, info: ValidationInfo) -> object:
    if mode == "required":
        return SslMode.REQUIRE
    if mode != "preferred":
        return mode
    if not hosts.is_allowed_network(info.data.get("host") or ""):
        raise bad_field("`preferred` falls back to plain text without a word: say `require`, or `disable` on purpose.")
    return SslMode.DISABLE


def _usable_password(password: SecretStr) -> SecretStr:
    text = password.get_secret_value()
    if not text:
        raise bad_field(NO_PASSWORD, title=NO_PASSWORD)
    if len(text) > 1000 or "\0" in text:
        raise bad_field("A password has at most 1000 characters, none of them the zero character.")
    return password


def _allowed_database(name: str, info: ValidationInfo) -> str:
    with refusals_as_faults():
        if info.data.get("type"):
            catalogue.check_database_name(info.data["type"], name)
    return name


def _allowed_options(options: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    with refusals_as_faults():
        if info.data.get("type"):
            catalogue.check_options(info.data["type"], options)
    return options


def _fires(expression: str, info: ValidationInfo) -> str:
    if info.data.get("frequency") is not None:
        raise bad_field("`frequency` and `schedule` exclude each other.")
    try:
        schedule.check_schedule(expression, "UTC")
    except InvalidRequest as refusal:
        raise bad_field(f"{BAD_CRON}: {refusal.message}", title=BAD_CRON) from refusal
    return expression


def _written_time(moment: object) -> object:
    if not isinstance(moment, str | datetime):
        raise bad_field("Must be a time with its offset, such as 2026-01-02T03:04:05Z.")
    return moment


def _near_time(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2100:
        raise bad_field("Must lie between 2000 and 2100.")
    return moment


def _rung_of_a_run(rung: Rung) -> Rung:
    if rung not in RUNGS_OF_RUNS:
        raise bad_field("A run proves `stored` or `readable`; prove more with POST /api/backups/{id}/verify.")
    return rung


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_printable),
    Field(description="Free text for people; the id is made from it."),
]
TypeName = Annotated[
    DatabaseType,
    BeforeValidator(_supported_type),
    Field(description="One of GET /api/types, or one of its short aliases."),
]
Host = Annotated[
    str,
    AfterValidator(_allowed_host),
    Field(max_length=253, description="A full domain name or an IP address; `server` is read as an alias."),
]
Port = Annotated[
    int,
    Field(ge=1, le=65535, description="By default the usual port of the type."),
    BeforeValidator(_whole_port),
]
Username = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Password = Annotated[
    SecretStr,
    AfterValidator(_usable_password),
    Field(description="Kept in Key Vault alone; no answer ever holds it."),
]
SslModeName = Annotated[
    SslMode,
    BeforeValidator(_canonical_ssl_mode),
    Field(
        description="`required` is read as `require`; `preferred` as `disable`, and only where ALLOWED_NETWORKS holds "
        "the host."
    ),
]
DatabaseName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128),
    AfterValidator(_printable),
    AfterValidator(_allowed_database),
    Field(description="The database's name on its server: whatever its engine allows."),
]
Frequency = Annotated[
    str,
    AfterValidator(checked(schedule.parse_frequency)),
    Field(max_length=20, description="`<n>m`, `<n>h`, `<n>d` or `<n>w`, from 15m up.", examples=["6h"]),
]
Schedule = Annotated[
    str,
    AfterValidator(_fires),
    Field(max_length=200, description="A cron expression of 5 fields, or 6 with seconds 0.", examples=["30 2 * * *"]),
]
TimeZone = Annotated[
    str,
    AfterValidator(checked(lambda name: schedule.check_schedule(MIDNIGHT, name))),
    Field(max_length=60, description="The IANA zone in which `schedule` is read."),
]
StartsAt = Annotated[
    AwareDatetime,
    BeforeValidator(_written_time),
    AfterValidator(_near_time),
    Field(description="The anchor of the due times; by default the time of creation."),
]
Container = Annotated[
    str,
    AfterValidator(checked(check_container)),
    Field(max_length=100, description="Made on first use in the backup account."),
]
RetentionDays = Annotated[int, Field(ge=1, le=365, strict=True)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), AfterValidator(_printable)]
Tags = Annotated[tuple[Tag, ...], Field(max_length=20)]
Flag = Annotated[bool, Field(strict=True)]
RunRung = Annotated[Rung, AfterValidator(_rung_of_a_run)]
Options = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...],
    Field(
        max_length=20,
        description="Further options of the dump tool; the refusal of another one lists those that are allowed.",
    ),
    AfterValidator(_allowed_options),
]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=50)]

DatabaseId = Annotated[str, Path(description="As GET /api/databases lists it.")]
TargetId = Annotated[str, Path(description="As GET /api/targets lists it.")]
BackupId = Annotated[str, Path(description="As GET /api/backups lists it.")]
OperationId = Annotated[str, Path(description="As verify and restore answered it.")]
