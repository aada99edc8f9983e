import pytest

from shared.engines.options import check_against
from shared.errors import InvalidRequest

pytestmark = pytest.mark.unit

ALLOWED = {"--plain": None, "--number": r"\d+", "--text": ".*"}


def test_what_stands_on_the_list_passes() -> None:
    check_against(ALLOWED, ["--plain", "--number=5", "--text=a=b"])


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--other", "is not one of"),
        ("--plai", "is not one of"),
        ("--Plain", "is not one of"),
        ("--plain=1", "takes no value"),
        ("--plain=", "takes no value"),
        ("--number", "needs a value"),
        ("--number=5x", "needs a value"),
        ("--number=5\n", "needs a value"),
        ("--text=" + "x" * 500, "is longer than 500"),
    ],
)
def test_all_else_is_refused_with_the_reason(option: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        check_against(ALLOWED, ["--plain", option])
