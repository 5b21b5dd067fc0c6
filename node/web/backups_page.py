"""Backups (备份): those on this machine, the sealed ones at the parent, and the children's that are kept here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy import select
from starlette.responses import Response

from node import saved_backups
from node.accounts.roles import Action
from node.accounts.service import Caller
from node.audit.requests import actor_of
from node.backup_key import BadBackupKey, public_half
from node.center import Center
from node.errors_http import language_of
from node.federation import kept_backups, nightly
from node.federation.tables import SentBackupRow
from node.i18n import N_, translate, translate_plural
from node.saved_backups import Saved
from node.settings import load_settings
from node.trouble import Trouble
from node.web.center import center_of
from node.web.forms import Sent
from node.web.rendering import render
from node.web.session import reader

router = APIRouter()

SHOWN = 7
"""Nights that the page shows."""


@dataclass(frozen=True, slots=True)
class Night:
    """A sealed backup that was sent to the parent; ``there`` where the parent has all of it."""

    made_at: datetime
    size: int
    there: bool


@router.get("/backups")
def backups(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_backups))]) -> Response:
    """What is saved where."""
    return _page(request, caller)


@router.post("/backups")
def make(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_backups))]) -> Response:
    """Make a backup now. It takes as long as the database is large; the page says so."""
    center, language = center_of(request), language_of(request)
    assert center.data_dir is not None
    try:
        name = saved_backups.make(center, load_settings(center.data_dir), actor_of(request, caller))
    except Trouble as trouble:
        return _page(request, caller, error=trouble.text(language))
    return _page(request, caller, done=translate(language, N_("{name} was made and checked."), name=name))


@router.post("/backups/check")
def check(request: Request, caller: Annotated[Caller, Depends(reader(Action.read_backups))], sent: Sent) -> Response:
    """Read one again from end to end."""
    center, language = center_of(request), language_of(request)
    assert center.data_dir is not None
    try:
        rows = saved_backups.check(center, center.data_dir, sent.one("name"), actor_of(request, caller))
    except Trouble as trouble:
        return _page(request, caller, error=trouble.text(language))
    done = translate_plural(language, "The backup is whole: {n} row.", "The backup is whole: {n} rows.", rows)
    return _page(request, caller, done=done)


def _page(request: Request, caller: Caller, *, done: str = "", error: str = "") -> Response:
    center = center_of(request)
    files: list[Saved] = []
    with center.database.read() as session:
        if center.data_dir is not None:
            files = saved_backups.saved(session, center.data_dir)
        newest = nightly.newest_at_parent(session)
        rows = session.scalars(select(SentBackupRow).order_by(SentBackupRow.made_at.desc()).limit(SHOWN)).all()
        nights = [Night(row.made_at, row.size, newest is not None and row.made_at <= newest) for row in rows]
        kept = kept_backups.newest_by_center(session)
    children = [(code, kept.get(code)) for code in center.directory.tree.children(center.code)]
    return render(
        request,
        "backups.html",
        caller=caller,
        status=409 if error else 200,
        done=done,
        error=error,
        files=files,
        folder=str(center.data_dir / saved_backups.DIRECTORY) if center.data_dir is not None else "",
        keep=saved_backups.KEEP,
        nights=nights,
        nightly=_nightly(center),
        children=children,
    )


def _nightly(center: Center) -> str:
    """Why no sealed backup goes to the parent, or an empty text where one does."""
    if center.parent is None:
        return N_("This center has no superior: copy its backups away by hand.")
    if not center.backup_to_parent:
        return N_("The nightly backup is switched off in the settings (backup.to_parent).")
    try:
        key = public_half(center.data_dir) if center.data_dir is not None else None
    except BadBackupKey:
        key = None
    if key is None:
        return N_(
            "There is no backup key: draw one at the machine with `liandong backup --new-key` and keep it on paper."
        )
    return ""
