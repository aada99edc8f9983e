"""Whether the installation works: that it answers at all for everybody, each of its parts for readers."""

from fastapi import APIRouter, Request
from pydantic import BaseModel

from shared.components import PARTS, Component, Health, look_at
from shared.settings import settings
from shared.tokens import Role
from shared.web import Durable, caller_behind

router = APIRouter(tags=["Installation"])

NOBODY = "health"
"""An instance id that no plan has."""


class HealthAnswer(BaseModel):
    """`components` comes for readers alone; without them `healthy` only means that the API answers."""

    status: Health
    version: str
    environment: str | None = None
    components: list[Component] | None = None


@router.get(
    "/health",
    name="GetHealth",
    summary="Whether the installation works",
    response_model_exclude_none=True,
)
def get_health(request: Request, durable: Durable) -> HealthAnswer:
    """Without a token only that it answers, and its version; with one that may read, each component."""
    if "Authorization" not in request.headers:
        return HealthAnswer(status=Health.HEALTHY, version=request.app.version)
    caller_behind(request).must_have(Role.READ)

    def durable_engine() -> str:
        durable.status(NOBODY)
        return "answers"

    components = look_at({**PARTS, "durable_engine": durable_engine})
    degraded = any(component.status is Health.DEGRADED for component in components)
    return HealthAnswer(
        status=Health.DEGRADED if degraded else Health.HEALTHY,
        version=request.app.version,
        environment=settings().environment,
        components=components,
    )
