"""``papers``: the templates of the papers as Word files, to be changed and put in the place of ours."""

from pathlib import Path

import typer

from node.commands.terminal import language
from node.i18n import N_, translate_plural
from node.papers.filling import SUFFIX, built_in
from node.papers.forms import FORMS
from node.trouble import Trouble


def write_templates(directory: Path) -> None:
    """Write all templates into a directory; none over a file that is there.

    Raises:
        Trouble: a file exists, or can't be written.
    """
    files = {directory / f"{form.name}{SUFFIX}": form for form in FORMS}
    taken = next((file for file in files if file.exists()), None)
    if taken is not None:
        raise Trouble(N_("{file} exists; name another directory."), file=str(taken))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file, form in files.items():
            file.write_bytes(built_in(form))
    except OSError as error:
        raise Trouble(N_("{file} can't be written: {reason}"), file=str(directory), reason=error.strerror) from error
    count = len(files)
    written = translate_plural(
        language(),
        "{n} template was written to {file}.",
        "{n} templates were written to {file}.",
        count,
        file=str(directory),
    )
    typer.echo(written)
