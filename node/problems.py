"""The one way in which the service says no: RFC 9457 problems with a stable type.

A problem is raised anywhere below the edge; the edge renders it (JSON for the API, a page for people) in the reader's
language. ``detail`` is a catalog message (see ``node.i18n``) with ``{named}`` places filled from ``members``, which
also become members of the JSON document.
"""

from typing import TypeAlias, Union

from node.i18n import Language, translate
from node.words import spoken

MEDIA_TYPE = "application/problem+json"

Member: TypeAlias = Union[str, int, float, bool, list["Member"], dict[str, "Member"], None]  # noqa: UP007 - recursive


class Problem(Exception):
    """A refusal with its reason.

    Args:
        status: HTTP status code.
        type_: stable identifier, a relative URI reference such as ``not-holder``.
        detail: catalog message (English msgid marked with ``N_``).
        members: extra members of the document; they also fill the places of ``detail``. One that is named like a
            member of RFC 9457 (``status`` of a case) only fills its place.
    """

    def __init__(self, status: int, type_: str, detail: str, /, **members: Member) -> None:
        super().__init__(detail.format_map(_Lenient(members)))
        self.status = status
        self.type = type_
        self.detail = detail
        self.members = members

    def document(self, language: Language) -> dict[str, Member]:
        """The problem document in the reader's language."""
        return {
            **{name: value for name, value in self.members.items() if value is not None or name == "holder"},
            "type": self.type,
            "title": translate(language, self.type),
            "status": self.status,
            "detail": translate(language, self.detail, **spoken(language, self.members)),
        }


class _Lenient(dict[str, object]):
    """Leaves a place as it is when nothing fills it."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
