"""The table of lanes; each is described where its function stands."""

from collections import Counter
from collections.abc import Callable
from random import Random

from tests.long.crashes import crashes
from tests.long.orchestrations import orchestrations

Lane = Callable[[Random], Counter[str]]
"""One round. Raises where the product is wrong; else counts what it tried, by name (`kills`, `plans`, `bytes`)."""

LANES: dict[str, Lane] = {
    "orchestrations": orchestrations,
    "crashes": crashes,
}
