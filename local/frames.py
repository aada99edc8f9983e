"""What host and worker send each other: frames of a JSON head and an optional binary body.

On the wire: length of the head and length of the body (two unsigned 32-bit numbers, big-endian), head, body. Bodies of
HTTP requests and replies travel as they are, so a large one costs neither base64 nor JSON.
"""

import asyncio
import json
import struct
from dataclasses import dataclass
from typing import Any

LENGTHS = struct.Struct("!II")

# How much a reader keeps before it tells the sender to wait, in bytes.
READ_AHEAD = 4 * 1024 * 1024


@dataclass(frozen=True)
class Frame:
    """One message. `Any`: the head is JSON, given its meaning where it is read."""

    head: dict[str, Any]
    body: bytes = b""


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame, or None when the other side has gone."""
    try:
        head_length, body_length = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
        head = json.loads(await reader.readexactly(head_length))
        return Frame(head, await reader.readexactly(body_length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def write_frame(writer: asyncio.StreamWriter, frame: Frame) -> None:
    """Sends a frame; waits while the other side is slow. Raises ConnectionError when it has gone."""
    head = json.dumps(frame.head).encode()
    # Without a wait between them, so that frames of concurrent senders do not mix.
    writer.write(LENGTHS.pack(len(head), len(frame.body)) + head)
    writer.write(frame.body)
    await writer.drain()
