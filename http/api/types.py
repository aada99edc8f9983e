"""What can be backed up."""

from fastapi import APIRouter
from pydantic import BaseModel

from shared import catalogue
from shared.catalogue import TypeFacts
from shared.web import Reader

router = APIRouter(tags=["Installation"])


class TypeList(BaseModel):
    """Every type of database that can be backed up."""

    types: list[TypeFacts]
    total: int


@router.get("/types", name="GetTypes", summary="Types of databases")
def get_types(caller: Reader) -> TypeList:
    """Format, port and abilities of each type: forms, docs and checks go by these."""
    return TypeList(types=list(catalogue.TYPES.values()), total=len(catalogue.TYPES))
