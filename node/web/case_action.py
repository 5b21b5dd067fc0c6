"""One action of a case as a form, and the fields that many forms have."""

from dataclasses import dataclass
from typing import Final

from node.accounts.roles import Action
from node.cases import inputs
from node.i18n import N_
from node.web.forms import Field
from protocol import entries as e


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseAction:
    """One action.

    Attributes:
        action: what the person's roles must allow.
        act: its path, on pages and in the API, and its name among ``node.cases.acts``.
        model: what the act takes.
        label: the button.
        icon: the button's icon.
        fields: the form.
        note: what happens, shown before sending; for what moves custody or can't be undone.
        grave: whether the button is red.
    """

    action: Action
    act: str
    model: type[inputs.Input]
    label: str
    icon: str
    fields: tuple[Field, ...] = ()
    note: str = ""
    grave: bool = False


TEXT: Final = Field(name="text", label=N_("Text"), kind="long", required=True, limit=e.TEXT_MAX)
REASON: Final = Field(name="reason", label=N_("Reason"), kind="long", required=True, limit=e.REASON_MAX)
NAMES: Final = N_("Several names with commas between.")
