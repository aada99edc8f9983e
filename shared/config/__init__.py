"""What App Configuration holds: one document for each database and target, and the defaults of the installation."""

from shared.config.defaults import Defaults, backup_slots, defaults
from shared.config.documents import BrokenDocument, Documents, Listing
from shared.config.flat_keys import config_from
from shared.models.database import DatabaseConfig, TargetConfig

MOST_DATABASES = 100

databases = Documents("databases", DatabaseConfig, most=MOST_DATABASES, from_flat_keys=config_from)
"""`databases:{id}`; the specification's `databases:{id}:{field}` are read where there is no document."""

targets = Documents("targets", TargetConfig, most=MOST_DATABASES)
"""`targets:{id}`."""

__all__ = ["BrokenDocument", "Defaults", "Documents", "Listing", "backup_slots", "databases", "defaults", "targets"]
