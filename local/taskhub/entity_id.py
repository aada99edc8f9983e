"""How an entity is addressed: `@name@key`, the name in lower case, the key as it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EntityId:
    name: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "EntityId":
        _, name, key = text.split("@", maxsplit=2)
        return cls(name, key)

    @staticmethod
    def is_one(target: str) -> bool:
        """Says whether a message's target is an entity; no orchestration's id starts this way."""
        return target.startswith("@")

    def __str__(self) -> str:
        return f"@{self.name.lower()}@{self.key}"
