"""A switch that makes a local service slow or unavailable for its next requests. For tests; Azure has no such thing."""

import asyncio
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/local/faults"


class Fault(BaseModel):
    """What happens to the next count requests: each waits for latency_seconds, then status answers it.

    Without a status the service answers, late.
    """

    model_config = ConfigDict(extra="forbid")

    count: NonNegativeInt
    status: Literal[429, 503] | None = None
    retry_after_seconds: NonNegativeFloat | None = None
    latency_seconds: NonNegativeFloat = 0


class FaultSwitch:
    """An ASGI application around another: PUT /local/faults with the JSON of a Fault turns it on.

    A new fault replaces the one before; a count of 0 ends it.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._fault = Fault(count=0)
        self._left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the switch's own path; else plays the fault while its count lasts, or lets the request through."""
        if scope["path"] == PATH:
            response = await self._turn_on(Request(scope, receive))
            await response(scope, receive, send)
            return
        if self._left > 0:
            self._left -= 1
            fault = self._fault
            await asyncio.sleep(fault.latency_seconds)
            if fault.status is not None:
                await _failure(fault.status, fault.retry_after_seconds)(scope, receive, send)
                return
        await self._application(scope, receive, send)

    async def _turn_on(self, request: Request) -> Response:
        if request.method != "PUT":
            return JSONResponse({"error": "Use PUT."}, 405)
        try:
            self._fault = Fault.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": str(error)}, 400)
        self._left = self._fault.count
        return Response(status_code=204)


def _failure(status: int, retry_after_seconds: float | None) -> Response:
    """The answer in the shape that both services' clients read; short waits need the header that takes milliseconds."""
    headers = {}
    if retry_after_seconds is not None and retry_after_seconds >= 1:
        headers["Retry-After"] = str(math.ceil(retry_after_seconds))
    elif retry_after_seconds is not None:
        headers["retry-after-ms"] = str(math.ceil(retry_after_seconds * 1000))
    code = "Throttled" if status == 429 else "ServiceUnavailable"
    return JSONResponse({"error": {"code": code, "message": "A fault planned for a test."}}, status, headers)
