"""Every error of the tree as a problem, and every kind of fault in the words of the API."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import (
    BackupError,
    BlobExists,
    ConfigurationUnavailable,
    Conflict,
    FieldError,
    Forbidden,
    InternalError,
    InvalidCredentials,
    InvalidRequest,
    NotFound,
    SettingInvalid,
    StorageUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from shared.problems import bad_field, checked, invalid_fields, problem, refusals_as_faults

pytestmark = pytest.mark.unit


def body_of(error: BackupError) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(problem(error).body))
    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidRequest("x"), 400),
        (Unauthenticated("x"), 401),
        (Forbidden("x"), 403),
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (TooManyRequests("x", retry_after_seconds=9), 429),
        (ConfigurationUnavailable("x"), 503),
        (StorageUnavailable("x"), 503),
        (InvalidCredentials("x"), 500),
        (BlobExists("x"), 500),
        (SettingInvalid("x"), 500),
        (InternalError("x"), 500),
    ],
    ids=lambda value: value.code if isinstance(value, BackupError) else value,
)
def test_each_error_has_its_status(error: BackupError, status: int) -> None:
    answer = problem(error)

    assert answer.status_code == status
    assert answer.media_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = body_of(error)
    assert (body["status"], body["code"], body["detail"]) == (status, error.code, "x")
    assert body["type"] == f"urn:dilux:error:{error.code}"


def test_a_title_is_the_specifications_or_that_of_the_kind() -> None:
    assert body_of(InvalidRequest("x", title="Password required"))["title"] == "Password required"
    assert body_of(InvalidRequest("x"))["title"] == "Invalid request"
    assert body_of(ConfigurationUnavailable("x"))["title"] == "Configuration unavailable"


def test_what_an_error_carries_is_told() -> None:
    assert body_of(Conflict("x", backup_id="backup-1"))["backup_id"] == "backup-1"
    assert body_of(InvalidRequest("x", errors=(FieldError(field="a", message="b"),)))["errors"] == [
        {"field": "a", "message": "b"}
    ]
    assert problem(TooManyRequests("x", retry_after_seconds=9)).headers["Retry-After"] == "9"
    assert problem(Unauthenticated("x")).headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    number: int = 0


def faults_of(body: object) -> InvalidRequest:
    with pytest.raises(ValidationError) as failure:
        Body.model_validate(body)
    return invalid_fields([{**fault, "loc": ("body", *fault["loc"])} for fault in failure.value.errors()])


def test_faults_are_told_in_plain_words_and_without_what_was_sent() -> None:
    refusal = faults_of({"number": "c4nary", "more": "c4nary"})

    assert {error.field for error in refusal.errors} == {"number", "more"}
    assert "There is no such field." in refusal.message
    assert "c4nary" not in refusal.message


def test_a_body_that_is_no_object_says_so() -> None:
    (error,) = faults_of(7).errors

    assert (error.field, error.message) == ("body", "Must be a JSON object.")


def test_a_refusal_within_a_validator_keeps_its_title() -> None:
    def refuse(_: object) -> None:
        raise InvalidRequest("Invalid host format: no.", title="Invalid host format")

    with pytest.raises(type(bad_field("x"))) as fault:
        checked(refuse)("host")

    assert fault.value.context == {"message": "Invalid host format: no.", "field": "", "title": "Invalid host format"}


def test_what_is_not_refused_passes() -> None:
    assert checked(len)("value") == "value"
    with refusals_as_faults():
        pass
