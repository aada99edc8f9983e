"""The management API: codes and bodies as Azure's, and the SDK's own client over a real connection."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import httpx
import pytest
import uvicorn
from azure.durable_functions.models.utils import http_utils
from starlette.applications import Starlette
from starlette.routing import Mount

from local.taskhub.client_links import RPC_PREFIX, WEBHOOK_PREFIX
from local.taskhub.clock import FakeClock
from local.taskhub.hub import TaskHub
from local.taskhub.management import CONTINUATION_HEADER, management_routes
from tests.local.taskhub.still_hub import BEGINNING, still_hub
from tests.support.in_process import advance, start


def served(hub: TaskHub) -> Starlette:
    routes = management_routes(hub)
    return Starlette(routes=[Mount(WEBHOOK_PREFIX, routes=routes), Mount(RPC_PREFIX, routes=routes)])


@asynccontextmanager
async def api(path: Path, **options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, TaskHub, FakeClock]]:
    """A client of the API without a key, as the app's workers call it."""
    async with still_hub(path, **options) as (hub, clock):
        transport = httpx.ASGITransport(served(hub))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:7071{RPC_PREFIX}") as client:
            yield client, hub, clock


@asynccontextmanager
async def sdk_client(hub: TaskHub) -> AsyncIterator[df.DurableOrchestrationClient]:
    """The SDK's client on a real server."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(served(hub), log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield df.DurableOrchestrationClient(hub.client_binding(f"http://127.0.0.1:{listener.getsockname()[1]}"))
    finally:
        await http_utils._close_session()  # the SDK keeps one for the whole process
        server.should_exit = True
        await serving
        listener.close()


async def test_the_sdks_client_does_all_it_can(tmp_path: Path) -> None:
    async with still_hub(tmp_path, strict=True) as (hub, clock), sdk_client(hub) as client:
        instance_id = await client.start_new("collect", "one", "b", version="7")
        await hub.run_until_idle()
        running = await client.get_status("one", show_input=True, show_history=True)
        await client.suspend("one", "wait a bit")
        suspended = await client.get_status("one")
        await client.resume("one", "go on")
        await client.raise_event("one", "a", {"number": 1})
        await client.raise_event("one", "b", "two")
        await advance(hub, clock, timedelta(minutes=1))
        completed = await client.get_status("one")
        await client.signal_entity(df.EntityId("Counter", "c"), "add", 4)
        await hub.run_until_idle()
        entity = await client.read_entity_state(df.EntityId("Counter", "c"))
        nobody = await client.read_entity_state(df.EntityId("Counter", "nobody"))
        restarted: Any = await client.restart("one")  # links, whatever its type says
        await client.terminate(restarted["id"], "not again")
        everything = await client.get_status_all()
        terminated = await client.get_status_by(
            created_time_from=BEGINNING, runtime_status=[df.OrchestrationRuntimeStatus.Terminated]
        )
        purged = await client.purge_instance_history("one")
        purged_by = await client.purge_instance_history_by(created_time_from=BEGINNING)
        unknown = await client.get_status("nobody")

    assert instance_id == "one"
    assert (running.runtime_status, running.input_) == (df.OrchestrationRuntimeStatus.Running, '"b"')
    assert suspended.runtime_status == df.OrchestrationRuntimeStatus.Suspended
    assert completed.output == ['{"number": 1}', '"two"']
    assert (entity.entity_exists, entity.entity_state, nobody.entity_exists) == (True, 4, False)
    assert len(everything) == 2
    assert [status.output for status in terminated] == ["not again"]
    assert (purged.instances_deleted, purged_by.instances_deleted) == (1, 1)
    assert not unknown


async def test_the_sdks_client_is_refused_in_its_own_words(tmp_path: Path) -> None:
    async with still_hub(tmp_path) as (hub, _), sdk_client(hub) as client:
        await client.start_new("chain", "done", ["Lima"])
        await hub.run_until_idle()
        await client.start_new("approval", "busy")
        with pytest.raises(Exception, match=r"with the status (Pending|Running) already exists"):
            await client.start_new("approval", "busy")
        with pytest.raises(Exception, match="Instance with ID done is gone: either completed or failed"):
            await client.raise_event("done", "a")
        with pytest.raises(Exception, match="No instance with ID nobody found"):
            await client.raise_event("nobody", "a")
        with pytest.raises(Exception, match="No instance with ID 'nobody' found"):
            await client.terminate("nobody", "x")
        with pytest.raises(Exception, match="unexpected status code 500"):
            await client.resume("busy", "x")
        with pytest.raises(Exception, match="unexpected status code 412"):
            await client.purge_instance_history("busy")
        await client.terminate("done", "is no error")
        await client.suspend("done", "is no error")
        assert (await client.purge_instance_history("nobody")).instances_deleted == 0


async def test_a_start_answers_with_links_that_lead_to_the_instance(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, hub, _):
        answer = await client.post("orchestrators/chain/one", json=json.dumps(["Lima"]))
        await hub.run_until_idle()
        links = answer.json()
        status = await client.get(links["statusQueryGetUri"])

        assert (answer.status_code, answer.headers["Retry-After"]) == (202, "10")
        assert answer.headers["Location"] == links["statusQueryGetUri"]
        assert set(links) == set(json.loads(hub.client_binding("http://x"))["managementUrls"])
        assert (status.status_code, status.json()["output"]) == (200, ["Hello Lima!"])


async def test_the_webhooks_ask_for_the_key_and_pages_of_other_sites_are_not_heard(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, hub, _):
        webhooks = f"http://127.0.0.1:7071{WEBHOOK_PREFIX}/instances"
        codes = [
            (await client.get(webhooks)).status_code,
            (await client.get(webhooks, params={"code": "wrong"})).status_code,
            (await client.get(webhooks, params={"code": hub.key})).status_code,
            (await client.get("instances")).status_code,
            (await client.post("orchestrators/chain", headers={"Origin": "http://elsewhere.test"})).status_code,
        ]

    assert codes == [401, 401, 200, 200, 401]


async def test_the_code_of_a_status_tells_whether_the_instance_still_runs(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, hub, _):
        await start(hub, "approval", instance_id="running")
        await start(hub, "call_failing", "x", instance_id="failed")
        await hub.run_until_idle()
        running = await client.get("instances/running?showInput=false&showHistory=true")
        failed = await client.get("instances/failed")
        failed_loudly = await client.get("instances/failed?returnInternalServerErrorOnFailure=true")
        unknown = await client.get("instances/unknown")

    assert (running.status_code, running.headers["Retry-After"]) == (202, "5")
    assert running.json()["historyEvents"][0]["EventType"] == "ExecutionStarted"
    assert (failed.status_code, failed_loudly.status_code) == (200, 500)
    assert (unknown.status_code, unknown.content) == (404, b"")


async def test_a_start_that_waits_answers_with_the_output_or_with_links(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, _, _):
        output = await client.post("orchestrators/chain?timeout=20&pollingInterval=1", json=json.dumps(["Lima"]))
        failed = await client.post("orchestrators/call_failing?timeout=20", json=json.dumps("x"))
        links = await client.post("orchestrators/approval?timeout=1")

    assert (output.status_code, output.json()) == (200, ["Hello Lima!"])
    assert (failed.status_code, failed.json()["runtimeStatus"]) == (500, "Failed")
    assert (links.status_code, "statusQueryGetUri" in links.json()) == (202, True)


async def test_lists_come_in_pages_by_the_continuation_header(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, hub, _):
        for number in range(5):
            await start(hub, "chain", [], instance_id=f"x-{number}")
        await start(hub, "chain", [], instance_id="y")
        first = await client.get("instances/?top=3&instanceIdPrefix=x-")
        token = first.headers[CONTINUATION_HEADER]
        second = await client.get("instances/?top=3&instanceIdPrefix=x-", headers={CONTINUATION_HEADER: token})
        everything = await client.get(
            "instances/?runtimeStatus=Pending,Running,Completed&createdTimeTo=2026-02-01T00:00:00.000000Z"
        )

    assert [status["instanceId"] for status in first.json()] == ["x-0", "x-1", "x-2"]
    assert [status["instanceId"] for status in second.json()] == ["x-3", "x-4"]
    assert CONTINUATION_HEADER not in second.headers
    assert len(everything.json()) == 6


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "told"),
    [
        ("POST", "orchestrators/chain", "{not json", 400, "not JSON"),
        ("POST", "orchestrators/chain/@wrong", None, 400, "does not begin with @"),
        ("POST", "orchestrators/approval/busy", None, 409, "already exists"),
        ("POST", "orchestrators/chain?timeout=soon", None, 400, "'timeout' is not a positive whole number"),
        ("POST", "instances/busy/raiseEvent/a", "{not json", 400, "not JSON"),
        ("POST", "instances/done/raiseEvent/a", None, 410, ""),
        ("POST", "instances/nobody/terminate", None, 404, ""),
        ("POST", "instances/busy/resume", None, 500, "is not suspended"),
        ("POST", "instances/done/rewind", None, 412, "only failed instances can be rewound"),
        ("POST", "instances/nobody/restart", None, 400, "No instance with ID 'nobody' found"),
        ("POST", "instances/busy/restart?restartWithNewInstanceId=false", None, 409, "already exists"),
        ("POST", "entities/nobody/key?op=add", None, 400, "The function 'nobody' doesn't exist"),
        ("GET", "entities/Counter/nobody", None, 404, ""),
        ("GET", "instances?createdTimeFrom=yesterday", None, 400, "'createdTimeFrom' is not a time"),
        ("GET", "instances?top=0", None, 400, "'top' is not a positive whole number"),
        ("DELETE", "instances/busy", None, 412, "only finished instances can be purged"),
        ("DELETE", "instances/nobody", None, 404, ""),
        ("DELETE", "instances/", None, 400, "createdTimeFrom"),
        ("DELETE", "instances/?createdTimeFrom=2099-01-01T00:00:00Z", None, 404, ""),
    ],
)
async def test_what_is_refused_is_refused_with_azures_code(
    tmp_path: Path, method: str, path: str, body: str | None, code: int, told: str
) -> None:
    async with api(tmp_path) as (client, hub, _):
        await start(hub, "approval", instance_id="busy")
        await start(hub, "chain", [], instance_id="done")
        await hub.run_until_idle()
        answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == code
    assert told in (answer.json()["ExceptionMessage"] if told else "")


async def test_an_event_that_is_not_json_by_its_type_is_refused(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, hub, _):
        await start(hub, "approval", instance_id="busy")
        answer = await client.post("instances/busy/raiseEvent/a", content="1", headers={"Content-Type": "text/plain"})

    assert answer.status_code == 400
    assert answer.json()["ExceptionMessage"] == "Only application/json request content is supported"


async def test_a_continuation_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, _, _):
        answer = await client.get("instances", headers={CONTINUATION_HEADER: "/w"})

    assert answer.status_code == 400


async def test_a_failed_instance_is_rewound_and_a_done_one_restarted_over_http(tmp_path: Path) -> None:
    async with api(tmp_path) as (client, hub, _):
        await start(hub, "fail_at_first_child", {"key": "http-rewind", "failures": 1}, instance_id="failed")
        await hub.run_until_idle()
        rewound = await client.post("instances/failed/rewind?reason=again")
        await hub.run_until_idle()
        restarted = await client.post("instances/failed/restart?restartWithNewInstanceId=false")
        await hub.run_until_idle()
        status = await client.get("instances/failed")

    assert (rewound.status_code, restarted.status_code) == (202, 202)
    assert status.json()["output"] == 3


async def test_the_binding_names_hub_and_both_addresses(tmp_path: Path) -> None:
    async with still_hub(tmp_path, name="MyHub") as (hub, _):
        binding = json.loads(hub.client_binding("http://127.0.0.1:7071/"))

    assert binding["taskHubName"] == "MyHub"
    assert binding["rpcBaseUrl"] == "http://127.0.0.1:7071/durabletask/"
    assert binding["baseUrl"] == "http://127.0.0.1:7071/runtime/webhooks/durabletask"
