"""The listing finds the parameters that the Functions worker would refuse."""

from typing import Any

import pytest

from tests.support.function_listing import parameter_faults

pytestmark = pytest.mark.unit


def accepted(request: dict, client: str) -> dict[str, Any]:  # type: ignore[type-arg] # as the worker wants it
    return {**request, "client": client}


def refused(request: dict[str, Any], client: str | None) -> None:
    raise AssertionError(request, client)


def test_plain_classes_are_no_fault() -> None:
    assert parameter_faults(accepted, {"request", "client"}) == []


def test_generic_and_optional_annotations_and_missing_parameters_are_faults() -> None:
    faults = parameter_faults(refused, {"request", "client", "context"})

    assert [fault.split(":")[0] for fault in faults] == ["client", "context", "request"]
