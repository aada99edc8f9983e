"""Pages of a list: `limit` and `offset` in, `total`, `page` and `pages` out."""

from typing import Annotated

from pydantic import Field

MOST = 200

Limit = Annotated[int, Field(ge=1, le=MOST, description=f"Items of a page, 1 to {MOST}.")]
Offset = Annotated[int, Field(ge=0, le=1_000_000, description="Items to pass over.")]


def page_number(limit: int, offset: int) -> int:
    """The page, from 1, that begins at `offset`."""
    return offset // limit + 1


def page_count(limit: int, total: int) -> int:
    """How many pages hold `total` items."""
    return -(-total // limit)
