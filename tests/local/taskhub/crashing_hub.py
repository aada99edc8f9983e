"""A process that runs a hub until all its orchestrations have ended, and is killed before. Argument: its folder."""

import asyncio
import json
import sys
import time
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df

from local.taskhub.entity_id import EntityId
from tests.support.in_process import finished, running_hub, start, status_of

# The SDK ships no types:
# mypy: disallow-untyped-decorators=False

WORKERS, STEPS, ETERNALS = 12, 20, 5
STEP_SECONDS = 0.03

app = df.DFApp()
folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()


@app.activity_trigger(input_name="step")
def do_step(step: str) -> str:
    with (folder / "steps.log").open("a") as log:
        log.write(f"{step}\n")
    time.sleep(STEP_SECONDS)
    return step


@app.orchestration_trigger(context_name="context")
def worker(context: Any) -> Generator[Any, Any, Any]:
    steps = []
    for number in range(STEPS):
        context.signal_entity(df.EntityId("steps", "all"), "count")
        steps.append((yield context.call_activity("do_step", f"{context.instance_id}/{number}")))
    called = yield context.call_entity(df.EntityId("steps", context.instance_id), "count")
    child = yield context.call_sub_orchestrator("child", None)
    return [len(set(steps)), called, child]


@app.orchestration_trigger(context_name="context")
def child(context: Any) -> Generator[Any, Any, Any]:
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=20))
    return "child"


@app.orchestration_trigger(context_name="context")
def eternal(context: Any) -> Generator[Any, Any, Any]:
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=50))
    context.continue_as_new(context.get_input() + 1)


@app.entity_trigger(context_name="context")
def steps(context: Any) -> None:
    total = context.get_state(lambda: 0) + 1
    context.set_state(total)
    context.set_result(total)


async def main() -> None:
    async with running_hub(folder / "hub", app, durability="FULL") as hub:
        print("started", flush=True)  # noqa: T201 - the test reads it
        for orchestrator, count in (("worker", WORKERS), ("eternal", ETERNALS)):
            for number in range(count):
                instance_id = f"{orchestrator}-{number}"
                if hub.status(instance_id) is None:
                    await start(hub, orchestrator, 0, instance_id=instance_id)
        ends = [await finished(hub, f"worker-{number}", seconds=60) for number in range(WORKERS)]
        eternals = [status_of(hub, f"eternal-{number}") for number in range(ETERNALS)]
        result = {
            "outputs": [end["output"] for end in ends],
            "eternals": [[status["runtimeStatus"], int(status["input"])] for status in eternals],
            "counted": hub.read_entity(EntityId("steps", "all")),
        }
    print(json.dumps(result))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    asyncio.run(main())
