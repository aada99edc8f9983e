"""Extra options of dump tools that users may ask for: an allow-list, because many options write files or load code."""

import re
from collections.abc import Mapping, Sequence

from shared.errors import FieldError, InvalidRequest

LONGEST_OPTION = 500


def check_against(allowed: Mapping[str, str | None], options: Sequence[str]) -> None:
    """Raises InvalidRequest, naming the option, unless each is on the list.

    `allowed` maps the option's whole name, two dashes included, to the pattern of its value; None where it has none.
    Only `--name` and `--name=value` are taken: tools also read unique beginnings of names, and `_` as `-`.
    """
    for option in options:
        name, has_value, value = option.partition("=")
        if name not in allowed:
            raise _refused(option, f"is not one of the options that are allowed: {', '.join(sorted(allowed))}")
        pattern = allowed[name]
        if pattern is None and has_value:
            raise _refused(option, "takes no value")
        if pattern is not None and re.fullmatch(pattern, value) is None:
            raise _refused(option, f"needs a value of the form {pattern}")
        if len(option) > LONGEST_OPTION:
            raise _refused(option[:50], f"is longer than {LONGEST_OPTION} characters")


def _refused(option: str, reason: str) -> InvalidRequest:
    message = f"The option {option!r} {reason}."
    return InvalidRequest(message, errors=(FieldError(field="options", message=message),))
