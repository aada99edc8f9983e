"""What the foreign app leaves for tests to see, and the gate that a test holds shut."""

import threading


class Counts:
    """How often each thing was done; activities run in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.of: dict[str, int] = {}

    def add(self, what: str) -> int:
        with self._lock:
            self.of[what] = self.of.get(what, 0) + 1
            return self.of[what]


counts = Counts()
gate = threading.Event()
"""The activity `wait_at_gate` ends when it is set."""
