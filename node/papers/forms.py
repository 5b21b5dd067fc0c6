"""The forms: which papers there are, and to which part of the dossier each belongs.

Texts and order follow 《人民调解文书格式》 (司发通〔2010〕239号) and 人民调解法 §23, §24, §28, §29, §33.
A county that wants them otherwise puts a file of the same name into its directory of templates.
"""

from dataclasses import dataclass
from typing import Final

from protocol.codes import Part


@dataclass(frozen=True, kw_only=True)
class Form:
    """A paper.

    Attributes:
        name: in addresses, and of its template's file.
        title: what stands at its head, and in the names of files.
        part: where it lies in the dossier; None for the cover.
    """

    name: str
    title: str
    part: Part | None

    @property
    def number(self) -> int:
        """Its place in the dossier, from 1; 0 for the cover."""
        return list(Part).index(self.part) + 1 if self.part is not None else 0

    def template(self) -> bytes:
        """The template as a Word file."""
        from node.papers.layouts import LAYOUTS  # noqa: PLC0415 - memory
        from node.papers.sheet import Sheet  # noqa: PLC0415 - memory

        sheet = Sheet()
        LAYOUTS[self.name](sheet)
        return sheet.to_bytes()


FORMS: Final = (
    Form(name="cover", title="卷宗封面", part=None),
    Form(name="application", title="人民调解申请书", part=Part.APPLICATION),
    Form(name="acceptance", title="人民调解受理登记表", part=Part.APPLICATION),
    Form(name="notice", title="权利义务告知书", part=Part.NOTICE),
    Form(name="identity", title="当事人身份证明", part=Part.IDENTITY),
    Form(name="authorisation", title="授权委托书", part=Part.AUTHORISATION),
    Form(name="inquiry", title="人民调解调查记录", part=Part.INQUIRY),
    Form(name="evidence", title="证据材料", part=Part.EVIDENCE),
    Form(name="mediation", title="人民调解记录", part=Part.MEDIATION),
    Form(name="agreement", title="人民调解协议书", part=Part.AGREEMENT),
    Form(name="oral_agreement", title="人民调解口头协议登记表", part=Part.AGREEMENT),
    Form(name="fulfilment", title="履行凭证", part=Part.FULFILMENT),
    Form(name="visit", title="人民调解回访记录", part=Part.VISIT),
    Form(name="confirmation", title="司法确认申请书", part=Part.CONFIRMATION),
    Form(name="explanation", title="卷宗情况说明", part=Part.EXPLANATION),
    Form(name="back_cover", title="卷宗封底", part=Part.BACK_COVER),
)
"""All papers, in their order in the dossier."""

BY_NAME: Final = {form.name: form for form in FORMS}
