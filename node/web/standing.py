"""What everybody at a center must know about the center itself: it was merged, or matters were lost with a database."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import select

from node.center import Center
from node.federation.tables import LossRow
from node.i18n import Language, translate
from node.pulse import Topic
from node.words import place_name

LOSS_SHOWN: Final = timedelta(days=30)
"""Long enough for whoever brought a matter to be asked to bring it again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing to know: a sentence, and what to do."""

    tone: str
    icon: str
    words: str
    advice: str


def standings_of(center: Center, language: Language) -> list[Standing]:
    """What stands at the top of every page, the most lasting first."""
    tree = center.directory.tree
    found = []
    if tree.retired(center.code):
        heir = tree.heir(center.code)
        found.append(
            Standing(
                "warn",
                "building-community",
                translate(language, "This center was merged into {name} ({code}).", name=tree.name(heir), code=heir),
                translate(
                    language, "Its cases go there by themselves and can be read there. Register new matters there."
                ),
            )
        )
    for row in center.pulse.remember("losses", (Topic.LINKS,), lambda: _losses(center)):
        numbers = "; ".join(f"{year}: {numbers}" for year, numbers in json.loads(row.lost).items())
        if row.center == center.code:
            words = translate(language, "This center lost its database. Nobody else held the cases with these numbers:")
        else:
            name = place_name(tree.name(row.center))
            words = translate(
                language, "{name} lost its database. Nobody else held the cases with these numbers:", name=name
            )
        advice = translate(language, "Ask whoever brought these matters to bring them again.")
        found.append(Standing("bad", "alert-octagon", f"{words} {numbers}", advice))
    return found


def _losses(center: Center) -> list[LossRow]:
    """What was lost lately, here or at a child."""
    with center.database.read() as session:
        rows = session.scalars(
            select(LossRow)
            .where(LossRow.at > center.clock.now() - LOSS_SHOWN, LossRow.lost != "{}")
            .order_by(LossRow.center)
        ).all()
        session.expunge_all()
    return list(rows)
