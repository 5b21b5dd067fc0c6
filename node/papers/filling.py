"""Templates of papers are found and filled.

A template is the center's own file ``papers/NAME.docx`` in its data directory if there is one, else the one that
``node.papers.forms`` lays out. A county's templates are its own texts, yet no programs: they are filled in a sandbox,
and a name that no fact has is an error that names the file.
"""

import io
from functools import cache
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from node.center import Center
from node.i18n import N_
from node.papers.facts import Facts
from node.papers.forms import Form
from node.problems import Problem

DIRECTORY: Final = "papers"
"""In a center's data directory: templates that stand for ours."""

SUFFIX: Final = ".docx"
MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def fill(center: Center, form: Form, facts: Facts) -> bytes:
    """A paper as a Word file.

    Raises:
        Problem: 409 ``template-broken`` where the center's own template can't be filled; names the file and why.
    """
    from docx.opc.exceptions import PackageNotFoundError  # noqa: PLC0415 - memory
    from lxml.etree import LxmlError  # noqa: PLC0415 - memory

    own = own_template(center, form)
    if own is None:
        return _filled(built_in(form), facts)
    try:
        return _filled(own.read_bytes(), facts)
    except (TemplateError, LxmlError, PackageNotFoundError, BadZipFile, KeyError, ValueError, OSError) as error:
        raise Problem(
            409,
            N_("template-broken"),
            N_("The template {file} can't be filled: {reason}"),
            file=f"{DIRECTORY}/{own.name}",
            reason=str(error) or type(error).__name__,
        ) from error


def own_template(center: Center, form: Form) -> Path | None:
    """The center's own template of this form, if it has put one in the place of ours."""
    if center.data_dir is None:
        return None
    path = center.data_dir / DIRECTORY / f"{form.name}{SUFFIX}"
    return path if path.is_file() else None


@cache
def built_in(form: Form) -> bytes:
    """Our template of a form; laid out once."""
    return form.template()


def _filled(template: bytes, facts: Facts) -> bytes:
    from docxtpl import DocxTemplate  # noqa: PLC0415 - memory

    document = DocxTemplate(io.BytesIO(template))
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=True)
    named = {name: getattr(facts, name) for name in Facts.__dataclass_fields__}
    document.render(named, jinja_env=environment)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
