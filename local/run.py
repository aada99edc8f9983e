"""`python -m local run`: the embedded host with our app and two sample databases, proven at the start, then served."""

import asyncio
import sys
import threading
from functools import partial

from local.api_client import ApiClient
from local.cloud.authority import certificate_paths
from local.demo import DemoStopped, Screen, back_up_and_prove, report
from local.host import Host, HostOptions
from local.sample_databases import Sample, start_samples, stop_samples

ADMIN = "Local administrator"


async def run_demo(options: HostOptions, *, once: bool) -> int:
    """The exit code: 0 when every backup was proven. Without `once` it serves until it is cancelled."""
    say = partial(print, flush=True)
    async with Host(options, report=say) as host:
        certificates = certificate_paths(options.home / "cloud")
        say("sample databases: starting MariaDB and PostgreSQL")
        samples = await asyncio.to_thread(
            start_samples, options.home / "samples", (certificates.server, certificates.server)
        )
        try:
            good = await _proven(host, samples)
            if once:
                return 0 if good else 1
            say(_guide(host.url, str(certificates.authority)))
            await asyncio.Event().wait()
            return 0
        finally:
            await asyncio.to_thread(stop_samples, samples)


async def _proven(host: Host, samples: list[Sample]) -> bool:
    """Whether every sample was backed up and proven; the report says how. Ends soon when this task is cancelled."""
    stopped = threading.Event()
    api = ApiClient(host.url, host.cloud.mint_token(roles=["Backup.Admin"], name=ADMIN))

    def work() -> bool:
        try:
            return report(back_up_and_prove(api, samples, Screen(sys.stdout), stopped), sys.stdout)
        except DemoStopped:
            return False

    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopped.set()
        await task
        raise


def _guide(url: str, authority: str) -> str:
    return f"""
  API        {url}/api/docs
  Token      curl -s -X POST {url}/local/token -H 'Content-Type: application/json' \\
               -d '{{"roles": ["Backup.Admin"], "name": "me"}}'
  Local CA   {authority}
             (the local sign-in and storage speak HTTPS; curl trusts them with --cacert)

  Serving until Ctrl-C.
"""
