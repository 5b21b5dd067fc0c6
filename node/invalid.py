"""Fields that can't be taken as they are: which, and why, in the reader's language.

Pydantic says what is wrong in English and quotes the value; here its error types become catalog messages, and
the value is left out, since it may be what a party said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from node.i18n import N_, Language, translate
from node.problems import Member, Problem

MAX_ERRORS = 50
"""Field errors that one answer lists; a hostile list of a million wrong items isn't worth a longer one."""

FIELD_MAX = 200
"""Characters of a field's name that are repeated."""

ErrorDetail = Mapping[str, object]
"""One error as pydantic tells it: ``type``, ``loc``, ``msg``, ``ctx``."""

_WHOLE_NUMBER = N_("This must be a whole number.")
_NUMBER = N_("This must be a number.")
_TRUTH = N_("This must be true or false.")
_TEXT = N_("This must be text.")
_LIST = N_("This must be a list.")
_OBJECT = N_("This must be a JSON object (Content-Type: application/json).")
_INSTANT = N_("Give date and time with time zone, such as 2026-03-01T09:00:00+08:00.")
_DAY = N_("Give a date such as 2026-03-01.")
_UNKNOWN_VALUE = N_("Unknown value. Allowed: {allowed}.")
_AT_LEAST = N_("This must be at least {limit}.")
_AT_MOST = N_("This must be at most {limit}.")
_PAST = N_("This must lie in the past.")
_FUTURE = N_("This must lie in the future.")
_ID = N_("This is not a valid id.")
_REQUIRED = N_("This field is required.")
_EMPTY = N_("This field must not be empty.")
_NO_BODY = N_("A JSON body is required.")
_MALFORMED = N_("Malformed JSON at position {position}.")
_SOMEHOW = N_("This value is not valid.")
_SUMMARY = N_("Not valid: {fields}.")

_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "missing": _REQUIRED,
        "extra_forbidden": N_("There is no such field."),
        "string_type": _TEXT,
        "string_unicode": N_("This text has characters that don't exist."),
        "string_too_long": N_("At most {limit} characters."),
        "string_too_short": N_("At least {limit} characters."),
        "string_pattern_mismatch": N_("This does not have the expected form."),
        "too_long": N_("At most {limit} entries."),
        "too_short": N_("At least {limit} entries."),
        "int_type": _WHOLE_NUMBER,
        "int_parsing": _WHOLE_NUMBER,
        "int_parsing_size": _WHOLE_NUMBER,
        "int_from_float": _WHOLE_NUMBER,
        "float_type": _NUMBER,
        "float_parsing": _NUMBER,
        "finite_number": _NUMBER,
        "bool_type": _TRUTH,
        "bool_parsing": _TRUTH,
        "list_type": _LIST,
        "tuple_type": _LIST,
        "set_type": _LIST,
        "frozen_set_type": _LIST,
        "dict_type": _OBJECT,
        "mapping_type": _OBJECT,
        "model_type": _OBJECT,
        "model_attributes_type": _OBJECT,
        "literal_error": _UNKNOWN_VALUE,
        "enum": _UNKNOWN_VALUE,
        "greater_than": N_("This must be more than {limit}."),
        "greater_than_equal": _AT_LEAST,
        "less_than": N_("This must be less than {limit}."),
        "less_than_equal": _AT_MOST,
        "datetime_type": _INSTANT,
        "datetime_parsing": _INSTANT,
        "datetime_object_invalid": _INSTANT,
        "datetime_from_date_parsing": _INSTANT,
        "timezone_aware": _INSTANT,
        "timezone_offset": _INSTANT,
        "datetime_past": _PAST,
        "datetime_future": _FUTURE,
        "date_type": _DAY,
        "date_parsing": _DAY,
        "date_from_datetime_parsing": _DAY,
        "date_from_datetime_inexact": _DAY,
        "date_past": _PAST,
        "date_future": _FUTURE,
        "uuid_type": _ID,
        "uuid_parsing": _ID,
        "uuid_version": _ID,
        "json_invalid": _MALFORMED,
    }
)
"""Catalog messages for pydantic's error types; the others read ``_SOMEHOW``."""

_LIMITS = ("max_length", "min_length", "ge", "gt", "le", "lt")
_SOURCES = frozenset({"body", "query", "path", "header", "cookie"})


class Invalid(Problem):
    """422: fields can't be taken as they are; raise it with the ``errors()`` of pydantic."""

    def __init__(self, errors: Sequence[ErrorDetail]) -> None:
        self.errors = tuple(errors[:MAX_ERRORS])
        super().__init__(422, N_("invalid"), _SUMMARY)

    def document(self, language: Language) -> dict[str, Member]:
        """The problem document with ``errors: [{field, message, limit?, allowed?, position?}]``."""
        told = [_told(error, language) for error in self.errors]
        fields = [error["field"] for error in told if error["field"]]
        detail: Member = translate(language, _SUMMARY, fields=fields) if fields else told[0]["message"]
        errors: list[Member] = [*told]
        return {**super().document(language), "detail": detail, "errors": errors}


def _told(error: ErrorDetail, language: Language) -> dict[str, Member]:
    """One field error in the reader's language."""
    location = _location(error)
    places: dict[str, Member] = {}
    context = error.get("ctx")
    if isinstance(context, Mapping):
        for name in _LIMITS:
            if name in context:
                limit = context[name]
                places["limit"] = limit if isinstance(limit, int | float) else str(limit)
        if isinstance(context.get("expected"), str):
            places["allowed"] = [*_choices(context["expected"])]
    if error["type"] == "json_invalid":
        places["position"] = location[-1] if location else None
        location = []
    field = _shown(".".join(str(part) for part in location))
    message = _message(error, field, places.get("limit"))
    return {"field": field, "message": translate(language, message, **places), **places}


def _shown(field: str) -> str:
    """A field's name that can be shown: an unknown field is named by the sender, with anything they like."""
    return field[:FIELD_MAX].encode("utf-8", "replace").decode()


def _location(error: ErrorDetail) -> list[str | int]:
    """Where the error is, without pydantic's "body" or "query" in front."""
    location = error["loc"]
    assert isinstance(location, tuple)
    return [*location[1:]] if location and location[0] in _SOURCES else [*location]


def _message(error: ErrorDetail, field: str, limit: Member) -> str:
    kind = str(error["type"])
    context = error.get("ctx")
    if kind == "missing" and not field:
        return _NO_BODY
    if kind in {"string_too_short", "too_short"} and limit == 1:
        return _EMPTY
    if kind == "value_error" and isinstance(context, Mapping):
        return str(context["error"])  # our own validators raise ValueError(N_("..."))
    return _MESSAGES.get(kind, _SOMEHOW)


def _choices(expected: str) -> Iterator[str]:
    """The values in pydantic's ``'low', 'medium' or 'high'``."""
    for quoted, bare in re.findall(r"'([^']*)'|([^\s,']+)", expected):
        if quoted or bare != "or":
            yield quoted or bare
