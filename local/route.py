"""Route templates of HTTP triggers: `orders/{id:int}`, `files/{*path}`, `report/{format?}`.

Grammar and order of precedence as in ASP.NET Core's routing, which the Functions host uses. Left out, and refused: the
rarer constraints and default values.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

PARAMETER = re.compile(r"\{(?P<stars>\*{0,2})(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\?)?\}")

CONSTRAINTS = {
    None: ".+",
    "alpha": "[A-Za-z]+",
    "bool": "(?i:true|false)",
    "guid": "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "int": "[+-]?[0-9]+",
    "long": "[+-]?[0-9]+",
}


class Rank(IntEnum):
    """How much a segment says; among the routes that match, the one that says more comes first."""

    LITERAL = 0
    MIXED = 1
    CONSTRAINED = 2
    PARAMETER = 3
    CATCH_ALL = 4


@dataclass(frozen=True)
class _Segment:
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    rank: Rank
    is_optional: bool


@dataclass(frozen=True)
class RouteTemplate:
    """A parsed template. Made by `parse_template`."""

    segments: tuple[_Segment, ...]

    @property
    def ranks(self) -> tuple[Rank, ...]:
        """Sorts templates, the one to be tried first in front."""
        return tuple(segment.rank for segment in self.segments)

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """The parameters in the segments of a path (decoded), or None when the path is another one's."""
        found: dict[str, str] = {}
        for position, segment in enumerate(self.segments):
            if segment.rank is Rank.CATCH_ALL:
                return found | {segment.names[0]: "/".join(path[position:])}
            if position >= len(path):
                if not segment.is_optional:
                    return None
            elif match := segment.pattern.fullmatch(path[position]):
                found.update(zip(segment.names, match.groups(), strict=True))
            else:
                return None
        return found if len(path) <= len(self.segments) else None


def parse_template(text: str) -> RouteTemplate:
    """The template in the text of a `route`. Raises ValueError, naming the part that is not understood."""
    segments = tuple(_parse_segment(part, text) for part in text.split("/") if part)
    for segment in segments[:-1]:
        if segment.is_optional or segment.rank is Rank.CATCH_ALL:
            raise ValueError(f"the route {text!r} has an optional part that is not the last")
    return RouteTemplate(segments)


def _parse_segment(text: str, route: str) -> _Segment:
    parameters = list(PARAMETER.finditer(text))
    pattern, end = "", 0
    for parameter in parameters:
        constraint = parameter["constraint"]
        if constraint not in CONSTRAINTS:
            raise ValueError(f"the route {route!r} has the constraint {constraint!r}; known: {_known_constraints()}")
        pattern += re.escape(text[end : parameter.start()]) + f"({CONSTRAINTS[constraint]})"
        end = parameter.end()
    rest = PARAMETER.sub("", text)
    has_stars = any(parameter["stars"] for parameter in parameters)
    if "{" in rest or "}" in rest or (has_stars and (rest or len(parameters) > 1)):
        raise ValueError(f"the route {route!r} has the part {text!r}, which is not understood")
    return _Segment(
        pattern=re.compile(pattern + re.escape(text[end:]), re.IGNORECASE | re.DOTALL),
        names=tuple(parameter["name"] for parameter in parameters),
        rank=_rank(parameters, has_text=bool(rest)),
        is_optional=any(parameter["optional"] for parameter in parameters),
    )


def _rank(parameters: Sequence[re.Match[str]], *, has_text: bool) -> Rank:
    if not parameters:
        return Rank.LITERAL
    if has_text or len(parameters) > 1:
        return Rank.MIXED
    if parameters[0]["stars"]:
        return Rank.CATCH_ALL
    return Rank.CONSTRAINED if parameters[0]["constraint"] else Rank.PARAMETER


def _known_constraints() -> str:
    return ", ".join(name for name in CONSTRAINTS if name)
