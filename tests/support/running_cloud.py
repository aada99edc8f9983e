"""Runs a LocalCloud beside a test: the SDKs block, so it needs an event loop on a thread of its own."""

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from local.cloud.cloud import LocalCloud

T = TypeVar("T")


class BackgroundLoop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="event loop", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, once it has."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=60)

    def close(self) -> None:
        """Ends the loop and its thread."""
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def background_loop() -> Iterator[BackgroundLoop]:
    """A BackgroundLoop for the length of a block."""
    loop = BackgroundLoop()
    try:
        yield loop
    finally:
        loop.close()


@contextmanager
def running_cloud(home: Path) -> Iterator[LocalCloud]:
    """A LocalCloud that has started; it is stopped after the block."""
    cloud = LocalCloud(home)
    with background_loop() as loop:
        loop.run(cloud.start())
        try:
            yield cloud
        finally:
            loop.run(cloud.stop())


def trusting(cloud: LocalCloud) -> httpx.Client:
    """A client that trusts the cloud's authority and nobody else, and follows no redirects."""
    return httpx.Client(verify=ssl.create_default_context(cafile=cloud.ca_certificate))


def service_token(cloud: LocalCloud, audience: str, **claims: Any) -> str:
    """A token that a service takes when audience is its own; claims win over the usual."""
    issuer = f"https://sts.windows.net/{cloud.environment()['AZURE_TENANT_ID']}/"
    return cloud.mint_token(roles=[], name="an app", **{"aud": audience, "iss": issuer, **claims})
