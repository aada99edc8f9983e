"""The backup slots of the installation (one key): how many runs may work at the same time.

A slot has an owner and an expiry, so a run that vanished gives its slot back by itself.
"""

from pydantic import AwareDatetime, Field

from shared.durable import Entity
from shared.models import Value

INSTALLATION = "installation"
"""The one key of this entity."""


class Slots(Value):
    """Who holds a slot, and until when."""

    holders: dict[str, AwareDatetime] = Field(default_factory=dict)


class SlotRequest(Value):
    """Asks for a slot, or for a longer hold of one."""

    owner: str
    """The backup id of the run."""
    now: AwareDatetime
    expires_at: AwareDatetime
    limit: int
    """How many slots the installation has."""


class SlotRelease(Value):
    """Gives a slot back."""

    owner: str


backup_slots = Entity("backup_slots", Slots())


@backup_slots.operation
def acquire(slots: Slots, request: SlotRequest) -> tuple[Slots, bool]:
    """True when the owner holds a slot now; asking again prolongs it."""
    holders = {owner: until for owner, until in slots.holders.items() if until > request.now}
    if request.owner not in holders and len(holders) >= request.limit:
        return Slots(holders=holders), False
    return Slots(holders={**holders, request.owner: request.expires_at}), True


@backup_slots.operation
def release(slots: Slots, request: SlotRelease) -> tuple[Slots, bool]:
    """True when the owner held a slot."""
    holders = {owner: until for owner, until in slots.holders.items() if owner != request.owner}
    return Slots(holders=holders), request.owner in slots.holders
