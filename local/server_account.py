"""Who runs a database server on this machine, and where that account may keep its data: servers refuse to be root."""

import hashlib
import logging
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SYSTEM_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
ELSEWHERE = "data-lies-elsewhere"
NOTE_OF_HOME = "belongs-to"
SHARED_FOLDER = Path("/var/tmp")  # noqa: S108 - a folder in it is taken only when it is the account's own

logger = logging.getLogger(__name__)

# The kernel kills a child of a thread that ended, not only of a process that ended. So one thread, which lives as long
# as this process, starts all servers.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")


class ServerFailed(Exception):
    """A server did not start; the message says why, with the last lines of its log."""


@dataclass(frozen=True)
class ServerAccount:
    """Who runs a server: None for the numbers means the caller itself."""

    uid: int | None = None
    gid: int | None = None

    def owns(self, path: Path) -> bool:
        return path.lstat().st_uid == (os.getuid() if self.uid is None else self.uid)

    def can_enter(self, folder: Path) -> bool:
        """True when the account may pass every folder down to this one."""
        if self.uid is None:
            return True
        for step in (folder, *folder.parents):
            status = step.stat()
            bit = 0o100 if status.st_uid == self.uid else 0o010 if status.st_gid == self.gid else 0o001
            if not status.st_mode & bit:
                return False
        return True

    def give(self, path: Path, mode: int) -> None:
        """Makes `path` the account's own."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def run(self, argv: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
        """Starts `argv` as this account, output to `log`, tied to the life of this process."""
        setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
        tied = (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()
        with log.open("ab") as output:
            return _starter.submit(
                subprocess.Popen,
                [*tied, *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"},
                start_new_session=True,
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
            ).result()


def account_named(name: str) -> ServerAccount:
    """The account that runs a server: servers refuse to run as root."""
    if os.getuid() != 0:
        return ServerAccount()
    for candidate in (name, "nobody"):
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        return ServerAccount(entry.pw_uid, entry.pw_gid)
    raise ServerFailed(f"There is no account to run a server as: neither {name} nor nobody.")


def home_for(folder: Path, account: ServerAccount) -> Path:
    """`folder`, the account's own; or, where the account cannot reach it, a folder of its own under /var/tmp.

    A note in `folder` stands for the data that lie elsewhere: who deletes the folder starts afresh.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if account.can_enter(folder.parent):
        account.give(folder, 0o700)
        return folder
    _remove_abandoned_homes(account)
    note = folder / ELSEWHERE
    home = SHARED_FOLDER / f"dilux-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    note.write_text(f"{home}\n")
    if not home.exists():
        home.mkdir(0o700)
        account.give(home, 0o700)
    if home.is_symlink() or not account.owns(home):
        raise ServerFailed(f"{home} belongs to somebody else: remove it, or choose another folder than {folder}.")
    (home / NOTE_OF_HOME).write_text(str(note))  # after the note itself, or another start would remove the home
    logger.warning("The server's account cannot reach %s: its data lie in %s.", folder, home)
    return home


def _remove_abandoned_homes(account: ServerAccount) -> None:
    """Data under /var/tmp go when the folder that they belong to is gone."""
    for home in SHARED_FOLDER.glob("dilux-*"):
        note_of_home = home / NOTE_OF_HOME
        if home.is_symlink() or not account.owns(home) or not note_of_home.is_file():
            continue
        if not Path(note_of_home.read_text()).exists():
            shutil.rmtree(home, ignore_errors=True)  # another start may be removing it as well
