"""The OpenAPI document as one HTML page: no script, nothing from another host."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

JSON = "application/json"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
nav ul { columns: 20rem; padding-left: 1.2rem; }
section { border-top: 1px solid var(--line); margin-top: 2rem; }
h3 { margin-bottom: 0.2rem; overflow-wrap: anywhere; }
.role { background: var(--soft); border-radius: 0.3rem; padding: 0 0.4rem; font-size: 0.85rem; }
table { border-collapse: collapse; width: 100%; margin: 0.6rem 0; }
caption { text-align: left; font-weight: 600; }
th, td { border: 1px solid var(--line); padding: 0.2rem 0.5rem; text-align: left; vertical-align: top; }
pre { background: var(--soft); padding: 0.6rem; overflow-x: auto; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
METHODS = ("get", "post", "put", "delete")
SAMPLES: Mapping[str, Any] = {"integer": 1, "boolean": True, "array": []}
OPEN_TO_ALL = "no token needed"

Part = Mapping[str, Any]


def page(document: Part, address: str) -> str:
    """The whole page; `address` is the API's own URL for the examples, without a path."""
    tags = _by_tag(document)
    title = escape(f"{document['info']['title']} API {document['info']['version']}")
    links = "".join(
        f'<li><a href="#{_anchor(operation)}">{escape(operation["summary"])}</a></li>'
        for operations in tags.values()
        for _, _, operation in operations
    )
    sections = "".join(
        f"<section><h2>{escape(tag)}</h2>"
        + "".join(_operation(document, address, *each) for each in operations)
        + "</section>"
        for tag, operations in tags.items()
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{title}</h1><p>{escape(document['info']['description'])}</p>"
        '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
        f"<nav><ul>{links}</ul></nav>{sections}</body></html>"
    )


def _by_tag(document: Part) -> dict[str, list[tuple[str, str, Part]]]:
    tags: dict[str, list[tuple[str, str, Part]]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                tags.setdefault(methods[method]["tags"][0], []).append((method, path, methods[method]))
    return tags


def _operation(document: Part, address: str, method: str, path: str, operation: Part) -> str:
    schema = _content_schema(operation.get("requestBody", {}))
    return (
        f'<h3 id="{_anchor(operation)}"><code>{method.upper()} {escape(path)}</code></h3>'
        f'<p>{escape(operation["summary"])} <span class="role">{escape(_role(operation))}</span></p>'
        f"<p>{escape(operation.get('description', ''))}</p>"
        f"{_table('Parameters', list(_parameters(document, operation)))}"
        f"{_table('Body', list(_fields(document, schema)))}"
        f"{_table('Answers', list(_answers(document, operation)))}"
        f"<pre>{escape(_curl(document, address, method, path, operation))}</pre>"
    )


def _anchor(operation: Part) -> str:
    return escape(operation["operationId"])


def _role(operation: Part) -> str:
    roles = [role for requirement in operation.get("security", ()) for role in next(iter(requirement.values()))]
    return " ".join(roles) or OPEN_TO_ALL


def _table(caption: str, rows: list[tuple[str, str, str]]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f"<tr><th><code>{escape(name)}</code></th><td>{escape(kind)}</td><td>{escape(text)}</td></tr>"
        for name, kind, text in rows
    )
    return f"<table><caption>{caption}</caption>{lines}</table>"


def _parameters(document: Part, operation: Part) -> Iterator[tuple[str, str, str]]:
    for parameter in operation.get("parameters", ()):
        kind = f"{parameter['in']}, {_kind(document, parameter['schema'])}"
        yield parameter["name"], kind, parameter.get("description", parameter["schema"].get("description", ""))


def _fields(document: Part, schema: Part) -> Iterator[tuple[str, str, str]]:
    target = _resolved(document, schema)
    required = target.get("required", ())
    for name, field in target.get("properties", {}).items():
        kind = _kind(document, field) + (", required" if name in required else "")
        yield name, kind, field.get("description", "")


def _answers(document: Part, operation: Part) -> Iterator[tuple[str, str, str]]:
    for status, answer in operation["responses"].items():
        schema = _content_schema(answer)
        fields = ", ".join(_resolved(document, schema).get("properties", {}))
        is_problem = schema.get("$ref", "").endswith("/Problem")
        yield status, "Problem" if is_problem else fields, answer["description"]


def _curl(document: Part, address: str, method: str, path: str, operation: Part) -> str:
    lines = [f"curl -X {method.upper()} '{address}{path}'"]
    if "security" in operation:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        body = _resolved(document, _content_schema(operation["requestBody"]))
        example = {
            name: _example(document, body["properties"][name])
            for name in body.get("required", list(body.get("properties", {}))[:1])
        }
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example)}'"]
    return " \\\n  ".join(lines)


def _content_schema(part: Part) -> Part:
    contents: list[Part] = list(part.get("content", {}).values())
    schema: Part = contents[0].get("schema", {}) if contents else {}
    return schema


def _resolved(document: Part, schema: Part) -> Part:
    """The schema itself: behind a reference, and without the choice of null."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if choices:
        return _resolved(document, choices[0])
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    return document["components"]["schemas"][name] if name else schema


def _kind(document: Part, schema: Part) -> str:
    target = _resolved(document, schema)
    if "enum" in target:
        return " | ".join(str(value) for value in target["enum"])
    if target.get("type") == "array":
        return f"list of {_kind(document, target.get('items', {}))}"
    return str(target.get("format") or target.get("type") or "any")


def _example(document: Part, schema: Part) -> Any:
    target = _resolved(document, schema)
    if target.get("properties"):
        return {name: _example(document, target["properties"][name]) for name in target.get("required", ())}
    samples = [*target.get("examples", ()), *target.get("enum", ()), SAMPLES.get(target.get("type", ""), "...")]
    return samples[0]
