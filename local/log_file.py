"""Log files that do not grow for ever."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

# Each log takes at most four times this, in bytes.
LONGEST = 5 * 1024 * 1024
OLD_FILES = 3

# Whose messages belong to the host.
LOGGERS = ("local", "uvicorn")


@contextmanager
def host_log(path: Path) -> Iterator[None]:
    """Has what the host logs go to the file, too; the file keeps its last 20 MB."""
    handler = _rotating(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
        logging.getLogger(name).addHandler(handler)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(handler)
        handler.close()


@contextmanager
def output_log(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that appends what a process printed to the file; the file keeps its last 20 MB."""
    handler = _rotating(path)
    handler.terminator = ""
    try:
        yield lambda output: handler.emit(logging.makeLogRecord({"msg": output.decode(errors="replace")}))
    finally:
        handler.close()


def _rotating(path: Path) -> RotatingFileHandler:
    return RotatingFileHandler(path, maxBytes=LONGEST, backupCount=OLD_FILES, encoding="utf-8", delay=True)
