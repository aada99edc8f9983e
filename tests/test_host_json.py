"""What the host is told must let runs last as long as their own settings say, and all slots work at one time."""

import json
from pathlib import Path

import pytest

from shared.settings import Settings

pytestmark = pytest.mark.unit

HOST = json.loads((Path(__file__).parents[1] / "host.json").read_text())
LONG_STEPS_OF_A_RUN = 2
"""A run streams, or it checks in two activities at one time."""


def test_no_function_is_given_up_before_the_deadline_that_its_own_watch_keeps() -> None:
    assert HOST["functionTimeout"] == "-1"


def test_long_steps_of_all_slots_leave_room_for_the_short_ones() -> None:
    slots = Settings(backup_max_concurrent=99).backup_max_concurrent

    assert HOST["extensions"]["durableTask"]["maxConcurrentActivityFunctions"] > LONG_STEPS_OF_A_RUN * slots
