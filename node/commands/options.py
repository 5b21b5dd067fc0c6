"""What many commands of ``liandong`` take, each said once."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from node.commands.terminal import word
from node.i18n import N_

_ = word  # help texts are translated when they are defined


def group(text: str, kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Commands under one name, explained by ``text``."""
    return typer.Typer(
        cls=kind, help=_(text), no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
    )


Directory = Annotated[
    Path, typer.Option("--dir", "-d", envvar="LIANDONG_DIR", help=_(N_("The center's data directory.")))
]
Json = Annotated[bool, typer.Option("--json", help=_(N_("Print JSON.")))]
Name = Annotated[str | None, typer.Option(help=_(N_("The center's name; by default that of the shipped divisions.")))]
LevelName = Annotated[str | None, typer.Option(help=_(N_("Its level: county, township, village.")))]
Host = Annotated[str, typer.Option(help=_(N_("Address that the pages and the API listen on.")))]
Port = Annotated[int, typer.Option(min=1, max=65535, help=_(N_("TCP port of the pages and the API.")))]
DatabaseUrl = Annotated[
    str | None, typer.Option(help=_(N_("PostgreSQL: postgresql+psycopg://user@host/name; by default an SQLite file.")))
]
BrokerHost = Annotated[
    str | None, typer.Option(help=_(N_("Address that our broker listens on; outside loopback: TLS.")))
]
BrokerPort = Annotated[
    int | None, typer.Option(min=1, max=65535, help=_(N_("TCP port of our broker; a center with children needs one.")))
]
BrokerNames = Annotated[
    list[str] | None, typer.Option("--broker-name", help=_(N_("Name or address by which children reach our broker.")))
]
BrokerUrl = Annotated[str | None, typer.Option(help=_(N_("URL of a NATS server that others run, instead of our own.")))]

BackupKey = Annotated[
    str | None,
    typer.Option(
        envvar="LIANDONG_BACKUP_KEY",
        help=_(N_("The printed backup key: the newest backup is fetched from the parent and taken in.")),
    ),
]

HERE = Path()
