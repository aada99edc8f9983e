"""HTTP through a running host, to the functions of an app that knows nothing of it."""

import asyncio
import http.client
import json
import random
import shutil
import socket
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import jwt
import pytest

from local.host import Host, HostOptions
from tests.support.embedded_host import RunningHost, start_host

FOREIGN_APP = Path(__file__).parent / "foreign_app"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    folder = tmp_path_factory.mktemp("http")
    with start_host(FOREIGN_APP, folder / "home", TRACES=str(folder), TICKS="0 0 0 1 1 *") as running:
        yield running


@pytest.fixture
def client(host: RunningHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.url, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/hello", "Hello, stranger!"),
        ("/v1/hello/Ana", "Hello, Ana!"),
        ("/v1/hello/%C3%91and%C3%BA%2F1", "Hello, Ñandú/1!"),
        ("/v1/hello/nobody", "Nobody is here."),
        ("/V1/HELLO/nobody/", "Nobody is here."),
    ],
)
def test_a_request_goes_to_the_route_that_says_most(client: httpx.Client, path: str, expected: str) -> None:
    reply = client.get(path)

    assert (reply.status_code, reply.text) == (200, expected)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_function_gets_the_methods_it_names(client: httpx.Client, method: str) -> None:
    reply = client.request(method, "/v1/numbers/12")

    assert (reply.status_code, reply.json()) == (203, {"method": method, "id": "12"})


def test_other_methods_are_answered_with_405(client: httpx.Client) -> None:
    reply = client.put("/v1/numbers/12")

    assert (reply.status_code, reply.headers["allow"]) == (405, "DELETE, GET")


@pytest.mark.parametrize("path", ["/v1/unknown", "/hello", "/v1/numbers/twelve", "/v1/unscheduled"])
def test_unknown_paths_are_answered_with_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_binary_body_goes_both_ways_unchanged(client: httpx.Client) -> None:
    body = random.Random(7).randbytes(8_000_000)

    reply = client.post("/v1/echo/", content=body)

    assert reply.content == body
    assert reply.headers["content-type"] == "application/octet-stream"


def test_the_function_sees_the_request_as_it_came(client: httpx.Client, host: RunningHost) -> None:
    headers = [("X-Twice", "1"), ("X-Twice", "2"), ("Cookie", "a=1; b=2")]

    reply = client.post("/v1/echo/a%20b/c?x=1&x=2&empty=&%C3%B1=%26", headers=headers)

    seen = json.loads(reply.headers["x-seen"])
    assert seen["url"] == f"{host.url}/v1/echo/a%20b/c?x=1&x=2&empty=&%C3%B1=%26"
    assert seen["rest"] == "a b/c"
    assert seen["query"] == {"x": "1,2", "empty": "", "ñ": "&"}
    assert seen["headers"]["x-twice"] == "1, 2"
    assert seen["headers"]["cookie"] == "a=1; b=2"
    assert seen["function"] == "echo"
    assert len(seen["invocation"]) == 36


def test_every_cookie_of_the_reply_arrives(client: httpx.Client) -> None:
    reply = client.post("/v1/echo/")

    assert reply.headers.get_list("set-cookie") == ["first=1; HttpOnly; Path=/", "second=two; Max-Age=60; SameSite=Lax"]


def test_an_asgi_application_runs_inside_a_function(client: httpx.Client) -> None:
    reply = client.post("/v1/asgi/a%20b?x=1", content="hello")

    seen = reply.json()
    assert (seen["path"], seen["body"]) == ("/v1/asgi/a b", "hello")
    assert seen["azure_functions.function_name"] == "through_asgi"
    assert seen["azure_functions.function_directory"] == str(FOREIGN_APP)


def test_no_result_is_204(client: httpx.Client) -> None:
    assert client.get("/v1/nothing").status_code == 204


@pytest.mark.parametrize(
    ("path", "query"), [("fail", "?with=ValueError"), ("fail", "?with=SystemExit"), ("fail-async", "")]
)
def test_a_failure_tells_the_caller_nothing_and_the_log_all(
    client: httpx.Client, host: RunningHost, path: str, query: str
) -> None:
    reply = client.get(f"/v1/{path}{query}")

    assert (reply.status_code, reply.content) == (500, b"")
    log = (host.home / "logs" / "host.log").read_text()
    assert f"function {path.replace('-', '_')} failed" in log
    assert "function_app.py" in log


