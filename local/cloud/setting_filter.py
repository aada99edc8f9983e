"""The filters of App Configuration's lists, for keys, labels and tags.

An absent, an empty and a "*" filter let everything pass; a "*" at the end lets every longer text pass; commas stand
between up to five exact texts; a backslash takes the meaning from the next character; NUL is the missing label.
Source: the REST reference, "Supported filters", and the behaviour of Microsoft's own emulator.
"""

from collections.abc import Callable, Iterable, Mapping

LIST_LIMIT = 5
NO_LABEL = "\0"

Matches = Callable[[str], bool]


class BadFilter(Exception):
    """The filter cannot be understood; the message says why."""


def text_filter(text: str | None) -> Matches:
    """Whether a key or label passes text; "" is the missing label. Raises BadFilter."""
    if not text or text.startswith("*"):
        return lambda _: True
    items = _split(text, ",")
    if len(items) > LIST_LIMIT:
        raise BadFilter(f"A filter lists at most {LIST_LIMIT} texts.")
    if len(items) == 1 and _ends_with_wildcard(text):
        beginning = _unescape(text[:-1])
        return lambda candidate: candidate.startswith(beginning)
    allowed = {"" if item == NO_LABEL else _unescape(item) for item in items}
    return lambda candidate: candidate in allowed


def tags_filter(texts: Iterable[str]) -> Callable[[Mapping[str, str]], bool]:
    """Whether a setting's tags pass all of texts, each "name=value". Raises BadFilter."""
    wanted = {}
    for text in texts:
        parts = _split(text, "=")
        if len(parts) != 2 or not parts[0]:
            raise BadFilter("A tag filter reads name=value.")
        wanted[_unescape(parts[0])] = _unescape(parts[1])
    if len(wanted) > LIST_LIMIT:
        raise BadFilter(f"At most {LIST_LIMIT} tags filter a list.")
    return lambda tags: all(tags.get(name) == value for name, value in wanted.items())


def _split(text: str, separator: str) -> list[str]:
    """The parts of text between separators that no backslash precedes; escapes stay."""
    parts, escaped = [""], False
    for character in text:
        if character == separator and not escaped:
            parts.append("")
        else:
            parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def _ends_with_wildcard(text: str) -> bool:
    before = text[:-1]
    return text.endswith("*") and (len(before) - len(before.rstrip("\\"))) % 2 == 0


def _unescape(text: str) -> str:
    plain, escaped = "", False
    for character in text:
        if escaped:
            plain, escaped = plain + character, False
        elif character == "\\":
            escaped = True
        elif character in "*,":
            raise BadFilter(f"{character!r} has no meaning there: write it as \\{character}.")
        else:
            plain += character
    return plain
