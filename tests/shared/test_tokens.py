"""Who may come in: tokens of the local Entra, and every forgery that has worked somewhere."""

import time
from typing import Any

import pytest

from local.cloud.cloud import LocalCloud
from shared.errors import ConfigurationUnavailable, Forbidden, Unauthenticated
from shared.settings import settings
from shared.tokens import Caller, Role, caller_of, name_in, roles_in
from tests.support.forged_tokens import FORGERIES, Forge

OTHER_TENANT = "33333333-3333-3333-3333-333333333333"


def bearer(token: str) -> str:
    return f"Bearer {token}"


def test_a_token_of_the_tenant_names_its_caller(cloud: LocalCloud) -> None:
    token = cloud.mint_token(roles=["Backup.Operator", "Something.Else"], name="ada@example.com")

    caller = caller_of(bearer(token))

    assert caller.name == "ada@example.com"
    assert caller.roles == {Role.OPERATOR}
    assert caller.tenant_id == settings().tenant_id


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"upn": "u", "preferred_username": "p", "email": "e", "name": "n"}, "u"),
        ({"preferred_username": "p", "email": "e"}, "p"),
        ({"upn": "", "preferred_username": None, "email": "e", "name": "n"}, "e"),
        ({"name": "n", "appid": "a"}, "n"),
        ({"appid": "a", "azp": "z"}, "a"),
        ({"azp": "z"}, "z"),
        ({}, "id"),
    ],
)
def test_a_caller_is_shown_by_the_best_name_in_the_token(claims: dict[str, Any], name: str) -> None:
    assert name_in({"oid": "id", **claims}) == name


def test_a_v1_token_is_as_good_as_a_v2_token(cloud: LocalCloud) -> None:
    issuer = f"https://sts.windows.net/{settings().tenant_id}/"
    token = cloud.mint_token(roles=["Backup.Read"], name="ada", iss=issuer, aud=f"api://{settings().client_id}")

    assert caller_of(bearer(token)).roles == {Role.READ}


def test_clocks_may_differ_by_a_minute(cloud: LocalCloud) -> None:
    now = int(time.time())

    caller_of(bearer(cloud.mint_token(roles=[], name="late", exp=now - 60)))
    caller_of(bearer(cloud.mint_token(roles=[], name="early", nbf=now + 60)))


def test_a_tenant_of_the_allow_list_is_accepted_and_no_other(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = f"{settings().azure_authority_host}/{OTHER_TENANT}/v2.0"
    token = cloud.mint_token(roles=["Backup.Read"], name="eve", iss=issuer, tid=OTHER_TENANT)

    with pytest.raises(Unauthenticated):
        caller_of(bearer(token))

    monkeypatch.setenv("ALLOWED_TENANTS", OTHER_TENANT)
    settings.cache_clear()
    assert caller_of(bearer(token)).tenant_id == OTHER_TENANT


def test_the_tenant_in_a_token_is_that_of_its_issuer(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_TENANTS", OTHER_TENANT)
    settings.cache_clear()

    with pytest.raises(Unauthenticated, match="issuer"):
        caller_of(bearer(cloud.mint_token(roles=["Backup.Admin"], name="eve", tid=OTHER_TENANT)))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "bearer", "Token abc", "Bearer a.b.c"])
def test_without_a_bearer_token_nobody_comes_in(cloud: LocalCloud, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        caller_of(header)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused(cloud: LocalCloud, forge: Forge) -> None:
    with pytest.raises(Unauthenticated):
        caller_of(bearer(forge(cloud)))


@pytest.mark.parametrize("roles", ["Backup.Admin", None, 7, [["Backup.Admin"]], {"Backup.Admin": 1}])
def test_roles_that_are_no_list_of_names_give_no_role(roles: object) -> None:
    assert roles_in({"roles": roles}) == frozenset()


def test_keys_that_cannot_be_read_are_no_fault_of_the_caller(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = cloud.mint_token(roles=[], name="ada")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:9")
    settings.cache_clear()

    with pytest.raises(ConfigurationUnavailable, match="signing keys"):
        caller_of(bearer(token))


@pytest.mark.parametrize(
    ("held", "opens"),
    [
        (set(), set()),
        ({Role.READ}, {Role.READ}),
        ({Role.OPERATOR}, {Role.READ, Role.OPERATOR}),
        ({Role.ADMIN}, {Role.READ, Role.OPERATOR, Role.ADMIN}),
        ({Role.READ, Role.OPERATOR}, {Role.READ, Role.OPERATOR}),
    ],
)
def test_a_role_opens_what_needs_it_or_less(held: set[Role], opens: set[Role]) -> None:
    caller = Caller(id="1", tenant_id="t", name="ada", roles=frozenset(held))

    for needed in Role:
        if needed in opens:
            caller.must_have(needed)
        else:
            with pytest.raises(Forbidden, match=needed.value):
                caller.must_have(needed)
