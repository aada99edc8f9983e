"""What a plan may not do, read from its source: it is run again from its start at every step."""

import ast
from collections.abc import Iterator

ANSWERS_DIFFER = {
    "now", "utcnow", "today", "time", "monotonic", "perf_counter",
    "uuid1", "uuid4", "urandom", "token_hex", "token_bytes", "token_urlsafe",
    "random", "randint", "choice", "shuffle", "getenv", "open",
}  # fmt: skip
"""Calls whose answer differs from one replay to the next, by their last name; `context.now` is no call."""


def breaches(tree: ast.Module) -> Iterator[str]:
    """One line per breach, with its line number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and node.finalbody:
            # The SDK drops the waiting generator at every step, and Python then runs `finally` in mid-work.
            yield f"line {node.lineno}: `finally` runs at every step of a plan; use `except` and then the same steps"
        elif isinstance(node, ast.With | ast.AsyncWith) and _waits(node):
            yield f"line {node.lineno}: `with` around a yield is left at every step of a plan"
        elif isinstance(node, ast.Call) and _last_name(node.func) in ANSWERS_DIFFER:
            yield f"line {node.lineno}: `{_last_name(node.func)}()` answers differently at the next replay"
        elif isinstance(node, ast.Attribute | ast.Name) and _last_name(node) == "environ":
            yield f"line {node.lineno}: the environment may differ at the next replay; put it into the request"


def _waits(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
