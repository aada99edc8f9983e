"""A durable client that starts nothing: it notes what was asked of it, and tells what a test says about plans."""

from typing import Any

from pydantic import BaseModel

from shared.durable import Orchestrator
from shared.durable_client import DurableClient, PlanStatus
from shared.errors import BackupError, Conflict

NOT_FOUND = PlanStatus(running=False, runtime_status="NotFound")


class Started(BaseModel):
    """One plan that was asked for."""

    plan: str
    instance_id: str
    request: Any


class RecordingDurableClient(DurableClient):
    """Held to the same signatures as the real client, which the end-to-end tests use."""

    def __init__(self) -> None:
        self.started: list[Started] = []
        self.woken: list[tuple[str, str]] = []
        self.plans: dict[str, PlanStatus] = {}
        self.failure: BackupError | None = None
        """What every call raises, when a test sets it."""

    def start(self, plan: Orchestrator[Any, Any], request: BaseModel, *, instance_id: str) -> None:
        if self.failure is not None:
            raise self.failure
        if self.status(instance_id).running:
            raise Conflict(f"{instance_id} is running already.")
        self.started.append(Started(plan=plan.name, instance_id=instance_id, request=request))
        self.plans[instance_id] = PlanStatus(running=True, runtime_status="Running")

    def status(self, instance_id: str) -> PlanStatus:
        if self.failure is not None:
            raise self.failure
        return self.plans.get(instance_id, NOT_FOUND)

    def wake(self, instance_id: str, event: str) -> None:
        self.woken.append((instance_id, event))
