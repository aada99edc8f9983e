"""Rules for every test: a clean environment, this machine's addresses only, no process left behind, seeded data."""

import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests.support.clean_environment import remove_our_settings
from tests.support.leftovers import SESSION_VARIABLE, end_leftovers, end_shared_servers
from tests.support.loopback import refuse_other_addresses

if TYPE_CHECKING:
    from local.cloud.cloud import LocalCloud

ROOT = Path(__file__).parent.parent

hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("seeded")

LEFTOVERS = "leftovers"
leftovers = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    # Such a file hides the standard library's http, and then nothing can be imported and nobody sees why.
    if (ROOT / "http" / "__init__.py").exists():
        pytest.exit("http/__init__.py must not exist: http/ is a source root, its package is http/api.", returncode=4)
    remove_our_settings()
    os.environ[SESSION_VARIABLE] = uuid.uuid4().hex
    config.stash[leftovers] = []


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Whoever connects to another machine from the test process gets an error instead."""
    with pytest.MonkeyPatch.context() as patch:
        refuse_other_addresses(patch, socket.socket)
        yield


@pytest.fixture(autouse=True, scope="session")
def shared_servers() -> Iterator[None]:
    """What tests share ends with the session."""
    yield
    end_shared_servers()


@pytest.fixture
def cloud() -> "Iterator[LocalCloud]":
    """The local cloud that all tests share, with the settings of this process pointing to it."""
    # Only now: such imports need the standard library's http, which pytest_configure looks after.
    from tests.support.cloud import forget_settings, shared_cloud

    shared = shared_cloud()
    os.environ.update(shared.environment())
    forget_settings()
    yield shared
    forget_settings()


@pytest.fixture(autouse=True)
def same_environment_afterwards() -> Iterator[None]:
    """What a test puts into the environment goes with it."""
    before = dict(os.environ)
    yield
    # PYTEST_CURRENT_TEST is pytest's own and differs each time.
    for name in os.environ.keys() - before.keys() - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def pytest_testnodedown(node: Any, error: object) -> None:
    """Where tests run in several processes, each tells what it left behind."""
    if error is None:
        node.config.stash[leftovers] += node.workeroutput[LEFTOVERS]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("numprocesses", None) and not hasattr(session.config, "workerinput"):
        found = session.config.stash[leftovers]  # this process runs no test; its children are the others
    else:
        found = session.config.stash[leftovers] = end_leftovers()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[LEFTOVERS] = found
    if found and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[leftovers]:
        terminalreporter.section("processes that tests left behind (ended now)", red=True)
        for line in config.stash[leftovers]:
            terminalreporter.write_line(line)
