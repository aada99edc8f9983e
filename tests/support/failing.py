"""Activities that fail as often as a test says: what a plan does about it."""

from typing import Any

import pytest

from shared.durable import Activity
from shared.errors import BackupError


class Failing:
    """An activity that fails a number of times, for ever by default, and works then; it may do its work before."""

    def __init__(
        self, patch: pytest.MonkeyPatch, step: Activity[Any, Any], error: BackupError, times: int = 1000, **how: bool
    ) -> None:
        self._run, self._error, self._left = step.run, error, times
        self._works_before = how.get("works_before", False)
        patch.setattr(step, "run", self)

    def __call__(self, request: Any) -> Any:
        if self._left:
            self._left -= 1
            if self._works_before:
                self._run(request)
            raise self._error
        return self._run(request)
