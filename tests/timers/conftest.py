"""The product's plans on a task hub in this process, for timers that start and ask about them."""

from tests.orchestrators.conftest import clock, live, plans, postgresql, source

__all__ = ["clock", "live", "plans", "postgresql", "source"]
