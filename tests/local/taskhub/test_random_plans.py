"""The host's numbers and the SDK's agree, whatever an orchestration does and in whatever order answers come."""

import asyncio
from pathlib import Path

from local.taskhub.entity_id import EntityId
from local.taskhub.status import InstanceFilter
from tests.local.taskhub.random_plans import app, random_plan
from tests.support.in_process import finished, running_hub, start

PLANS = 300
SEED = 20261125


async def test_every_random_orchestration_completes_with_every_answer_at_its_own_task(tmp_path: Path) -> None:
    plans = {f"plan-{number}": random_plan(SEED + number) for number in range(PLANS)}

    async with running_hub(tmp_path / "hub", app, max_activities=8) as hub:
        await asyncio.gather(*(start(hub, "carry_out", plan, instance_id=id) for id, plan in plans.items()))
        ends = {id: await finished(hub, id, seconds=60) for id in plans}
        await hub.run_until_idle()

    unsuccessful = {id: (end["output"], plans[id]) for id, end in ends.items() if end["output"] != "done"}
    assert unsuccessful == {}


async def test_signals_of_random_orchestrations_are_counted_exactly(tmp_path: Path) -> None:
    plans = [random_plan(SEED + number) for number in range(100)]
    signals = sum(step["kind"] == "signal" for plan in plans for step in plan)

    async with running_hub(tmp_path / "hub", app, max_activities=8) as hub:
        for number, plan in enumerate(plans):
            await start(hub, "carry_out", plan, instance_id=f"plan-{number}")
        for number in range(100):
            await finished(hub, f"plan-{number}", seconds=60)
        await hub.run_until_idle()
        assert hub.read_entity(EntityId("echo", "signals")) == str(signals)
        assert len(hub.query(InstanceFilter(id_prefix="plan-")).statuses) == 100
