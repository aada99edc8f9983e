"""Values between host and worker."""

import pytest
from azure.functions.meta import Datum

from local.datums import encode_datum

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("value", ["", "text", None])
def test_texts_and_nothing_are_sent(value: str | None) -> None:
    assert encode_datum(Datum(value, "json")).head == {"result": {"type": "json", "value": value}}


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="a result of type bytes cannot be sent"):
        encode_datum(Datum(b"x", "bytes"))