def test_keys_open_functions_by_their_level(client: httpx.Client, host: RunningHost) -> None:
    keys = json.loads((host.home / "keys.json").read_text())

    codes = {
        (path, name): client.get(f"/v1/{path}", params={"code": key} if key else {}).status_code
        for path in ("keyed", "master")
        for name, key in {**keys, "none": "", "wrong": "x"}.items()
    }

    opened = {which for which, code in codes.items() if code == 200}
    assert opened == {("keyed", "function"), ("keyed", "master"), ("master", "master")}
    assert set(codes.values()) == {200, 401}
    assert client.get("/v1/keyed", headers={"x-functions-key": keys["function"]}).status_code == 200


def test_twenty_slow_requests_run_at_once_and_keep_no_other(client: httpx.Client, host: RunningHost) -> None:
    started = time.monotonic()

    with ThreadPoolExecutor(20) as threads:
        slow = [threads.submit(httpx.get, f"{host.url}/v1/slow-async?seconds=4", timeout=60) for _ in range(20)]
        quick = client.get("/v1/hello")
        waiting = [reply for reply in slow if not reply.done()]
        codes = [reply.result().status_code for reply in slow]

    assert (quick.status_code, codes) == (200, [200] * 20)
    assert len(waiting) == 20  # the quick one passed them all
    assert time.monotonic() - started < 40  # one after the other they would take 80


def test_a_request_whose_worker_dies_gets_502_and_the_next_is_answered(client: httpx.Client) -> None:
    assert client.get("/v1/die").status_code == 502
    assert client.get("/v1/hello").status_code == 200


def test_a_body_that_says_it_is_too_long_is_refused_unread(host: RunningHost) -> None:
    connection = http.client.HTTPConnection(host.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/v1/echo/")
    connection.putheader("Content-Length", str(211 * 1024 * 1024))
    connection.endheaders()

    reply = connection.getresponse()

    assert (reply.status, reply.read()) == (413, b"The request's body is longer than 210 MB.")
    connection.close()


def test_a_caller_that_leaves_in_the_middle_harms_nobody(client: httpx.Client, host: RunningHost) -> None:
    address, port = host.url.removeprefix("http://").split(":")
    with socket.create_connection((address, int(port))) as connection:
        connection.sendall(b"POST /v1/echo/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf")

    assert client.get("/v1/hello").status_code == 200


def test_the_bare_address_says_what_is_here(client: httpx.Client, host: RunningHost) -> None:
    text = client.get("/").text

    assert host.url in text
    assert "/v1/numbers/{id:int}" in text


def test_tokens_carry_the_roles_asked_for(host: RunningHost) -> None:
    claims = jwt.decode(host.token(["Backup.Admin"], "Ana"), options={"verify_signature": False})

    assert claims["roles"] == ["Backup.Admin"]
    assert claims["preferred_username"].lower().startswith("ana")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"roles": ["x"]}', b'{"roles": "x", "name": "n"}', b'{"roles": [1], "name": "n"}']
)
def test_a_bad_wish_for_a_token_is_400(client: httpx.Client, body: bytes) -> None:
    assert client.post("/local/token", content=body).status_code == 400


@pytest.mark.parametrize("path", ["/local/token", "/v1/hello", "/durabletask/instances/x"])
def test_a_name_that_was_made_to_lead_here_gets_nothing(client: httpx.Client, path: str) -> None:
    body = {"roles": ["Backup.Admin"], "name": "n"}

    assert client.post(path, json=body, headers={"Host": "evil.example"}).status_code == 400


def test_the_management_api_asks_for_its_key(client: httpx.Client) -> None:
    assert client.get("/runtime/webhooks/durabletask/instances/x").status_code == 401


def test_a_body_that_grows_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.http_trigger.LONGEST_BODY", 1000)
    monkeypatch.setenv("TRACES", str(tmp_path))

    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 500

    async def scenario() -> int:
        async with (
            Host(HostOptions(FOREIGN_APP, tmp_path / "home", port=0, workers=1)) as host,
            httpx.AsyncClient(base_url=host.url) as client,
        ):
            assert (await client.post("/v1/echo/", content=b"x" * 1000)).status_code == 200
            return (await client.post("/v1/echo/", content=in_parts())).status_code

    assert asyncio.run(scenario()) == 413


def test_a_request_that_finds_no_worker_in_time_gets_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.http_trigger.PATIENCE_SECONDS", 0.1)
    monkeypatch.setenv("TRACES", str(tmp_path))
    app = Path(shutil.copytree(FOREIGN_APP, tmp_path / "app"))

    async def scenario() -> int:
        async with (
            Host(HostOptions(app, tmp_path / "home", port=0, workers=1)) as host,
            httpx.AsyncClient(base_url=host.url) as client,
        ):
            (app / "function_app.py").write_text("raise ValueError")
            assert (await client.get("/v1/die")).status_code == 502
            return (await client.get("/v1/hello")).status_code

    assert asyncio.run(scenario()) == 503
