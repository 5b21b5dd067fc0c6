"""The ledger as a file (台账): cases out to CSV, matters in from CSV, as spreadsheets read and write it.

UTF-8 with a byte order mark, or Excel takes it for GBK; reading takes GB18030 too. Headers and codes may be the
English ones or the words of either language. Parties are read, never written: a list of people is no purpose of this
system.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from node.cases.documents import CaseItem
from node.cases.inputs import RegisterInput
from node.clock import LOCAL_ZONE
from node.directory import Directory
from node.i18n import LANGUAGES, N_, Language, translate
from node.invalid import Invalid
from node.trouble import Trouble
from node.words import LISTS, word

ROWS_MAX = 5000
"""Rows of one file: a township's matters of ten years. More are several files."""

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run by spreadsheets; an apostrophe before it keeps it text."""

EXPORTED = {
    "display_number": N_("Case number"),
    "number": N_("Full number"),
    "title": N_("Matter"),
    "category": N_("Type of dispute"),
    "grade": N_("Risk"),
    "status": N_("Status"),
    "place": N_("Place"),
    "origin": N_("Registered by"),
    "holder": N_("Responsible center"),
    "in_transit_to": N_("On its way to"),
    "deadline": N_("Deadline"),
    "registered_at": N_("Registered at"),
    "access": N_("Visible"),
}
"""Columns of an export and what they are called."""

IMPORTED = {
    "title": N_("Matter"),
    "category": N_("Type of dispute"),
    "place": N_("Place"),
    "parties": N_("Parties"),
    "description": N_("What happened"),
    "source": N_("Source"),
    "grade": N_("Risk"),
    "occurred_at": N_("When"),
}
"""Columns of an import; several parties are separated by ``;``, each ``name`` or ``name/role/phone``."""

ALSO_CALLED = {
    "标题": "title",
    "事由": "title",
    "类型": "category",
    "纠纷类别": "category",
    "地址": "place",
    "当事人姓名": "parties",
    "简要情况": "description",
    "基本情况": "description",
    "风险等级": "grade",
    "发生时间": "occurred_at",
    "受理时间": "occurred_at",
    "登记日期": "occurred_at",
    "纠纷名称": "title",
    "案件来源": "source",
    "发生地点": "place",
    "纠纷简要情况": "description",
}
"""What ledgers of today call these columns."""

REQUIRED = ("title", "category", "place", "parties")


@dataclass(frozen=True)
class RowError:
    """Why one row can't be taken; rows are counted as a spreadsheet does, the headers are row 1."""

    row: int
    field: str
    message: str


@dataclass(frozen=True)
class ReadMatters:
    """What a file holds: matters by row, and what is wrong."""

    matters: dict[int, RegisterInput]
    errors: list[RowError]


class NotALedger(Trouble):
    """The file is no CSV of matters."""


def write_cases(file: Path, cases: Sequence[CaseItem], directory: Directory, language: Language) -> None:
    """Write cases for a spreadsheet.

    Raises:
        NotALedger: it can't be written.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([translate(language, header) for header in EXPORTED.values()])
    for case in cases:
        writer.writerow([_safe(_shown(case, name, directory, language)) for name in EXPORTED])
    try:
        file.write_text(out.getvalue(), encoding="utf-8-sig", newline="")
        file.chmod(0o600)
    except OSError as error:
        raise NotALedger(N_("{file} can't be written: {reason}"), file=str(file), reason=error.strerror) from error


def read_matters(file: Path, language: Language) -> ReadMatters:
    """Read matters to register, and everything that is wrong with them.

    Raises:
        NotALedger: the file can't be read, lacks a column that is needed, or is too long.
    """
    rows = list(_rows(file))
    if len(rows) > ROWS_MAX:
        raise NotALedger(
            N_("{file} has {count} rows; at most {limit} at once."), file=str(file), count=len(rows), limit=ROWS_MAX
        )
    matters: dict[int, RegisterInput] = {}
    errors: list[RowError] = []
    for number, row in rows:
        try:
            matters[number] = RegisterInput.model_validate(given_of(row))
        except ValidationError as error:
            found = Invalid(error.errors(include_url=False, include_input=False)).document(language)["errors"]
            assert isinstance(found, list)
            for each in found:
                assert isinstance(each, dict)
                errors.append(RowError(number, str(each["field"]), str(each["message"])))
    return ReadMatters(matters, errors)


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by number, with the codes' names of the columns."""
    reader = csv.reader(io.StringIO(_text(file), newline=""))
    headers = next(reader, [])
    names = column_names()
    columns = [names.get(header.strip().casefold()) for header in headers]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise NotALedger(
            N_("{file} lacks the columns {names}; the first row names the columns."), file=str(file), names=missing
        )
    try:
        for row in reader:
            given = {name: cell.strip() for name, cell in zip(columns, row, strict=False) if name and cell.strip()}
            if given:
                yield reader.line_num, given
    except csv.Error as error:
        raise NotALedger(N_("{file} is no CSV: {reason}"), file=str(file), reason=str(error)) from error


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise NotALedger(N_("{file} can't be read: {reason}"), file=str(file), reason=error.strerror) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise NotALedger(N_("{file} is neither UTF-8 nor GB18030 text."), file=str(file))


def column_names() -> dict[str, str]:
    """What columns may be called, in small letters, and the field that each then holds."""
    names = {text.casefold(): name for name, msgid in IMPORTED.items() for text in _texts(name, msgid)}
    return names | ALSO_CALLED


def given_of(row: Mapping[str, str]) -> dict[str, object]:
    """A row as the API takes it."""
    given: dict[str, object] = dict(row)
    for name in ("category", "source", "grade"):
        if name in row:
            given[name] = _code(name, row[name])
    given["parties"] = [_party(text) for text in row.get("parties", "").replace("；", ";").split(";") if text.strip()]
    if "occurred_at" in row:
        given["occurred_at"] = _instant(row["occurred_at"])
    return given


def _code(name: str, text: str) -> str:
    """The code of a word in any language; the text itself if it is none."""
    known = {spoken.casefold(): str(code) for code, msgid in LISTS[name].items() for spoken in _texts(str(code), msgid)}
    return known.get(text.casefold(), text)


def _texts(code: str, msgid: str) -> list[str]:
    return [code, *(translate(language, msgid) for language in LANGUAGES)]


def _party(text: str) -> dict[str, str]:
    name, _, rest = text.strip().partition("/")
    role, _, phone = rest.partition("/")
    party = {"name": name.strip()}
    if role.strip():
        party["role"] = _code("party_role", role.strip())
    if phone.strip():
        party["phone"] = phone.strip()
    return party


def _instant(text: str) -> str:
    """A date or a time without zone is meant in China's time."""
    try:
        instant = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        return text
    return (instant if instant.tzinfo else instant.replace(tzinfo=LOCAL_ZONE)).isoformat()


def _shown(case: CaseItem, name: str, directory: Directory, language: Language) -> str:
    value = getattr(case, name)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(LOCAL_ZONE):%Y-%m-%d %H:%M}"
    if name in ("origin", "holder", "in_transit_to"):
        return directory.tree.name(str(value))
    return word(language, name, str(value)) if name in LISTS else str(value)


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
