"""The rules for plans find what they look for, and nothing else."""

import ast

import pytest

from tests.support.plan_rules import breaches

pytestmark = pytest.mark.unit

BAD = {
    "finally": "def plan(context):\n  try:\n    yield 1\n  finally:\n    release()",
    "with": "def plan(context):\n  with claim():\n    yield 1",
    "clock": "def plan(context):\n  return datetime.now(UTC)",
    "imported clock": "def plan(context):\n  return now()",
    "random id": "def plan(context):\n  return uuid.uuid4()",
    "environment": "def plan(context):\n  return os.environ['A']",
    "environment call": "def plan(context):\n  return getenv('A')",
    "file": "def plan(context):\n  return open('a').read()",
}


@pytest.mark.parametrize("source", BAD.values(), ids=BAD.keys())
def test_a_breach_is_found_once_and_told_with_its_line(source: str) -> None:
    found = list(breaches(ast.parse(source)))

    assert len(found) == 1
    assert found[0].startswith("line ")


def test_what_a_plan_should_do_is_no_breach() -> None:
    source = """
def plan(context, request):
    try:
        result = yield from step.call(context, request)
    except BackupError as error:
        yield from release.call(context, request)
        raise
    with suppress(ValueError):
        parse(result)
    return context.now
"""

    assert not list(breaches(ast.parse(source)))
