"""``carry out`` and ``carry in``: files on a memory stick instead of a network."""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from node.center import Center
from node.clock import LOCAL_ZONE
from node.commands.opened import opened
from node.commands.terminal import language, say, word
from node.federation.carry_in import CarriedIn, carry_in
from node.federation.carry_out import CarriedOut, Step, carry_out
from node.i18n import N_, translate_plural
from node.trouble import Trouble

PERMILLE = 1000


def run_carry_out(directory: Path, target: Path, *, receiver: str | None) -> None:
    """Write what waits for a neighbour, and say where to carry it."""
    with opened(directory) as (_, center):
        peer = receiver or center.parent
        if peer is None:
            raise Trouble(N_("This center has no superior; name a center below it with --for CODE."))
        with _Bar(N_("Writing")) as step:
            done = carry_out(center, peer, target, step)
        _tell_out(center, done)


def run_carry_in(directory: Path, files: Sequence[Path]) -> None:
    """Apply files of neighbours, in any order, and say what came and what to carry back."""
    with opened(directory) as (_, center):
        results: list[CarriedIn] = []
        for file in _named(center, files):
            with _Bar(N_("Reading")) as step:
                results.append(carry_in(center, file, step))
            _tell_in(center, file, results[-1])
        newest = {result.peer: result for result in results}
        for result in newest.values():
            _tell_way_back(center, result)


def _named(center: Center, files: Sequence[Path]) -> list[Path]:
    """The files; of a directory, such as a stick, those for us."""
    found: list[Path] = []
    for file in files:
        if not file.is_dir():
            found.append(file)
            continue
        inside = sorted(file.glob(f"*-to-{center.code}-*.ldc"))
        if not inside:
            raise Trouble(N_("{directory} holds no file for {code}."), directory=str(file), code=center.code)
        found += inside
    return found


def _tell_out(center: Center, done: CarriedOut) -> None:
    name = center.directory.tree.name(done.peer)
    if done.messages:
        say(
            N_("{file}: {messages} about {cases}, up to number {last}, for {name} {code}."),
            file=str(done.file),
            messages=_messages(done.messages),
            cases=_cases(done.cases),
            last=done.last,
            name=name,
            code=done.peer,
        )
    else:
        say(
            N_("{file}: nothing waits for {name} {code}; the file only says what has arrived here."),
            file=str(done.file),
            name=name,
            code=done.peer,
        )
    if done.left:
        say(N_("{messages} did not fit; carry out again when the answer has come."), messages=_messages(done.left))
    say(N_("Carry the file to {name} and run there:"), name=name)
    typer.echo(f"  liandong carry in {done.file.name}")
    say(
        N_("It is sealed: only {name} can read it. The messages wait here too, until their arrival is known."),
        name=name,
    )


def _tell_in(center: Center, file: Path, result: CarriedIn) -> None:
    say(
        N_("{file}: written by {name} {code} at {made_at}."),
        file=str(file),
        name=center.directory.tree.name(result.peer),
        code=result.peer,
        made_at=f"{result.made_at.astimezone(LOCAL_ZONE):%Y-%m-%d %H:%M}",
    )
    if result.applied:
        say(N_("  {messages} arrived, up to number {last}."), messages=_messages(result.applied), last=result.last)
    else:
        say(N_("  Nothing new; everything up to number {last} had arrived before."), last=result.last)
    if result.parked:
        say(
            N_("  {messages} could not be applied and are parked; see: liandong parked list"),
            messages=_messages(result.parked),
        )
    if result.confirmed:
        say(N_("  {messages} of ours have arrived there."), messages=_messages(result.confirmed))


def _tell_way_back(center: Center, result: CarriedIn) -> None:
    """What the other side waits for: our messages, and to hear that its own have arrived."""
    name = center.directory.tree.name(result.peer)
    if result.waiting:
        say(N_("{messages} wait for {name}. For the way back run:"), messages=_messages(result.waiting), name=name)
    elif result.applied:
        say(N_("{name} does not know yet that its messages have arrived. For the way back run:"), name=name)
    else:
        return
    typer.echo("  liandong carry out" + ("" if result.peer == center.parent else f" --for {result.peer}"))


def _messages(count: int) -> str:
    return translate_plural(language(), "{n} message", "{n} messages", count)


def _cases(count: int) -> str:
    return translate_plural(language(), "{n} case", "{n} cases", count)


class _Bar:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, msgid: str) -> None:
        self._bar = typer.progressbar(length=PERMILLE, label=word(msgid), file=sys.stderr)
        self._shown = 0

    def __enter__(self) -> Step:
        self._bar.__enter__()
        return self._step

    def __exit__(self, *_raised: object) -> None:
        self._bar.__exit__(None, None, None)

    def _step(self, done: int, total: int) -> None:
        reached = PERMILLE * done // max(total, 1)
        self._bar.update(reached - self._shown)
        self._shown = reached
