"""``status`` and ``links``: what a center knows, read from its database, whether it runs or not."""

from pathlib import Path

from node.accounts.roles import Role
from node.accounts.service import Caller
from node.commands.opened import opened
from node.commands.terminal import language, remark, say, show_json, show_table, word
from node.i18n import N_, translate
from node.links_api import read_links
from node.running import running_pid
from node.status.api import StatusOut, read_status

OPERATOR = Caller(user_id="-", username="-", display_name="-", roles=frozenset({Role.monitor}))
"""Whoever may read the data directory may see its counters."""

COLUMNS = ("registered", "held", "in_transit", "closed", "overdue")
"""Counters of the table; JSON has all."""


def show_status(directory: Path, *, below: str | None, as_json: bool) -> None:
    """Show the counters of a center, and of each of its children with all below it."""
    with opened(directory) as (settings, center):
        status = read_status(center, OPERATOR, below, None, None)
        name = center.directory.tree.name(status.center)
        if as_json:
            show_json(status.model_dump(mode="json"))
            return
        headers = [N_("Name"), *(COUNTER_NAMES[column] for column in COLUMNS), N_("As of")]
        rows = [[name, *_counters(status.own), status.as_of]]
        rows += [[child.name, *_counters(child.subtree), child.as_of] for child in status.children]
        rows.append([word(N_("Total")), *_counters(status.subtree), status.oldest_as_of])
        show_table(headers, rows)
        _show_rates(status)
        if status.missing:
            say(N_("Never heard of: {names}"), names=[center.directory.tree.name(code) for code in status.missing])
        _tell_if_stopped(settings.data_dir)


def show_links(directory: Path, *, as_json: bool) -> None:
    """Show the links of a center."""
    with opened(directory) as (settings, center):
        with center.database.read() as session:
            links = read_links(center, session)
        if as_json:
            show_json([link.model_dump(mode="json") for link in links])
            return
        headers = [N_("Peer"), N_("Name"), N_("Direction"), N_("State"), N_("Backlog"), N_("Parked"), N_("Last heard")]
        headers.append(N_("Newest backup"))
        show_table(
            headers,
            [
                [
                    link.peer,
                    link.name,
                    translate(language(), DIRECTIONS[link.direction]),
                    link.stop_reason or link.state,
                    link.backlog,
                    link.parked,
                    link.last_hello_at,
                    link.backup_at,
                ]
                for link in links
            ],
        )
        for link in links:
            for year, numbers in link.lost.items():
                center_name = link.name if link.direction == "down" else center.name
                say(
                    N_("{name} lost with its database, of {year}: {numbers}"),
                    name=center_name,
                    year=year,
                    numbers=numbers,
                )
        _tell_if_stopped(settings.data_dir)


COUNTER_NAMES = {
    "registered": N_("Registered"),
    "held": N_("Held"),
    "in_transit": N_("In transit"),
    "closed": N_("Closed"),
    "overdue": N_("Overdue"),
}

RATE_NAMES = {
    "success_rate": N_("Success rate"),
    "settled_of_found": N_("Settled of found"),
    "on_time": N_("On time"),
    "visited": N_("Visited"),
    "satisfied": N_("Satisfied"),
    "settled_in_the_village": N_("Settled in the village"),
    "settled_within_the_township": N_("Settled within the township"),
    "returned": N_("Returned share"),
}

DIRECTIONS = {"up": N_("to the parent"), "down": N_("to a child")}


def _counters(table: dict[str, int | dict[str, int | dict[str, int]] | None]) -> list[object]:
    return [table.get(column) for column in COLUMNS]


def _show_rates(status: StatusOut) -> None:
    """Rates as pairs; a bare percentage means nothing."""
    for name, rate in status.rates.items():
        if rate.denominator:
            share = 100 * rate.numerator / rate.denominator
            say(
                N_("  {rate}: {numerator} of {denominator} ({share} %), definition {version}"),
                rate=word(RATE_NAMES.get(name, name)),
                numerator=rate.numerator,
                denominator=rate.denominator,
                share=f"{share:.2f}",
                version=status.definition,
            )


def _tell_if_stopped(data_dir: Path) -> None:
    if running_pid(data_dir) is None:
        remark(N_("The center does not run; this is what its database knew last."))
