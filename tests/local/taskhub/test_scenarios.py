"""What users of Durable Functions rely on, through the unmodified SDK."""

from datetime import timedelta
from pathlib import Path

from tests.local.taskhub.still_hub import outcome, still_hub
from tests.support.in_process import advance, encoded, start, status_of


async def test_a_chain_of_activities_gives_its_results_in_order(tmp_path: Path) -> None:
    status = await outcome(tmp_path, "chain", ["Lima", "Tokyo"])

    assert status["runtimeStatus"] == "Completed"
    assert status["output"] == ["Hello Lima!", "Hello Tokyo!"]


async def test_a_fan_out_gathers_every_result(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "fan_out", 20))["output"] == 380


async def test_a_fan_out_of_nothing_completes(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "fan_out", 0))["output"] == 0


async def test_sub_orchestrations_run_under_the_id_given_and_know_their_parent(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "parent", instance_id="family")
        await hub.run_until_idle()

        assert status_of(hub, "family")["output"] == [["Hello Lima!"], "family"]
        assert status_of(hub, "family-child")["name"] == "chain"


async def test_a_timer_fires_when_it_is_due_and_not_before(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "nap", 3600)
        await advance(hub, clock, timedelta(seconds=3599))
        early = status_of(hub, instance_id)
        await advance(hub, clock, timedelta(seconds=1))
        late = status_of(hub, instance_id)

    assert early["runtimeStatus"] == "Running"
    assert late["output"] == 3600


async def test_a_timer_of_a_month_is_one_timer(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "nap", 30 * 86400)
        await advance(hub, clock, timedelta(days=30))

        assert status_of(hub, instance_id)["output"] == 30 * 86400
        assert hub.longest_history["nap"] == 7


async def test_a_timer_in_the_past_fires_at_once(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "nap", -5))["runtimeStatus"] == "Completed"


async def test_the_first_timer_wins_a_race_and_the_other_is_forgotten_at_the_end(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "race")
        await advance(hub, clock, timedelta(seconds=1))

        assert status_of(hub, instance_id)["output"] == "quick"
        assert hub.next_due() is None


async def test_an_event_wins_over_its_deadline(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "approval")
        await hub.run_until_idle()
        waiting = status_of(hub, instance_id)
        await hub.raise_event(instance_id, "answer", encoded({"yes": True}))
        await hub.run_until_idle()
        answered = status_of(hub, instance_id)

    assert (waiting["runtimeStatus"], waiting["customStatus"]) == ("Running", "waiting")
    assert (answered["runtimeStatus"], answered["customStatus"]) == ("Completed", "answered")
    assert answered["output"] == '{"yes": true}'  # JSON in JSON arrives as text: the SDK decodes it once


async def test_a_deadline_wins_over_an_event_that_does_not_come(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "approval")
        await advance(hub, clock, timedelta(hours=1))

        assert status_of(hub, instance_id)["output"] == "too late"


async def test_an_event_before_the_wait_for_it_is_kept(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "collect", "b")
        await hub.raise_event(instance_id, "b", "2")
        await hub.raise_event(instance_id, "a", "1")
        await advance(hub, clock, timedelta(minutes=1))

        assert status_of(hub, instance_id)["output"] == [1, 2]


async def test_going_on_as_new_starts_an_empty_history_each_time(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "eternal", {"every": 60, "generation": 0, "last": 50})
        await advance(hub, clock, timedelta(minutes=50))

        assert status_of(hub, instance_id)["output"] == 50
        assert hub.longest_history["eternal"] == 7


async def test_an_orchestrator_without_a_yield_may_go_on_as_new(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "countdown", 5))["output"] == 0


async def test_an_event_for_the_next_generation_is_not_lost(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "relay", {"left": 3})
        for number in range(3):
            await hub.raise_event(instance_id, "next", str(number))
            await hub.run_until_idle()

        assert status_of(hub, instance_id)["output"] == "all relayed"


async def test_a_retried_activity_succeeds_at_a_later_attempt(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "retry", {"key": "retry-success", "failures": 2})
        await advance(hub, clock, timedelta(seconds=10))

        assert status_of(hub, instance_id)["output"] == 3


async def test_a_retried_activity_that_never_succeeds_can_be_caught(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "retry", {"key": "retry-exhausted", "failures": 99})
        await advance(hub, clock, timedelta(seconds=15))

        output = status_of(hub, instance_id)["output"]
        assert output.startswith("caught: Activity function 'fail_at_first' failed: RuntimeError: try 3")


