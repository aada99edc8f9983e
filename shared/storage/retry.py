"""How often a request to Blob Storage is tried again: until it succeeds, or a total time is over."""

import random
import threading
import time
from typing import Any

from azure.core.exceptions import AzureError, IncompleteReadError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import HTTPPolicy

TOTAL_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 8.0
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# Options that other policies of the SDK leave for its own retry policy to take; the transport does not know them.
OPTIONS_OF_THE_SDK = ("hosts", "location_mode", "retry_hook", "retry_to_secondary", "retry_total")


class DeadlineRetry(HTTPPolicy[Any, Any]):
    """Tries again after throttling, server errors and broken connections, with growing, random delays.

    No try begins later than `total_seconds` after the first: the SDK's own policy makes one refused connection last
    100 seconds. Retry-After is honoured where it ends in time. A request may carry the option `stop`, a
    threading.Event that ends the waiting at once.
    """

    def __init__(self, total_seconds: float = TOTAL_SECONDS) -> None:
        super().__init__()
        self._total_seconds = total_seconds

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """The first answer that is not worth another try, or the last failure."""
        options = request.context.options
        stop: threading.Event = options.pop("stop", None) or threading.Event()
        for name in OPTIONS_OF_THE_SDK:
            options.pop(name, None)
        deadline = time.monotonic() + self._total_seconds
        delay = FIRST_DELAY_SECONDS
        while True:
            response: PipelineResponse[Any, Any] | None = None
            failure: AzureError | None = None
            try:
                response = self.next.send(request)
            except (ServiceRequestError, ServiceResponseError, IncompleteReadError) as error:
                failure = error
            if response is not None:
                response.http_response.location_mode = "primary"  # the SDK's downloads read it
                if response.http_response.status_code not in RETRIED_STATUSES:
                    return response
            pause = max(random.uniform(delay / 2, delay), _retry_after(response))  # noqa: S311 - spreads load, guards nothing
            delay = min(delay * 2, LONGEST_DELAY_SECONDS)
            if time.monotonic() + pause > deadline or stop.wait(pause):
                if response is not None:
                    return response
                assert failure is not None
                raise failure


def _retry_after(response: PipelineResponse[Any, Any] | None) -> float:
    """Seconds that the service asks to wait; 0 when it does not, or gives a date, which Azure does not."""
    text = "" if response is None else response.http_response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0
