"""The table of who may do what, as Markdown, for ``docs/access.md``."""

from pathlib import Path
from typing import Final

from node.accounts.authorise import PUBLIC_ROUTES
from node.accounts.roles import TABLE, Relation, Role, Row

PAGE: Final = Path(__file__).parents[2] / "docs" / "access.md"

BEGIN: Final = "<!-- table: `make access` writes what follows -->"
END: Final = "<!-- end of table -->"

DOES, ASKS, BOTH, NEVER = "does", "asks", "does, asks", "-"


def table() -> str:
    """One row for each action; then the routes that need nobody."""
    lines = [
        "### One case",
        "",
        _line(["action", *(role.value for role in Role), *(relation.value for relation in Relation)]),
        _line(["---"] * (1 + len(Role) + len(Relation))),
        *(
            _line([f"`{action}`", *_roles(row.roles), *(_cell(row, relation) for relation in Relation)])
            for action, row in TABLE.items()
            if row.about_a_case
        ),
        "",
        "### The center",
        "",
        _line(["action", *(role.value for role in Role)]),
        _line(["---"] * (1 + len(Role))),
        *(_line([f"`{action}`", *_roles(row.roles)]) for action, row in TABLE.items() if not row.about_a_case),
        "",
        "### Open to everybody",
        "",
        _line(["route", "why"]),
        _line(["---"] * 2),
        *(_line([f"`{route}`", why]) for route, why in PUBLIC_ROUTES.items()),
    ]
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with the table as it is now between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _cell(row: Row, relation: Relation) -> str:
    does, asks = relation in row.does, relation in row.asks
    return (BOTH if asks else DOES) if does else ASKS if asks else NEVER


def _roles(roles: frozenset[Role]) -> list[str]:
    return ["yes" if role in roles else NEVER for role in Role]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
