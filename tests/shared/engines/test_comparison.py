import pytest

from shared.engines.comparison import differences
from shared.errors import InternalError
from shared.models.inventory import ContentDigest, Inventory, ObjectName, Probe, ServerFacts, TableDigest

pytestmark = pytest.mark.unit

FACTS = ServerFacts(vendor="mysql", version="8", version_number=(8,), character_set="utf8mb4")
NAME = ObjectName(name="a")
INVENTORY = Inventory(tables=(NAME,), views=(ObjectName(name="v"),), schemas=("s",), sequences=(ObjectName(name="n"),))
PROBE = Probe(server=FACTS, size_bytes=1, inventory=INVENTORY)
DIGEST = ContentDigest(
    method="m", tables=(TableDigest(table=NAME, rows=2, digest="5"),), sequences=(("n", 7),), large_objects=""
)


def probe(**changes: object) -> Probe:
    return PROBE.model_copy(update={"inventory": INVENTORY.model_copy(update=changes)})


def digest(**changes: object) -> ContentDigest:
    return DIGEST.model_copy(update=changes)


def table(rows: int, text: str) -> tuple[TableDigest, ...]:
    return (TableDigest(table=NAME, rows=rows, digest=text),)


def test_the_same_is_the_same_on_a_server_of_another_version() -> None:
    newer = PROBE.model_copy(update={"server": FACTS.model_copy(update={"version": "9"}), "size_bytes": 99})

    assert differences(PROBE, DIGEST, newer, DIGEST) == []


@pytest.mark.parametrize(
    ("restored_probe", "restored_digest", "told"),
    [
        (probe(tables=()), digest(tables=()), ["tables missing: a", "table a: its content was not restored"]),
        (probe(views=()), DIGEST, ["views missing: v"]),
        (probe(schemas=()), DIGEST, ["schemas missing: s"]),
        (probe(events=(NAME,)), DIGEST, ["events that the source does not have: a"]),
        (probe(large_objects=1), DIGEST, ["large objects: 1 instead of 0"]),
        (PROBE, digest(tables=table(3, "5")), ["table a: 3 rows instead of 2"]),
        (PROBE, digest(tables=table(2, "6")), ["table a: the number of rows is right, their content is not"]),
        (PROBE, digest(sequences=(("n", 8),)), ["sequence n: at 8 instead of 7"]),
        (PROBE, digest(large_objects="1:2"), ["large objects: the number is right, their content is not"]),
        (
            PROBE.model_copy(update={"server": FACTS.model_copy(update={"character_set": "latin1"})}),
            DIGEST,
            ["character set: latin1 instead of utf8mb4"],
        ),
    ],
)
def test_each_difference_is_told(restored_probe: Probe, restored_digest: ContentDigest, told: list[str]) -> None:
    assert differences(PROBE, DIGEST, restored_probe, restored_digest) == told


def test_digests_of_two_methods_are_never_compared() -> None:
    with pytest.raises(InternalError, match="cannot be compared"):
        differences(PROBE, DIGEST, PROBE, digest(method="other"))
