"""Which durable functions the application has."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FunctionTable:
    """The names of the application's durable functions; a disabled one is refused like an unknown one."""

    orchestrators: frozenset[str] = frozenset()
    activities: frozenset[str] = frozenset()
    entities: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    _entity_by_id: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Entity ids carry the name in lower case, whatever the function's own spelling.
        object.__setattr__(self, "_entity_by_id", {name.lower(): name for name in self.entities})

    def has_orchestrator(self, name: str) -> bool:
        return name in self.orchestrators - self.disabled

    def has_activity(self, name: str) -> bool:
        return name in self.activities - self.disabled

    def entity_named(self, name: str) -> str | None:
        """Gives the function of the entity, found without regard to case; None when it cannot be called."""
        function = self._entity_by_id.get(name.lower())
        return None if function in self.disabled else function


def refusal(kind: str, name: str) -> str:
    """Gives the reason for not calling a function; `kind` is activity, entity or orchestrator."""
    return f"The function '{name}' doesn't exist, is disabled, or is not an {kind} function."
