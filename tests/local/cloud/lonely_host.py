"""The process of a host that has nothing but a local cloud: python -m tests.local.cloud.lonely_host HOME.

Prints the cloud's settings as one line of JSON once it has started, and stops at the end of its standard input.
"""

import asyncio
import json
import sys
from pathlib import Path

from local.cloud.cloud import LocalCloud


async def main(home: Path) -> None:
    cloud = LocalCloud(home)
    await cloud.start()
    sys.stdout.write(json.dumps(cloud.environment()) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await cloud.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
