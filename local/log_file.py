"""Log files that do not grow for ever."""

import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

# Each log takes at most four times this, in bytes.
LONGEST = 5 * 1024 * 1024
OLD_FILES = 3


def rotating_handler(path: Path) -> RotatingFileHandler:
    """A log handler that writes to the file and keeps its last 20 MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(path, maxBytes=LONGEST, backupCount=OLD_FILES, encoding="utf-8", delay=True)


def open_output_log(path: Path) -> Callable[[bytes], None]:
    """A function that appends what a process printed to the file; the file keeps its last 20 MB."""
    handler = rotating_handler(path)
    handler.terminator = ""

    def append(output: bytes) -> None:
        handler.handle(logging.makeLogRecord({"msg": output.decode(errors="replace")}))

    return append
