from collections.abc import Sequence

import pytest

from local.cloud.setting_filter import BadFilter, tags_filter, text_filter

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "candidate"),
    [
        (None, "anything"),
        ("", "anything"),
        ("*", "anything"),
        ("databases:*", "databases:shop"),
        ("databases:*", "databases:"),
        ("a,b", "b"),
        ("exact", "exact"),
        (r"star\*", "star*"),
        (r"star\**", "star*light"),
        (r"a\,b", "a,b"),
        (r"back\\slash", r"back\slash"),
        (r"back\\*", r"back\slash"),
        ("\0", ""),
        ("\0,dev", ""),
        ("dev,\0", "dev"),
    ],
)
def test_a_filter_lets_pass_what_it_describes(text: str | None, candidate: str) -> None:
    assert text_filter(text)(candidate)


@pytest.mark.parametrize(
    ("text", "candidate"),
    [
        ("databases:*", "targets:shop"),
        ("a,b", "c"),
        ("exact", "exactly"),
        (r"star\*", "starlight"),
        (r"a\,b", "a"),
        ("\0", "dev"),
    ],
)
def test_a_filter_keeps_out_what_it_does_not_describe(text: str, candidate: str) -> None:
    assert not text_filter(text)(candidate)


@pytest.mark.parametrize("text", ["a*b", "a*,b", "1,2,3,4,5,6"], ids=["middle", "list", "six"])
def test_a_filter_that_azure_refuses_is_refused(text: str) -> None:
    with pytest.raises(BadFilter):
        text_filter(text)


@pytest.mark.parametrize(
    ("texts", "passes"),
    [
        ([], True),
        (["team=backup"], True),
        (["team=backup", "stage=test"], True),
        (["team=other"], False),
        (["team=backup", "missing=x"], False),
        ([r"odd\=name=1"], True),
    ],
)
def test_tags_pass_when_all_that_are_asked_for_are_there(texts: Sequence[str], passes: bool) -> None:
    tags = {"team": "backup", "stage": "test", "odd=name": "1"}

    assert tags_filter(texts)(tags) is passes


@pytest.mark.parametrize(
    "texts",
    [["team"], ["=backup"], ["a=b=c"], [f"t{number}=x" for number in range(6)]],
    ids=["no value", "no name", "two values", "six"],
)
def test_a_tag_filter_that_azure_refuses_is_refused(texts: Sequence[str]) -> None:
    with pytest.raises(BadFilter):
        tags_filter(texts)
