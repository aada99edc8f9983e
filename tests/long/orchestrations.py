"""Lane: random orchestrations on the durable engine; every answer must reach its own task."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from tests.local.taskhub.random_plans import app, random_plan
from tests.support.in_process import finished, running_hub, start

PLANS = 200


def orchestrations(random: Random) -> Counter[str]:
    """Carries out some hundred plans at the same time, on a hub of their own."""
    return asyncio.run(_carry_out([random_plan(random.getrandbits(62)) for _ in range(PLANS)]))


async def _carry_out(plans: list[list[dict[str, object]]]) -> Counter[str]:
    with tempfile.TemporaryDirectory(prefix="dilux-orchestrations-") as folder:
        async with running_hub(Path(folder) / "hub", app, max_activities=8) as hub:
            for number, plan in enumerate(plans):
                await start(hub, "carry_out", plan, instance_id=f"plan-{number}")
            for number, plan in enumerate(plans):
                end = await finished(hub, f"plan-{number}", seconds=60)
                assert end["output"] == "done", f"{plan} ended with {end['output']}"
    return Counter(orchestrations=len(plans), steps=sum(len(plan) for plan in plans))