async def test_a_retried_sub_orchestration_succeeds_at_a_later_attempt(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, clock):
        instance_id = await start(hub, "retry_child", {"key": "retry-child", "failures": 1})
        await advance(hub, clock, timedelta(seconds=5))

        assert status_of(hub, instance_id)["output"] == 2


async def test_an_activity_that_fails_ends_its_orchestration_with_the_reason(tmp_path: Path) -> None:
    status = await outcome(tmp_path, "call_failing", "This activity failed")

    assert status["runtimeStatus"] == "Failed"
    assert status["output"].startswith(
        "Orchestrator function 'call_failing' failed: Activity function 'fail' failed: ValueError: This activity failed"
    )


async def test_the_failure_of_a_sub_orchestration_can_be_caught(tmp_path: Path) -> None:
    output = (await outcome(tmp_path, "call_failing_child", "deep"))["output"]

    assert output.startswith("caught: Orchestrator function 'call_failing' failed: Activity function 'fail' failed: ")


async def test_entities_are_signalled_and_called_in_order_and_their_errors_are_caught(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "use_counter", "c1"))["output"] == [7, "entity boom"]


async def test_ids_and_time_are_the_same_in_every_replay(tmp_path: Path) -> None:
    async with still_hub(tmp_path, record=True) as (hub, _):
        instance_id = await start(hub, "identities")
        await hub.run_until_idle()

        output = status_of(hub, instance_id)["output"]
        assert output["ids"][2] == "2026-01-31T12:00:00+00:00"
        assert output["replaying"] == [True, False]
        assert len(hub.recorded_histories()) == 2


async def test_the_version_given_at_the_start_wins_over_the_default(tmp_path: Path) -> None:
    async with still_hub(tmp_path, default_version="1.0") as (hub, _):
        plain = await start(hub, "identities")
        newer = await start(hub, "identities", version="2.0")
        await hub.run_until_idle()

        assert status_of(hub, plain)["output"]["version"] == "1.0"
        assert status_of(hub, newer)["output"]["version"] == "2.0"


async def test_a_large_output_comes_back_whole(tmp_path: Path) -> None:
    assert len((await outcome(tmp_path, "large_output", 4_718_592))["output"]) == 4_718_592


async def test_what_does_not_exist_or_is_disabled_fails_and_is_named(tmp_path: Path) -> None:
    calls = [
        ("activity", "no_such_activity"),
        ("activity", "double"),
        ("entity", "nobody"),
        ("signal", "nobody"),
        ("orchestrator", "no_such_orchestrator"),
    ]
    async with still_hub(tmp_path, disabled=frozenset({"double"})) as (hub, _):
        ids = [await start(hub, "call_by_name", {"kind": kind, "name": name}) for kind, name in calls]
        ids.append(await start(hub, "misspelt"))
        await hub.run_until_idle()
        ends = [status_of(hub, instance_id) for instance_id in ids]

    assert [end["runtimeStatus"] for end in ends] == ["Failed"] * 6
    for (_, name), end in zip([*calls, ("", "misspelt")], ends, strict=True):
        assert f"The function '{name}' doesn't exist, is disabled, or is not an" in end["output"]


async def test_code_that_calls_something_else_in_a_replay_fails_as_non_deterministic(tmp_path: Path) -> None:
    output = (await outcome(tmp_path, "change_of_function"))["output"]

    assert output.startswith(
        "Non-Deterministic workflow detected: number 0 is TASK_SCHEDULED double in the history, but"
    )


async def test_call_http_fails_with_a_reason_instead_of_hanging(tmp_path: Path) -> None:
    assert "call_http is not supported by this host" in (await outcome(tmp_path, "call_http"))["output"]


async def test_a_sub_orchestration_under_an_id_that_is_under_way_fails(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        await start(hub, "approval", instance_id="family-child")
        await start(hub, "parent", instance_id="family")
        await hub.run_until_idle()

        output = status_of(hub, "family")["output"]
        assert "An Orchestration instance with the status Running already exists." in output


async def test_a_sub_orchestration_under_an_id_that_no_instance_may_have_fails(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _):
        instance_id = await start(hub, "start_child_as", "@counter@c")
        await hub.run_until_idle()

        assert "an instance id has 1 to 100 characters" in status_of(hub, instance_id)["output"]


async def test_objects_with_their_own_json_survive_every_hop(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "carry_point"))["output"] == [3, 4]
