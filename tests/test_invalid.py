"""Fields that can't be taken as they are, told in the reader's language."""

import json
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    FutureDatetime,
    StringConstraints,
    ValidationError,
    field_validator,
)

from node.i18n import N_
from node.invalid import MAX_ERRORS, Invalid


class Grade(StrEnum):
    LOW = "low"
    HIGH = "high"


class Party(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=4)]


class Form(BaseModel):
    """A form with one field of each kind; all may be left out."""

    model_config = ConfigDict(extra="forbid")

    held_at: AwareDatetime | None = None
    due_on: date | None = None
    deadline: FutureDatetime | None = None
    grade: Grade | None = None
    colour: Literal["blue", "red"] | None = None
    days: Annotated[int, Field(ge=1, lt=60)] | None = None
    share: Annotated[float, Field(allow_inf_nan=False)] | None = None
    satisfied: bool | None = None
    code: Annotated[str, StringConstraints(pattern="^[0-9]{12}$")] | None = None
    parties: Annotated[list[Party], Field(min_length=1, max_length=2)] | None = None
    place: str | None = None

    @field_validator("place")
    @classmethod
    def no_moon(cls, place: str) -> str:
        if "moon" in place:
            raise ValueError(N_("Nobody lives there."))
        if "{" in place:
            raise ValueError(f"odd place {place}")
        return place


def told(**fields: object) -> list[dict[str, object]]:
    """The errors of this form in English."""
    with pytest.raises(ValidationError) as refusal:
        Form.model_validate(fields)
    errors = Invalid(refusal.value.errors()).document("en")["errors"]
    assert isinstance(errors, list)
    return errors  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("held_at", "2026-03-01T09:00:00", "Give date and time with time zone, such as "),
        ("held_at", "yesterday", "Give date and time with time zone, such as "),
        ("held_at", "2026-03-01", "Give date and time with time zone, such as "),
        ("held_at", [], "Give date and time with time zone, such as "),
        ("due_on", "soon", "Give a date such as 2026-03-01."),
        ("due_on", [], "Give a date such as 2026-03-01."),
        ("deadline", "2020-01-01T00:00:00Z", "This must lie in the future."),
        ("grade", "huge", "Unknown value. Allowed: low, high."),
        ("grade", 7, "Unknown value. Allowed: low, high."),
        ("colour", "green", "Unknown value. Allowed: blue, red."),
        ("days", 0, "This must be at least 1."),
        ("days", 60, "This must be less than 60."),
        ("days", "many", "This must be a whole number."),
        ("days", 1.5, "This must be a whole number."),
        ("share", float("nan"), "This must be a number."),
        ("share", "half", "This must be a number."),
        ("satisfied", "perhaps", "This must be true or false."),
        ("code", "5329", "This does not have the expected form."),
        ("parties", [], "This field must not be empty."),
        ("parties", [{"name": "a"}] * 3, "At most 2 entries."),
        ("parties", "me", "This must be a list."),
        ("place", 7, "This must be text."),
        ("code", "\ud800", "This text has characters that don't exist."),
        ("place", "on the moon", "Nobody lives there."),
    ],
)
def test_each_kind_of_error_has_its_words(field: str, value: object, message: str) -> None:
    (error,) = told(**{field: value})
    assert error["field"] == field
    assert str(error["message"]).startswith(message)


def test_a_limit_is_named_and_given_as_a_number() -> None:
    (error,) = told(parties=[{"name": "长长长长长"}])
    assert error == {"field": "parties.0.name", "message": "At most 4 characters.", "limit": 4}


def test_allowed_values_are_given_as_a_list() -> None:
    (error,) = told(grade="huge")
    assert error["allowed"] == ["low", "high"]


def test_a_missing_field_is_required() -> None:
    (error,) = told(parties=[{}])
    assert error == {"field": "parties.0.name", "message": "This field is required."}


def test_an_unknown_field_is_named() -> None:
    (error,) = told(nation="")
    assert error == {"field": "nation", "message": "There is no such field."}


def test_an_unknown_fields_name_is_cut() -> None:
    (error,) = told(**{"x" * 5000: ""})
    assert error["field"] == "x" * 200


@pytest.mark.parametrize("name", ["\ud800", "{limit}", "a\0b", "\u202e"])
def test_an_unknown_fields_name_can_be_any_text(name: str) -> None:
    errors = told(**{name: ""})
    assert len(errors) == 1
    assert json.dumps(errors, ensure_ascii=False).encode("utf-8")


def test_refused_values_are_not_repeated() -> None:
    errors = told(held_at="CANARY", days="CANARY", grade="CANARY", code="CANARY")
    assert len(errors) == 4
    assert "CANARY" not in str(errors)


def test_braces_in_a_message_are_harmless() -> None:
    (error,) = told(place="{limit.__class__} {")
    assert error["message"] == "odd place {limit.__class__} {"


def test_a_thousand_errors_are_told_in_part() -> None:
    assert len(told(parties=None, **{f"f{n}": "" for n in range(1000)})) == MAX_ERRORS


def test_the_detail_names_the_fields() -> None:
    with pytest.raises(ValidationError) as refusal:
        Form.model_validate({"days": 0, "grade": "huge"})
    problem = Invalid(refusal.value.errors())
    assert problem.document("en")["detail"] == "Not valid: grade, days."
    assert (problem.status, problem.type) == (422, "invalid")
