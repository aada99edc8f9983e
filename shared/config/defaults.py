"""The defaults of the installation: `backup:*` in App Configuration, and behind them its settings."""

import logging
from collections.abc import Mapping

from pydantic import Field, ValidationError

from shared.config import last_known, store
from shared.errors import ConfigurationUnavailable, InvalidRequest, SettingInvalid
from shared.models import Value
from shared.schedule import parse_frequency
from shared.settings import settings

logger = logging.getLogger(__name__)

KIND = "backup"
_BEGINNING = f"{KIND}:"


class Defaults(Value):
    """What holds where a database says nothing, and how many backups run at one time."""

    default_frequency: str = "1d"
    default_retention_days: int = Field(default_factory=lambda: settings().backup_retention_days, ge=1, le=365)
    max_concurrent_backups: int = Field(default_factory=lambda: settings().backup_max_concurrent, ge=1, le=10)


def defaults() -> Defaults:
    """The defaults as they are now; the last ones known, or else the settings, when App Configuration does not answer.

    Raises SettingInvalid, naming the key, when one cannot be read.
    """
    try:
        found = store.read_all(_BEGINNING)
    except ConfigurationUnavailable:
        copy = last_known.recall(KIND, "defaults")
        return Defaults() if copy is None else Defaults.model_validate_json(copy)
    read = _parsed({setting.key.removeprefix(_BEGINNING): setting.value for setting in found})
    last_known.remember(KIND, "defaults", read.model_dump_json(), " ".join(setting.etag for setting in found))
    return read


def backup_slots() -> int:
    """How many backups run at one time. A default that somebody broke by hand stops none of them: the setting holds."""
    try:
        return defaults().max_concurrent_backups
    except SettingInvalid as broken:
        logger.error("defaults cannot be read", extra={"reason": broken.message})
        return settings().backup_max_concurrent


def _parsed(values: Mapping[str, str]) -> Defaults:
    try:
        read = Defaults.model_validate(values)
        parse_frequency(read.default_frequency)
    except ValidationError as error:
        names = ", ".join(f"{_BEGINNING}{problem['loc'][0]}" for problem in error.errors())
        raise SettingInvalid(f"{names} in App Configuration cannot be read.") from None
    except InvalidRequest as refusal:
        raise SettingInvalid(f"{_BEGINNING}default_frequency in App Configuration: {refusal.message}") from None
    return read
