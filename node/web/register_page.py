"""Registering a matter (登记): the short form, and back to it with everything kept when something is wrong."""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.responses import Response

from node.accounts.roles import Action, allowed
from node.accounts.service import Caller
from node.cases import inputs, service
from node.cases.acts import perform
from node.center import Center
from node.errors_http import language_of
from node.i18n import N_, translate
from node.idempotency import Attempt
from node.invalid import Invalid
from node.unit import unit_of
from node.web import party_rows
from node.web.asked import here_of
from node.web.case_lines import CaseLine, similar
from node.web.center import center_of
from node.web.forms import Field, FormData, Sent, Values, errors_of, form_key, missing, read
from node.web.rendering import render, see_other
from node.web.session import reader
from node.words import words
from protocol import entries as e
from protocol.codes import Grade, Source
from protocol.entries import Party

router = APIRouter()

PARTY_ROWS: Final = range(1, party_rows.ROWS + 1)

SHOWN_ROWS: Final = 2
"""Rows for parties that are shown at first."""

FIELDS: Final = (
    Field(name="title", label=N_("In one sentence"), required=True, limit=e.TITLE_MAX),
    Field(name="category", label=N_("Type"), kind="choice", required=True, words="category"),
    Field(name="place", label=N_("Where"), required=True, limit=e.PLACE_MAX),
    Field(name="occurred_at", label=N_("When"), kind="instant"),
    Field(name="source", label=N_("Source"), kind="choice", words="source"),
    Field(name="grade", label=N_("Risk"), kind="choice", words="grade"),
    Field(name="description", label=N_("What happened"), kind="long", limit=e.TEXT_MAX),
)

LIMITS: Final = {
    "title": e.TITLE_MAX,
    "place": e.PLACE_MAX,
    "text": e.TEXT_MAX,
}


@router.get("/cases/new")
def register_form(request: Request, caller: Annotated[Caller, Depends(reader(Action.register))]) -> Response:
    """The empty form."""
    values: Values = {"form": form_key(), "source": Source.VISIT.value, "grade": Grade.LOW.value}
    return _form(request, caller, values, {})


@router.post("/cases/new")
def register_sent(
    request: Request, caller: Annotated[Caller, Depends(reader(Action.register))], sent: Sent
) -> Response:
    """Register the matter and show it, or show the form again with what must be changed."""
    language = language_of(request)
    document = read(FIELDS, sent)
    parties = party_rows.read_rows(sent, PARTY_ROWS, party_rows.REGISTERED)
    errors = missing(FIELDS, document, language)
    if not parties:
        errors["party-1-name"] = translate(language, N_("Fill in: {field}"), field=translate(language, N_("Full name")))
    try:
        given = inputs.RegisterInput.model_validate({**document, "parties": list(parties.values())})
    except ValidationError as error:
        for name, message in errors_of(
            Invalid(error.errors()), FIELDS, language, party_rows.finder(list(parties))
        ).items():
            if name or not errors:
                errors.setdefault(name, message)
    else:
        seen = frozenset(sent.one("seen").split(","))
        try:
            return _register(center_of(request), caller, given, Sending(sent.one("form"), sent.one("then"), seen))
        except PerhapsThere as perhaps:
            return _form(request, caller, _typed(sent), errors, perhaps.lines)
    return _form(request, caller, _typed(sent), errors)


@dataclass(frozen=True, slots=True)
class Sending:
    """How a form was sent.

    Attributes:
        key: by which it is recognised when it comes twice.
        then: ``mediate`` to accept the matter too and go on to its first session.
        seen: ids of similar matters that the person was shown.
    """

    key: str
    then: str
    seen: frozenset[str]


class PerhapsThere(Exception):
    """Open matters that may be the same, and that this person has not been shown yet."""

    def __init__(self, lines: tuple[CaseLine, ...]) -> None:
        super().__init__()
        self.lines = lines


def _register(center: Center, caller: Caller, given: inputs.RegisterInput, sending: Sending) -> Response:
    """Register once for one form, however often it was sent.

    Raises:
        PerhapsThere: the matter may be there already.
    """
    attempt = Attempt(sending.key or None, "register", given.model_dump_json().encode())
    with unit_of(center) as unit:
        replay = attempt.begin(unit.session, center.clock, caller)
        if replay is not None:
            return see_other(bytes(replay.body).decode())
        found = similar(unit.session, here_of(center), category=given.category, place=given.place, title=given.title)
        if any(line.id not in sending.seen for line in found):
            raise PerhapsThere(found)
        parties = tuple(Party.model_validate(party.model_dump(exclude_none=True)) for party in given.parties)
        values = given.model_dump(exclude={"parties"})
        state = service.register(unit, service.Registration(parties=parties, **values), caller.display_name)
        path = f"/cases/{state.id}?done=register"
        if sending.then == "mediate" and allowed(caller.roles, Action.accept):
            perform(unit, state.id, "accept", inputs.NothingInput(), caller.display_name)
            path = f"/cases/{state.id}/mediations"
        attempt.answer(unit.session, path.encode())
    return see_other(path)


def _typed(sent: FormData) -> Values:
    """Everything as it was typed."""
    parties = party_rows.typed(sent, PARTY_ROWS, party_rows.REGISTERED)
    return {**sent.values(FIELDS), **parties, "form": sent.one("form")}


def _form(
    request: Request, caller: Caller, values: Values, errors: dict[str, str], found: tuple[CaseLine, ...] = ()
) -> Response:
    language = language_of(request)
    return render(
        request,
        "register.html",
        caller=caller,
        status=422 if errors else 200,
        values=values,
        errors=errors,
        limits=LIMITS,
        party_limits=party_rows.LIMITS,
        party_rows=PARTY_ROWS,
        shown_rows=max([SHOWN_ROWS, *(row for row in PARTY_ROWS if values.get(f"party-{row}-name"))]),
        similar=found,
        choices={name: words(language, name) for name in ("category", "source", "grade", "party_role")},
    )
