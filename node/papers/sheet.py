"""A form under construction: A4, the fonts of official papers, tables with labels, page numbers at the foot.

What it builds is a template: texts may hold places such as ``{{ title }}``, which ``node.papers.filling`` fills.
"""

import io
from collections.abc import Iterable, Sequence
from typing import Final

from docx import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.table import WD_ALIGN_VERTICAL, WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_BREAK
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Length, Pt
from docx.table import Table, _Cell, _Row
from docx.text.paragraph import Paragraph
from docx.text.run import Run

FONT: Final = "SimSun"
FREE_FONTS: Final = "宋体,Noto Serif CJK SC,Source Han Serif SC"
"""What stands in for it where it is not installed; named in the font table, as Word and LibreOffice read it."""

PAGE: Final = (Cm(21.0), Cm(29.7))
MARGIN_TOP, MARGIN_SIDE = Cm(2.5), Cm(2.6)
WIDTH: Final = PAGE[0] - 2 * MARGIN_SIDE
"""Of the text, hence of tables."""

BODY_SIZE: Final = Pt(12)
"""小四."""
TITLE_SIZE: Final = Pt(22)
"""二号."""
LINE: Final = 1.5
LINE_IN_CELLS: Final = 1.15

CENTER, LEFT, RIGHT = WD_ALIGN_PARAGRAPH.CENTER, WD_ALIGN_PARAGRAPH.LEFT, WD_ALIGN_PARAGRAPH.RIGHT


