"""The documents say what the code says, and their links lead somewhere."""

import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from shared.settings import Settings
from tests.support.clean_environment import OURS
from tests.support.sources import ROOT, files, shown

pytestmark = pytest.mark.unit

SETTINGS = sorted(Settings.model_fields.items())


def default_of(field: FieldInfo) -> str:
    value: Any = field.default
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value in (None, ()) else str(value)


def test_every_setting_stands_in_the_operators_table_as_the_code_describes_it() -> None:
    rows = [f"| `{name.upper()}` | {default_of(field)} | {field.description} |" for name, field in SETTINGS]
    table = [line for line in (ROOT / "docs" / "operate.md").read_text().splitlines() if line.startswith("| `")]

    assert table == rows


@pytest.mark.parametrize("name", [name for name, _ in SETTINGS])
def test_no_test_sees_a_setting_of_the_machine(name: str) -> None:
    assert name.upper().startswith(OURS)


@pytest.mark.parametrize("path", files(".md"), ids=shown)
def test_every_link_to_a_file_leads_to_one(path: Any) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())

    assert [target for target in targets if not (path.parent / target).exists()] == []
