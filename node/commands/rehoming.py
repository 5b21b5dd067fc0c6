"""``rehome``: centers are merged, get a new code, or move under another parent."""

from dataclasses import asdict
from pathlib import Path

import typer

from node.center import Center
from node.commands.opened import opened
from node.commands.terminal import say, show_json, word
from node.i18n import N_
from node.rehoming.deciding import MergeProgress, merge, merge_progress, move, move_progress
from node.trouble import EnrolmentRefused


def run_merge(directory: Path, old: str, new: str, *, sure: bool, as_json: bool) -> None:
    """Decide that a center is merged into another one, or tell how far that has come."""
    with opened(directory) as (_, center):
        tree = center.directory.tree
        decided = tree.retired(old) and tree.heir(old) == tree.heir(new)
        if not sure and not decided:
            _ask(center, N_("Merge {old_name} {old} into {new_name} {new} for good?"), old, new)
        merge(center, old, new)
        with center.database.read() as session:
            progress = merge_progress(center, session, old)
        if as_json:
            show_json({**asdict(progress), "finished": progress.finished})
            return
        tree = center.directory.tree
        say(
            N_("{old_name} {old} is merged into {new_name} {new}."),
            old=old,
            old_name=tree.name(old),
            new=progress.successor,
            new_name=tree.name(progress.successor),
        )
        _tell_merge(center, old, progress)


def _tell_merge(center: Center, old: str, progress: MergeProgress) -> None:
    """Say what has gone over and what waits."""
    names = center.directory.tree.name
    if progress.revoked:
        say(N_("  It was revoked: what it holds can't go over. A center enrolled again with its code can bring it."))
    if progress.as_of is None:
        say(N_("  It has never told what it holds."))
    else:
        say(
            N_("  As of {at} it held {held} cases, {in_transit} were on their way from it."),
            at=progress.as_of,
            held=progress.held,
            in_transit=progress.in_transit,
        )
    if progress.backlog:
        say(N_("  {n} messages wait for it, the oldest since {at}."), n=progress.backlog, at=progress.oldest)
    if progress.neighbour and not progress.linked:
        say(N_("  It is off line: its part waits until it comes back."))
    if progress.children:
        say(N_("  Still under it: {names}"), names=[names(code) for code in progress.children])
    if progress.finished:
        say(N_("  Everything has gone over; it can be revoked at its parent: liandong revoke {code}"), code=old)
    else:
        say(N_("  The rest goes over by itself; run this again to see how far it is."))


def run_move(directory: Path, child: str, parent: str, *, sure: bool, as_json: bool) -> None:
    """Decide that a center moves under another parent, or tell how far that has come."""
    with opened(directory) as (_, center):
        claims = center.directory.tree.claims.get(child)
        decided = claims is not None and parent in {claims.parent, claims.moving_to}
        if not sure and not decided:
            _ask(center, N_("Move {old_name} {old} under {new_name} {new}?"), child, parent)
        move(center, child, parent)
        with center.database.read() as session:
            progress = move_progress(center, session, child, parent)
        if as_json:
            show_json({**asdict(progress), "finished": progress.finished})
            return
        name = center.directory.tree.name
        if progress.finished:
            say(N_("{name} {code} is under {parent}."), name=name(child), code=child, parent=name(parent))
            return
        say(
            N_("{name} {code} moves under {parent}; it does so by itself as soon as it is on line."),
            name=name(child),
            code=child,
            parent=name(parent),
        )
        if progress.backlog:
            say(N_("  {n} messages wait for it, the oldest since {at}."), n=progress.backlog, at=progress.oldest)


def _ask(center: Center, question: str, old: str, new: str) -> None:
    """Ask for a yes.

    Raises:
        EnrolmentRefused: a center is unknown.
    """
    tree = center.directory.tree
    for code in (old, new):
        if code not in tree.claims:
            raise EnrolmentRefused(N_("There is no center {code} in this federation."), code=code)
    places = {"old": old, "new": new, "old_name": tree.name(old), "new_name": tree.name(new)}
    typer.confirm(word(question, **places), abort=True)
