"""``doctor``: runs all checks, says what to do, and fails if one failed."""

from pathlib import Path

import typer

from node.commands.checks import Grade, examine
from node.commands.terminal import show_json, word
from node.i18n import N_
from node.settings import load_settings

MARKS = {Grade.OK: N_("ok"), Grade.WARN: N_("warning"), Grade.FAIL: N_("FAILED")}
COLOURS = {Grade.OK: typer.colors.GREEN, Grade.WARN: typer.colors.YELLOW, Grade.FAIL: typer.colors.RED}


def run(directory: Path, *, as_json: bool) -> None:
    """Examine a center.

    Raises:
        Exit: 1 if a check failed; warnings are no failure.
        SettingsError: the settings themselves are broken.
    """
    settings = load_settings(directory)
    failed = False
    told = []
    for finding in examine(settings):
        failed = failed or finding.grade is Grade.FAIL
        message = word(finding.message, **finding.places)
        advice = word(finding.advice, **finding.places)
        told.append(
            {"subject": word(finding.subject), "grade": finding.grade.value, "message": message, "advice": advice}
        )
        if not as_json:
            mark = typer.style(word(MARKS[finding.grade]), fg=COLOURS[finding.grade], bold=True)
            typer.echo(f"{word(finding.subject)}: {mark}  {message}")
            if advice:
                typer.echo(f"    → {advice}")
    if as_json:
        show_json(told)
    if failed:
        raise typer.Exit(1)
