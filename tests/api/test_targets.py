"""Targets: the servers that restores and verification may use."""

import pytest

from shared import config, secrets
from shared.errors import InvalidCredentials
from shared.models.database import SslMode
from tests.api.bodies import new_database, new_target
from tests.api.client import READ, Api, fields_of, refused
from tests.api.trail import last_line


def created(api: Api, **fields: object) -> str:
    """The id of a new target."""
    answer = api.post("/targets", new_target(**fields))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_a_target_is_created_with_a_password_of_its_own(api: Api) -> None:
    answer = api.post("/targets", new_target(name="Spare Server", password="c4nary"))

    assert answer.json() == {"id": "spare_server", "message": "Target created successfully"}
    stored = config.targets.get("spare_server", tenant=None)
    assert (stored.port, stored.ssl_mode) == (3306, SslMode.VERIFY_FULL)
    assert secrets.fetch("target-spare-server").password.get_secret_value() == "c4nary"
    assert last_line("target_created", "spare_server").result == "success"


def test_targets_are_listed_without_their_passwords(api: Api) -> None:
    id = created(api, password="c4nary")

    listed = api.get("/targets", role=READ)
    shown = api.get(f"/targets/{id}", role=READ)

    assert listed.json() == {"targets": [shown.json()], "total": 1}
    assert shown.json().keys() == {"id", "name", "type", "host", "port", "username", "ssl_mode", "created_at"}
    assert "c4nary" not in listed.text


def test_a_taken_id_is_refused_and_keeps_its_password(api: Api) -> None:
    created(api, name="Taken", password="first")

    refused(api.post("/targets", new_target(name="taken", password="second")), 409)

    assert secrets.fetch("target-taken").password.get_secret_value() == "first"


def test_a_database_and_a_target_may_have_one_name(api: Api) -> None:
    assert created(api, name="Twin", password="t") == "twin"
    assert api.post("/databases", new_database(name="Twin", password="d")).status_code == 201

    passwords = [secrets.fetch(f"{kind}-twin").password.get_secret_value() for kind in ("target", "db")]
    assert passwords == ["t", "d"]


def test_a_change_changes_its_fields_and_no_other(api: Api) -> None:
    id = created(api, password="kept")
    before = config.targets.get(id, tenant=None)

    answer = api.put(f"/targets/{id}", {"port": 3307, "username": "other"})

    assert answer.json() == {"message": "Target updated successfully"}
    assert config.targets.get(id, tenant=None) == before.model_copy(update={"port": 3307, "username": "other"})
    credentials = secrets.fetch(before.secret_slug)
    assert (credentials.username, credentials.password.get_secret_value()) == ("other", "kept")


def test_a_new_name_touches_no_secret(api: Api) -> None:
    id = created(api)
    secrets.remove(config.targets.get(id, tenant=None).secret_slug)

    assert api.put(f"/targets/{id}", {"name": "Other"}).status_code == 200
    assert api.get(f"/targets/{id}").json()["name"] == "Other"


def test_a_password_is_replaced(api: Api) -> None:
    id = created(api, password="old")

    api.put(f"/targets/{id}", {"password": "new"})

    assert secrets.fetch(config.targets.get(id, tenant=None).secret_slug).password.get_secret_value() == "new"
    assert "new" not in last_line("target_updated", id).details


@pytest.mark.parametrize("body", [{"type": "mysql-vm"}, {"id": "x"}, {"host": None}, {"host": "::1"}, {"more": 1}])
def test_a_bad_change_is_named(api: Api, body: dict[str, object]) -> None:
    id = created(api)

    assert fields_of(refused(api.put(f"/targets/{id}", body), 400)) == body.keys()


def test_a_change_is_judged_together_with_what_is_stored(api: Api) -> None:
    id = created(api, type="mysql-flexible", host="db.example.com")

    refused(api.put(f"/targets/{id}", {"host": "10.0.0.4"}), 400, "Invalid host format")


def test_a_target_is_removed_with_its_password(api: Api) -> None:
    id = created(api)
    slug = config.targets.get(id, tenant=None).secret_slug

    assert api.delete(f"/targets/{id}").json() == {"message": "Target deleted successfully"}

    refused(api.get(f"/targets/{id}"), 404)
    refused(api.delete(f"/targets/{id}"), 404)
    with pytest.raises(InvalidCredentials):
        secrets.fetch(slug)


def test_a_target_that_a_database_names_stays(api: Api) -> None:
    id = created(api)
    database = api.post("/databases", new_database(verification={"target_id": id})).json()["id"]

    problem = refused(api.delete(f"/targets/{id}"), 409)
    assert database in problem["detail"]

    api.put(f"/databases/{database}", {"verification": {"target_id": None}})
    assert api.delete(f"/targets/{id}").status_code == 200
