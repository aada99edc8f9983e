"""The product's plans on a task hub in this process, for timers that start and ask about them."""

from tests.orchestrators.conftest import clock, cloud, live, plans, postgresql, session_cloud, source

__all__ = ["clock", "cloud", "live", "plans", "postgresql", "session_cloud", "source"]
