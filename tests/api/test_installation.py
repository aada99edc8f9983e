"""Health, types, and the API's description of itself."""

import re
from html.parser import HTMLParser

import pytest

from shared import config
from shared.config import store
from shared.errors import ConfigurationUnavailable
from shared.settings import settings
from tests.api.bodies import new_database
from tests.api.client import READ, Api, refused
from tests.api.test_access import TABLE
from tests.support.cloud import forget_settings
from tests.support.forged_tokens import FORGERIES


class TestHealth:
    def test_everybody_is_told_that_it_answers_and_nothing_else(self, api: Api) -> None:
        assert api.get("/health", role=None).json() == {"status": "healthy", "version": "1.2.3"}

    def test_a_reader_is_told_of_each_part(self, api: Api) -> None:
        answer = api.get("/health", role=READ).json()

        parts = {part["name"]: part["status"] for part in answer["components"]}
        assert parts == dict.fromkeys(
            ("configuration", "secrets", "tables", "storage", "client_tools", "durable_engine"), "healthy"
        )
        assert (answer["status"], answer["environment"]) == ("healthy", "production")

    def test_a_part_that_does_not_answer_is_named(self, api: Api) -> None:
        api.durable.failure = ConfigurationUnavailable("The durable engine does not answer.")

        answer = api.get("/health", role=READ).json()

        assert answer["status"] == "degraded"
        (degraded,) = [part for part in answer["components"] if part["status"] == "degraded"]
        assert degraded == {
            "name": "durable_engine",
            "status": "degraded",
            "detail": "The durable engine does not answer.",
        }

    def test_documents_that_cannot_be_read_are_counted(self, api: Api) -> None:
        assert store.write("databases:broken", "{}", over=None)

        parts = {part["name"]: part for part in api.get("/health", role=READ).json()["components"]}

        assert parts["configuration"]["status"] == "degraded"
        assert "1 databases" in parts["configuration"]["detail"]

    def test_living_on_the_last_known_copy_is_degraded(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        api.post("/databases", new_database())
        config.databases.list_all(tenant=None)
        # The vault answers there, and refuses at once: App Configuration is as good as gone.
        with monkeypatch.context() as patch:
            patch.setenv("AZURE_APPCONFIG_ENDPOINT", settings().vault_url)
            forget_settings()
            parts = {part["name"]: part for part in api.get("/health", role=READ).json()["components"]}
        forget_settings()

        assert "last known copy" in parts["configuration"]["detail"]

    def test_a_family_without_a_dump_tool_is_degraded(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")

        parts = {part["name"]: part for part in api.get("/health", role=READ).json()["components"]}

        assert parts["client_tools"]["status"] == "degraded"
        assert "mysqldump" in parts["client_tools"]["detail"]

    @pytest.mark.parametrize("name", FORGERIES)
    def test_a_forged_token_is_refused_here_too(self, api: Api, name: str) -> None:
        headers = {"Authorization": f"Bearer {FORGERIES[name](api.cloud)}".encode()}

        refused(api.get("/health", role=None, headers=headers), 401)

    def test_a_token_without_a_role_is_told_nothing(self, api: Api) -> None:
        token = api.cloud.mint_token(roles=[], name="eve")

        refused(api.get("/health", role=None, headers={"Authorization": f"Bearer {token}"}), 403)


def test_types_tell_what_can_be_backed_up(api: Api) -> None:
    answer = api.get("/types", role=READ).json()

    assert answer["total"] == 4
    types = {kind["type"]: kind for kind in answer["types"]}
    assert types.keys() == {"mysql-flexible", "mysql-vm", "postgresql-azure", "postgresql-vm"}
    flexible = types["mysql-flexible"]
    assert (flexible["label"], flexible["default_port"], flexible["format"]) == (
        "MySQL Flexible Server",
        3306,
        "sql.gz",
    )
    assert (flexible["aliases"], flexible["private_hosts"]) == (["mysql"], False)
    assert flexible["verification"] == ["stored", "readable", "restored"]
    assert types["postgresql-vm"]["private_hosts"]


class TestOpenApi:
    def test_it_describes_every_route_with_its_role(self, api: Api) -> None:
        document = api.get("/openapi.json", role=None).json()

        assert document["openapi"].startswith("3.1.")
        assert document["info"]["version"] == "1.2.3"
        described = {
            operation["operationId"]: (method.upper(), path.removeprefix("/api"), role_of(operation))
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        assert described == TABLE

    def test_all_references_lead_somewhere(self, api: Api) -> None:
        answer = api.get("/openapi.json", role=None)

        schemas = answer.json()["components"]["schemas"]
        referred = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
        assert referred <= schemas.keys()
        assert not {"HTTPValidationError", "ValidationError"} & schemas.keys()

    def test_every_refusal_is_a_problem_and_none_is_422(self, api: Api) -> None:
        document = api.get("/openapi.json", role=None).json()

        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                codes = operation["responses"].keys()
                assert "422" not in codes
                assert {"500", "503"} <= codes
                assert ("401" in codes) == ("403" in codes) == ("security" in operation)
                assert "404" in codes or "{" not in path
                assert "400" in codes or "requestBody" not in operation
                assert "409" in codes or method == "get"
                for code in codes - {"200", "201", "202"}:
                    (media_type,) = operation["responses"][code]["content"]
                    assert media_type == "application/problem+json"

    def test_the_keywords_of_its_schemas_are_those_of_json_schema(self, api: Api) -> None:
        document = api.get("/openapi.json", role=None).json()

        assert not keywords(document["components"]["schemas"]) & {"ge", "le", "gt", "lt", "ctx"}


class TestDocs:
    def test_the_page_needs_nothing_but_itself(self, api: Api) -> None:
        answer = api.get("/docs", role=None)

        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        page = Page()
        page.feed(answer.text)
        assert not page.tags & {"script", "link", "img", "iframe", "form", "object"}
        assert all(target.startswith("#") or target == "openapi.json" for target in page.targets)
        assert page.open_tags == []

    def test_every_route_is_shown_with_role_and_example(self, api: Api) -> None:
        text = api.get("/docs", role=None).text

        for name, (method, path, role) in TABLE.items():
            assert f'id="{name}"' in text
            assert f"<code>{method} /api{path}</code>" in text
            assert role is None or f'<span class="role">{role}</span>' in text
        assert "curl -X POST &#x27;https://backup.example.com/api/databases&#x27;" in text

    def test_a_forged_host_stays_text(self, api: Api) -> None:
        answer = api.get("/docs", role=None, headers={"Host": 'x"><script>alert(1)</script>'})

        assert "<script" not in answer.text


def role_of(operation: dict[str, list[dict[str, list[str]]]]) -> str | None:
    """The one role that an operation names."""
    if "security" not in operation:
        return None
    ((role,),) = operation["security"][0].values()
    return role


def keywords(schema: object) -> set[str]:
    """All keys anywhere in a schema."""
    if isinstance(schema, list):
        return set().union(*(keywords(part) for part in schema))
    if isinstance(schema, dict):
        return set(schema).union(*(keywords(part) for part in schema.values()))
    return set()


class Page(HTMLParser):
    """What a page is made of."""

    VOID = ("meta", "br", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.open_tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag not in self.VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag
