"""Keeps the settings of whoever runs the tests out of them."""

import os

OURS = (
    "ALLOWED_", "AZURE_", "AzureWebJobs", "BACKUP_", "DATABASE_", "DEBUG_MODE", "DILUX_", "ENABLE_", "ENVIRONMENT",
    "IDENTITY_", "LOG_LEVEL", "MANAGED_IDENTITY_", "MSI_", "SCHEDULER_", "STORAGE_CONNECTION_STRING",
)  # fmt: skip
"""How the names of variables begin that the product or the Azure SDKs read."""


def remove_our_settings() -> None:
    """Takes them all out of this process's environment."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
