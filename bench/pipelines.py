"""What the product is measured against: the same dump through the shell's tools."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.engines.engine import Command
from shared.engines.registry import engine_for
from shared.logins import login_for
from shared.models.run import BlobAddress, DumpRequest
from shared.storage.account import blob_client, ensure_container, fresh_client


@dataclass(frozen=True)
class Piped:
    """How long a pipeline took, and how many bytes came out at its end."""

    seconds: float
    size: int


def dump_command(request: DumpRequest) -> Command:
    """The product's own dump command."""
    engine = engine_for(request.server.type)
    return engine.dump_command(
        login_for(request.server), request.database, request.tool, request.probe, request.options
    )


def into_nothing(request: DumpRequest, filter_argv: Sequence[str]) -> Piped:
    """`dump | filter > /dev/null`."""
    return _piped(dump_command(request), filter_argv, Path("/dev/null"))


def into_file_and_store(request: DumpRequest, filter_argv: Sequence[str], file: Path) -> Piped:
    """`dump | filter > file`, and then the upload of the file over four connections."""
    piped = _piped(dump_command(request), filter_argv, file)
    address = BlobAddress(container=request.blob.container, name=f"{request.backup_id}.file")
    ensure_container(address.container)
    began = time.monotonic()
    with fresh_client() as service, file.open("rb") as content:
        blob_client(address, service).upload_blob(content, overwrite=True, max_concurrency=4)
    seconds = piped.seconds + time.monotonic() - began
    blob_client(address).delete_blob()
    size = file.stat().st_size
    file.unlink()
    return Piped(seconds, size)


def _piped(command: Command, filter_argv: Sequence[str], target: Path) -> Piped:
    program = shutil.which(filter_argv[0])
    assert program, f"{filter_argv[0]} is not on this machine"
    began = time.monotonic()
    with (
        target.open("wb") as output,
        subprocess.Popen(
            command.argv,
            env={"PATH": "/usr/bin:/bin", **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as dump,
        subprocess.Popen([program, *filter_argv[1:]], stdin=dump.stdout, stdout=output) as end,
    ):
        assert dump.stdout
        dump.stdout.close()
        codes = (dump.wait(), end.wait())
    assert codes == (0, 0), f"{command.argv[0]} | {filter_argv[0]} ended with {codes}"
    return Piped(time.monotonic() - began, target.stat().st_size)
