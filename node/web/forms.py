"""Forms: fields as data, what was typed into them, and the document that the API would have got for it.

A form's field says its kind, its words and its limit. ``read`` turns what a browser sent into the JSON
document of the same call of the API, so that one model checks both. ``errors_of`` finds for each refused
value the field it was typed into.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import Depends, Request

from node.clock import LOCAL_ZONE
from node.i18n import N_, Language, translate
from node.invalid import Invalid

FieldKind = Literal[
    "text",
    "long",
    "number",
    "instant",
    "day",
    "truth",
    "choice",
    "choices",
    "names",
    "members",
    "terms",
    "center",
    "centers",
    "hidden",
]

Document = dict[str, object]
"""A JSON object as the API takes it."""

Values = Mapping[str, str | list[str]]
"""What stands in a form's fields."""

Finder = Callable[[str], str]
"""From a place in the API's document, such as ``parties.0.name``, to the name of a form's field."""

_ENUMERATION: Final = re.compile(r"[、,，;；\n]+")
"""What people put between names."""

_TERM_PARTS: Final = re.compile(r"[;；]+")
_AMOUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(?:元|yuan)")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")
"""The parts of a term: 赔偿误工费；800元；2026-05-01；李四."""

_ROLE: Final = re.compile(r"^(.*?)[（(](.*?)[)）]$")
"""A member with its role: 王某某（所长）."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field of a form.

    Attributes:
        name: its name in the form and in the API's document.
        label: catalog message.
        kind: what is typed or chosen.
        required: whether the form is refused without it.
        hint: catalog message, shown above the control.
        limit: most characters.
        words: the list of codes to choose from (``node.words.LISTS``).
    """

    name: str
    label: str
    kind: FieldKind = "text"
    required: bool = False
    hint: str = ""
    limit: int | None = None
    words: str = ""


class FormData:
    """What a browser sent: every value of every field, stripped."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if isinstance(value, str):
                self._values.setdefault(name, []).append(value.replace("\r\n", "\n").strip())

    def has(self, name: str) -> bool:
        """Whether the form has this field, empty or not."""
        return name in self._values

    def one(self, name: str) -> str:
        """The value of a field; empty if it has none."""
        return next(iter(self._values.get(name, [])), "")

    def all(self, name: str) -> list[str]:
        """All values of a field that is chosen from a list."""
        return [value for value in self._values.get(name, []) if value]

    def values(self, fields: Sequence[Field]) -> dict[str, str | list[str]]:
        """What to show again in these fields."""
        return {
            field.name: self.all(field.name) if field.kind in ("choices", "centers") else self.one(field.name)
            for field in fields
        }


def read(fields: Sequence[Field], data: FormData) -> Document:
    """The API's document of what was typed; what is empty is left out."""
    found = {field.name: _value(field, data) for field in fields}
    return {name: value for name, value in found.items() if value not in ("", None, [])}


def _value(field: Field, data: FormData) -> object:
    text = data.one(field.name)
    match field.kind:
        case "choices" | "centers":
            return data.all(field.name)
        case "names":
            return [part.strip() for part in _ENUMERATION.split(text) if part.strip()]
        case "members":
            return [_member(part.strip()) for part in _ENUMERATION.split(text) if part.strip()]
        case "terms":
            return [_term(line) for line in text.splitlines() if line.strip()]
        case "truth":
            return {"yes": True, "no": False}.get(text)
        case "instant":
            return local_instant(text)
        case _:
            return text


def _member(text: str) -> dict[str, str]:
    found = _ROLE.match(text)
    return {"name": found[1].strip(), "role": found[2].strip()} if found else {"name": text}


def _term(line: str) -> dict[str, str]:
    """A term of an agreement as people write it in a line: what; how much; until when; by whom."""
    text, *more = [part.strip() for part in _TERM_PARTS.split(line) if part.strip()] or [line]
    found = {"text": text}
    for part in more:
        if amount := _AMOUNT.fullmatch(part):
            found["amount"] = amount[1]
        else:
            found["due_on" if _DAY.fullmatch(part) else "by"] = part
    return found


def local_instant(text: str) -> str:
    """A local time as browsers write it, ``2026-03-18T10:00``, with its zone; anything else as it is."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (local if local.tzinfo else local.replace(tzinfo=LOCAL_ZONE)).isoformat()


def missing(fields: Sequence[Field], document: Document, language: Language) -> dict[str, str]:
    """A message for each required field that is empty."""
    return {
        field.name: translate(language, N_("Fill in: {field}"), field=translate(language, field.label))
        for field in fields
        if field.required and field.name not in document
    }


async def _sent(request: Request) -> FormData:
    return FormData((await request.form()).multi_items())


Sent = Annotated[FormData, Depends(_sent)]
"""What was sent with this request, for routes."""


def form_key() -> str:
    """A fresh key by which a form that was sent twice is recognised (``node.idempotency``)."""
    return secrets.token_urlsafe(16)


def errors_of(invalid: Invalid, fields: Sequence[Field], language: Language, find: Finder = str) -> dict[str, str]:
    """Field -> message, of what a model refused; a message that fits no field stands under ``""``.

    Args:
        invalid: the refusal.
        fields: the form; the names of its fields are found as a part of the refused place.
        language: the reader's.
        find: from a place in the document to the name of a field, where they are called otherwise.
    """
    labels = {field.name: translate(language, field.label) for field in fields}
    errors: dict[str, str] = {}
    told = invalid.document(language)["errors"]
    assert isinstance(told, list)
    for error in told:
        assert isinstance(error, dict)
        place = str(error["field"])
        found = find(place)
        name = next((part for part in place.split(".") if part in labels), found if found != place else "")
        message = str(error["message"])
        if name in labels:
            message = translate(language, N_("{field}: {message}"), field=labels[name], message=message)
        errors.setdefault(name, message)
    return errors
