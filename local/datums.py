"""The values that cross between host and worker, as the SDK's `Datum` on one side and JSON on the other.

A value is `{"type": ..., "value": ...}` with the SDK's type names. HTTP requests and replies keep their body in the
frame beside the JSON; there is at most one of them per frame.
"""

from http.cookies import SimpleCookie
from typing import Any

from azure.functions.meta import Datum

from local.frames import Frame

# The name of the binding that takes what a function returns.
RETURN = "$return"


def decode_datum(value: dict[str, Any], body: bytes) -> Datum:
    """The SDK's form of an input."""
    if value["type"] != "http":
        return Datum(value["value"], value["type"])
    request = value["value"]
    return Datum(
        {
            "method": Datum(request["method"], "string"),
            "url": Datum(request["url"], "string"),
            "headers": _strings(request["headers"]),
            "query": _strings(request["query"]),
            "params": _strings(request["params"]),
            "body": Datum(body, "bytes"),
        },
        "http",
    )


def encode_datum(datum: Datum) -> Frame:
    """A frame with a result. Raises TypeError for a value that is no text."""
    if datum.type != "http":
        if not isinstance(datum.value, str | None):
            raise TypeError(f"a result of type {type(datum.value).__name__} cannot be sent")
        return Frame({"result": {"type": datum.type, "value": datum.value}})
    reply = datum.value
    headers = [[name, value.value] for name, value in reply["headers"].items()]
    headers += [["set-cookie", text] for cookie in reply["cookies"] or [] for text in _cookie_texts(cookie)]
    value = {"status": int(reply["status_code"].value), "headers": headers}
    return Frame({"result": {"type": "http", "value": value}}, reply["body"].value)


def _strings(values: dict[str, str]) -> dict[str, Datum]:
    return {name: Datum(value, "string") for name, value in values.items()}


def _cookie_texts(cookie: SimpleCookie) -> list[str]:
    return [morsel.OutputString() for morsel in cookie.values()]
