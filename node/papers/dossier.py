"""The dossier of one case: what is there, what is missing, each paper, and all of them in one file."""

import io
import zipfile
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from node.access import Access, visible_row
from node.cases.documents import CaseDocument, case_document
from node.center import Center
from node.i18n import N_
from node.papers.facts import Facts, facts_of
from node.papers.filling import SUFFIX, fill
from node.papers.forms import BY_NAME, FORMS, Form
from node.problems import Problem
from protocol.case import CaseState
from protocol.codes import AgreementForm, Part
from protocol.dossier import PartState, parts_of

WHOLE: Final = "dossier"
"""The name under which the audit log knows the file with all papers."""


@dataclass(frozen=True)
class Dossier:
    """A case that this center reads whole, and where the parts of its dossier stand."""

    case: CaseDocument
    state: CaseState
    parts: tuple[PartState, ...]

    @property
    def missing(self) -> list[Part]:
        """Parts that are needed and not there."""
        return [one.part for one in self.parts if one.missing]

    @property
    def forms(self) -> list[Form]:
        """The papers of this case: the cover, and one for each part that is needed or there."""
        wanted = {one.part for one in self.parts if one.needed or one.there}
        return [form for form in FORMS if form.part is None or (form.part in wanted and self._fits(form))]

    def _fits(self, form: Form) -> bool:
        """Of the two papers of a part, the one that this case has."""
        oral = self.state.agreement is not None and self.state.agreement.manner is AgreementForm.ORAL
        others = {"application", "agreement" if oral else "oral_agreement"}
        return form.name not in others

    def name_of(self, form: Form) -> str:
        """Name of a paper's file: its place, and what it is."""
        return f"{form.number:02d}_{form.title}{SUFFIX}"


def read_dossier(session: Session, center: Center, case_id: str) -> Dossier:
    """The dossier of a case.

    Raises:
        Problem: 404 ``not-found`` where this center does not read the case whole.
    """
    now = center.clock.now()
    row, access = visible_row(session, case_id, now)
    if access is not Access.FULL or row.state is None:
        raise Problem(404, "not-found", N_("Only a center that reads the whole case has its dossier."))
    state = CaseState.model_validate_json(row.state)
    return Dossier(case_document(session, row, now), state, parts_of(state))


def form_named(name: str) -> Form:
    """The form of this name.

    Raises:
        Problem: 404 ``not-found``.
    """
    form = BY_NAME.get(name)
    if form is None:
        raise Problem(404, "not-found", N_("There is no such paper."))
    return form


def facts_in(center: Center, dossier: Dossier) -> Facts:
    """What its papers say."""
    return facts_of(center, dossier.case, dossier.parts)


def packed(center: Center, dossier: Dossier) -> bytes:
    """All papers of the case in one ZIP file, numbered by their parts, the cover first.

    Raises:
        Problem: 409 ``template-broken``.
    """
    facts = facts_in(center, dossier)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for form in dossier.forms:
            archive.writestr(dossier.name_of(form), fill(center, form, facts))
    return out.getvalue()
