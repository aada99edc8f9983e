"""Files and folders that only their owner may read."""

import os
from pathlib import Path


def make_private_folder(folder: Path) -> Path:
    """The folder, created with its parents if missing, mode 0700."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def write_private_file(path: Path, content: bytes) -> None:
    """Put content at path, mode 0600: after a crash the path holds either the old content or all of the new."""
    # Always the same draft: one left by a crash is overwritten, not added to.
    draft = path.with_name(f".{path.name}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
