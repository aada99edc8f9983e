"""Route templates."""

import pytest

from local.route import parse_template

pytestmark = pytest.mark.unit

SOME_GUID = "00000000-0000-0000-0000-00000000000a"


def match(template: str, path: str) -> dict[str, str] | None:
    return parse_template(template).match([part for part in path.split("/") if part])


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("databases", "databases", {}),
        ("databases", "DataBases", {}),
        ("databases", "databases/x", None),
        ("databases/{id}", "databases", None),
        ("databases/{id}", "databases/prod", {"id": "prod"}),
        ("databases/{id}/backup", "databases/prod/backup", {"id": "prod"}),
        ("numbers/{id:int}", "numbers/-12", {"id": "-12"}),
        ("numbers/{id:int}", "numbers/twelve", None),
        ("flags/{on:bool}", "flags/True", {"on": "True"}),
        ("names/{name:alpha}", "names/a1", None),
        (
            "things/{id:guid}",
            "things/00000000-0000-0000-0000-00000000000a",
            {"id": "00000000-0000-0000-0000-00000000000a"},
        ),
        ("report/{format?}", "report", {}),
        ("report/{format?}", "report/pdf", {"format": "pdf"}),
        ("files/{*rest}", "files", {"rest": ""}),
        ("files/{*rest}", "files/a/b", {"rest": "a/b"}),
        ("files/{**rest}", "files/a/b", {"rest": "a/b"}),
        ("{name}.{kind}", "report.pdf", {"name": "report", "kind": "pdf"}),
        ("v{major:int}/x", "v2/x", {"major": "2"}),
        ("", "", {}),
    ],
)
def test_matches(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert match(template, path) == expected


def test_what_says_more_comes_first() -> None:
    templates = ["{*all}", "a/{x}", "a/{x?}", "a/{x:int}", "a/b{x}", "a/b", "a"]

    by_rank = sorted(templates, key=lambda text: parse_template(text).ranks)

    assert by_rank == ["a", "a/b", "a/b{x}", "a/{x:int}", "a/{x}", "a/{x?}", "{*all}"]


@pytest.mark.parametrize("template", ["a/{x:regex}", "a/{x", "a/x}", "a/{x?}/b", "{*all}/b", "a{*rest}", "a/{x=5}"])
def test_refuses_what_it_does_not_understand(template: str) -> None:
    with pytest.raises(ValueError, match="the route"):
        parse_template(template)
