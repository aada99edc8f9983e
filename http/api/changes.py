"""Partial bodies: what is left out stays as it is, and the whole is checked again with what was changed."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.problems import bad_field, invalid_fields

M = TypeVar("M", bound=BaseModel)

FIXED = ("id", "type")


def refuse_fixed(body: Any) -> Any:
    """A validator of the raw body: lets it pass unless it names a field that never changes."""
    for field in FIXED:
        if isinstance(body, dict) and field in body:
            raise bad_field("Cannot be changed; create another one instead.", field=field)
    return body


def refuse_null(body: BaseModel, *, allowed: frozenset[str] = frozenset()) -> None:
    """Refuses a field that was sent as null, unless null means something there."""
    for field in sorted(body.model_fields_set - allowed):
        if getattr(body, field) is None:
            raise bad_field("Must not be null; leave it out to keep it as it is.", field=field)


def changed_whole(model: type[M], stored: BaseModel, changes: dict[str, Any]) -> M:
    """`stored` with `changes`, as `model` wants it; raises InvalidRequest with every fault."""
    kept = stored.model_dump(include=set(model.model_fields))
    try:
        return model.model_validate({**kept, **changes})
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_input=False)]
        raise invalid_fields(faults) from None  # the cause would show what was sent
