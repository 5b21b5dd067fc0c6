"""What a grid worker (网格员) found: registered from three fields and the type, counted in today's inspection."""

from pydantic import BaseModel, ConfigDict

from node.accounts.service import Caller
from node.cases import service
from node.reports.inspections import found_one
from node.unit import Unit
from protocol import entries as e
from protocol.case import CaseState
from protocol.codes import Category, Source


class FindingInput(BaseModel):
    """A finding: what it is about, where, one of those concerned, and the type of dispute."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    title: e.Title
    place: e.Place
    party: e.Name
    category: Category = Category.OTHER


def find(unit: Unit, caller: Caller, given: FindingInput) -> CaseState:
    """Register a finding; whoever receives here goes on with it.

    Raises:
        Problem: as ``service.register``.
    """
    registration = service.Registration(
        title=given.title,
        category=given.category,
        place=given.place,
        parties=(e.Party(name=given.party),),
        source=Source.GRID_WORKER,
    )
    state = service.register(unit, registration, caller.display_name)
    found_one(unit, caller, given.place)
    return state