class Sheet:
    """A form; what is added stands below what was added before."""

    def __init__(self) -> None:
        self._document = Document()
        self._page()
        self._styles()

    def to_bytes(self) -> bytes:
        """The form as a Word file."""
        out = io.BytesIO()
        self._document.save(out)
        return out.getvalue()

    # --- what forms are made of ----------------------------------------------------------------------

    def title(self, text: str, *, size: Length = TITLE_SIZE, space: float = 18) -> None:
        """The name of the paper."""
        paragraph = self._paragraph(text, align=CENTER, size=size, bold=True)
        paragraph.paragraph_format.space_after = Pt(space)

    def line(self, text: str = "", *, align: WD_ALIGN_PARAGRAPH = LEFT, bold: bool = False) -> None:
        """A line of its own."""
        self._paragraph(text, align=align, bold=bold).paragraph_format.space_before = Pt(8 if bold else 0)

    def text(self, text: str) -> None:
        """A paragraph of prose, its first line indented by two characters."""
        layout = self._paragraph(text).paragraph_format
        layout.first_line_indent, layout.space_before = BODY_SIZE * 2, Pt(4)

    def space(self, lines: int = 1) -> None:
        """Empty lines."""
        for _ in range(lines):
            self._paragraph("")

    def control(self, tag: str) -> None:
        """A paragraph that only steers the template: ``for`` and ``endfor``, ``if`` and ``endif``."""
        self._paragraph("{%p " + tag + " %}")

    def page_end(self) -> None:
        """What follows begins a new page."""
        self._document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)

    def signatures(self, *names: str, day: str = "　　　　年　　月　　日") -> None:
        """Lines to sign by hand, and the day."""
        self.space()
        for name in names:
            self._paragraph(f"{name}（签名或盖章）：________________", align=LEFT)
        self._paragraph(day, align=RIGHT)

    def grid(self, rows: Sequence[Sequence[str]], widths: Sequence[float], *, tall: Iterable[int] = ()) -> None:
        """A table of labels and values: cells at even places are labels.

        Args:
            rows: its rows; a row with fewer cells than ``widths`` lets its last cell reach to the edge.
            widths: shares of the width.
            tall: rows that leave room for long texts.
        """
        table = self._table(len(widths))
        high = frozenset(tall)
        for number, row in enumerate(rows):
            cells = _row(table).cells
            for place, text in enumerate(row):
                last = place == len(row) - 1
                cell = cells[place] if not last else cells[place].merge(cells[-1])
                self._cell(cell, text, label=place % 2 == 0)
            if number in high:
                table.rows[-1].height = Cm(5)
                table.rows[-1].cells[-1].vertical_alignment = WD_ALIGN_VERTICAL.TOP
        self._shape(table, widths)

    def listing(self, heads: Sequence[str], loop: str, row: Sequence[str], widths: Sequence[float]) -> None:
        """A table with one row for each thing of a loop.

        Args:
            heads: heads of the columns.
            loop: what is gone through, such as ``term in terms``.
            row: the cells of one row.
            widths: shares of the width.
        """
        table = self._table(len(heads))
        for cell, text in zip(_row(table).cells, heads, strict=True):
            self._cell(cell, text, label=True)
        _row(table).cells[0].merge(table.rows[-1].cells[-1]).text = "{%tr for " + loop + " %}"
        for cell, text in zip(_row(table).cells, row, strict=True):
            self._cell(cell, text, label=False)
        table.rows[-1].height = Cm(1)
        _row(table).cells[0].merge(table.rows[-1].cells[-1]).text = "{%tr endfor %}"
        self._shape(table, widths)

    # --- how they are made ---------------------------------------------------------------------------

    def _page(self) -> None:
        section = self._document.sections[0]
        section.page_width, section.page_height = PAGE
        section.top_margin = section.bottom_margin = MARGIN_TOP
        section.left_margin = section.right_margin = MARGIN_SIDE
        foot = section.footer.paragraphs[0]
        foot.alignment = CENTER
        for part in ("第 ", "PAGE", " 页　共 ", "NUMPAGES", " 页"):
            run = foot.add_run("" if part.isupper() else part)
            _fonts(run, Pt(9))
            if part.isupper():
                _field(run, part)

    def _styles(self) -> None:
        for style in self._document.styles:
            if style.type == WD_STYLE_TYPE.PARAGRAPH and style.name == "Normal":
                style.font.name, style.font.size = FONT, BODY_SIZE
                style.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), FONT)
                style.paragraph_format.line_spacing = LINE
                style.paragraph_format.space_after = Pt(0)
        for part in self._document.part.package.iter_parts():
            if str(part.partname) == "/word/fontTable.xml":
                named = (
                    f'<w:font w:name="{FONT}"><w:altName w:val="{FREE_FONTS}"/><w:charset w:val="86"/>'
                    '<w:family w:val="roman"/><w:pitch w:val="variable"/></w:font></w:fonts>'
                )
                part._blob = part.blob.decode().replace("</w:fonts>", named).encode()  # noqa: SLF001 - no other way

    def _paragraph(
        self, text: str, *, align: WD_ALIGN_PARAGRAPH = LEFT, size: Length = BODY_SIZE, bold: bool = False
    ) -> Paragraph:
        paragraph = self._document.add_paragraph()
        paragraph.alignment = align
        run = paragraph.add_run(text)
        run.bold = bold
        _fonts(run, size)
        return paragraph

    def _table(self, columns: int) -> Table:
        table: Table = self._document.add_table(rows=0, cols=columns, style="Table Grid")
        table.alignment = WD_TABLE_ALIGNMENT.CENTER
        table.autofit = False
        return table

    @staticmethod
    def _cell(cell: _Cell, text: str, *, label: bool) -> None:
        cell.vertical_alignment = WD_ALIGN_VERTICAL.CENTER
        paragraph = cell.paragraphs[0]
        paragraph.alignment = CENTER if label else LEFT
        paragraph.paragraph_format.line_spacing = LINE_IN_CELLS
        run = paragraph.add_run(text)
        run.bold = label
        _fonts(run, Pt(11))

    @staticmethod
    def _shape(table: Table, widths: Sequence[float]) -> None:
        whole = sum(widths)
        for column, share in zip(table.columns, widths, strict=True):
            column.width = Length(int(WIDTH * share / whole))
        for row in table.rows:
            row.height = row.height or Cm(0.9)


def _row(table: Table) -> _Row:
    row: _Row = table.add_row()  # type: ignore[no-untyped-call] # python-docx has forgotten to say what it returns
    return row


def _fonts(run: Run, size: Length) -> None:
    run.font.name, run.font.size = FONT, size
    run._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), FONT)  # noqa: SLF001 - no other way


def _field(run: Run, code: str) -> None:
    """A field that Word computes, such as the page number."""
    for kind, text in (("begin", None), (None, code), ("end", None)):
        element = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = text
        run._element.append(element)  # noqa: SLF001 - no other way
