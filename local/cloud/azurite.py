"""Azurite: blobs, queues and tables, as a child process that does not outlive this one.

Azurite writes its indexes to disk every five seconds and when it ends by SIGTERM. So SIGTERM is what it gets when this
process dies, however it dies: what it acknowledged is then on disk, as it would be in Azure. The kernel looks at the
thread that started it: that must be one that lives as long as the host.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

from local.cloud.ports import free_ports
from local.cloud.private_file import write_private_file

SCRIPT = Path(__file__).parents[1] / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
PRELOAD = Path(__file__).with_name("azurite_preload.mjs")
ACCOUNT = "devstoreaccount1"
STOP_SECONDS = 3.5
ATTEMPTS = 3
PORT_TAKEN = "EADDRINUSE"
# The kernel signals the child when its parent dies. The test covers a parent that died before the kernel was asked.
TIED_TO_PARENT = ("setpriv", "--pdeathsig", "TERM", "/bin/sh", "-c", 'test "$PPID" = "$0" || exit 1; exec "$@"')


@dataclass(frozen=True)
class AzuritePorts:
    """The ports of the three services."""

    blob: int
    queue: int
    table: int


class AzuriteFailed(Exception):
    """Azurite did not start; the message says why and what to do."""


class Azurite:
    """One Azurite whose data lie in folder; certificate is a PEM file of certificate and key, signed by authority.

    It gets start_seconds to answer; an earlier one that still works on the folder gets claim_seconds to end.
    """

    def __init__(
        self,
        folder: Path,
        certificate: Path,
        authority: Path,
        *,
        start_seconds: float = 30,
        claim_seconds: float = 10,
    ) -> None:
        self._folder = folder
        self._certificate = certificate
        self._authority = authority
        self._start_seconds = start_seconds
        self._claim_seconds = claim_seconds
        self._log = folder / "azurite.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, wanted: AzuritePorts | None) -> AzuritePorts:
        """Returns the ports once all three services answer: the wanted ones if they are free.

        Raises AzuriteFailed.
        """
        node = shutil.which("node")
        if node is None or not SCRIPT.exists():
            raise AzuriteFailed("Azurite needs Node and its npm package: run `npm ci` in the folder `local`.")
        lock = await self._claim_folder()
        try:
            return await self._start_on_free_ports(node, wanted, lock)
        finally:
            os.close(lock)

    async def stop(self) -> None:
        """Lets Azurite save and ends it, within five seconds."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _start_on_free_ports(self, node: str, wanted: AzuritePorts | None, lock: int) -> AzuritePorts:
        for _ in range(ATTEMPTS):
            hoped_for = [None] * 3 if wanted is None else [wanted.blob, wanted.queue, wanted.table]
            ports = AzuritePorts(*free_ports(hoped_for))
            await self._spawn(node, ports, lock)
            answers = False
            try:
                answers = await self._answers(ports)
            finally:
                if not answers:
                    await self.stop()
            if answers:
                return ports
            if PORT_TAKEN not in self._last_words():
                break
        raise AzuriteFailed(f"Azurite did not answer. Its last words: {self._last_words()}")

    async def _spawn(self, node: str, ports: AzuritePorts, lock: int) -> None:
        options = {
            "--blobPort": ports.blob,
            "--queuePort": ports.queue,
            "--tablePort": ports.table,
            "--blobHost": "127.0.0.1",
            "--queueHost": "127.0.0.1",
            "--tableHost": "127.0.0.1",
            "--location": self._folder,
            "--cert": self._certificate,
            "--key": self._certificate,
            "--oauth": "basic",
        }
        arguments = [str(word) for option in options.items() for word in option]
        # The SDKs speak newer API versions than Azurite knows.
        arguments += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        write_private_file(self._log, b"")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *TIED_TO_PARENT,
                str(os.getpid()),
                node,
                "--import",
                PRELOAD.as_uri(),
                str(SCRIPT),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                # Accounts that somebody's own Azurite uses are not ours.
                env={name: value for name, value in os.environ.items() if not name.startswith("AZURITE_")},
                pass_fds=(lock,),
                # A session of its own: Ctrl-C in the terminal reaches the host, which then stops Azurite.
                start_new_session=True,
                umask=0o077,
            )

    async def _claim_folder(self) -> int:
        """A locked file descriptor for the child to inherit: the lock lasts exactly as long as the child.

        The Azurite of a host that was killed a moment ago may still be saving, and hold the ports; this waits for it.
        """
        path = self._folder / "azurite.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            async with asyncio.timeout(self._claim_seconds):
                while not _lock(descriptor):
                    await asyncio.sleep(0.05)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, TimeoutError):
                advice = f"end the process that holds {path}"
                raise AzuriteFailed(f"Another Azurite works on {self._folder}: {advice}.") from error
            raise
        return descriptor

    async def _answers(self, ports: AzuritePorts) -> bool:
        """Whether all three services shake hands over TLS in time; False at once when the process ends."""
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        answered = asyncio.create_task(_shake_hands(ports, ssl.create_default_context(cafile=self._authority)))
        try:
            await asyncio.wait({ended, answered}, timeout=self._start_seconds, return_when=asyncio.FIRST_COMPLETED)
            return answered.done() and not ended.done()
        finally:
            ended.cancel()
            answered.cancel()
            await asyncio.wait({ended, answered})

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace").strip()[-500:] or "(none)"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _shake_hands(ports: AzuritePorts, context: ssl.SSLContext) -> None:
    """Returns when each port has taken a TLS connection."""
    for port in (ports.blob, ports.queue, ports.table):
        while not await _shakes_hands(port, context):
            await asyncio.sleep(0.05)


async def _shakes_hands(port: int, context: ssl.SSLContext) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except OSError:  # refused; or TLS failed, which is an OSError too
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
