"""The functions of an app as the host sees them: names and bindings, as a worker reported them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRIGGERS = {"httpTrigger", "timerTrigger", "activityTrigger", "orchestrationTrigger", "entityTrigger"}
OTHER_BINDINGS = {"durableClient", "http"}

# The property by which a durable trigger may give it another name than the function's.
NAMES = {
    "activityTrigger": "activity",
    "orchestrationTrigger": "orchestration",
    "entityTrigger": "entityName",
}


@dataclass(frozen=True)
class Function:
    """One function: its trigger's type, parameter and properties (`Any`: JSON), and its durable client parameters."""

    name: str
    trigger: str
    parameter: str
    properties: Mapping[str, Any]
    clients: tuple[str, ...]
    unsupported: tuple[str, ...]

    @property
    def durable_name(self) -> str:
        """The name by which orchestrators call it."""
        return str(self.properties.get(NAMES.get(self.trigger, "")) or self.name)


def parse_function(described: Mapping[str, Any]) -> Function:
    """The function in a worker's description, `{"name", "bindings"}` with the bindings of a function.json."""
    bindings = described["bindings"]
    trigger = next(binding for binding in bindings if binding["type"].endswith("Trigger"))
    types = [binding["type"] for binding in bindings]
    return Function(
        name=described["name"],
        trigger=trigger["type"],
        parameter=trigger["name"],
        properties=trigger,
        clients=tuple(binding["name"] for binding in bindings if binding["type"] == "durableClient"),
        unsupported=tuple(kind for kind in types if kind not in TRIGGERS | OTHER_BINDINGS),
    )
