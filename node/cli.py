"""``liandong``: how the commands are called.

What they do is in ``node.commands``, loaded when one is called, so that ``liandong serve`` carries nothing that only
other commands need.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from node.commands.groups import audit, carry, keys, parked, users
from node.commands.options import (
    HERE,
    BackupKey,
    BrokerHost,
    BrokerNames,
    BrokerPort,
    BrokerUrl,
    DatabaseUrl,
    Directory,
    Host,
    Json,
    LevelName,
    Name,
    Port,
    group,
)
from node.commands.terminal import choose, complain, language, language_of, word
from node.db import DatabaseUnavailable
from node.i18n import N_
from node.logs import setup_command_logs
from node.problems import Problem
from node.trouble import DatabaseTrouble, Trouble

_ = word  # help texts are translated when they are defined

EXIT_CODES = N_(
    "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 settings; 4 database; 5 port taken; 6 broker; "
    "7 enrolment refused; 8 no answer from a running center; 130 interrupted."
)


class Commands(TyperGroup):
    """Turns trouble into one message and an exit code."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401 - typer's context has no public type to override with
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Trouble as trouble:
            complain(trouble.text(language()))
            raise typer.Exit(trouble.exit_code) from trouble
        except DatabaseUnavailable as error:
            complain(word(N_("The database can't be used: {reason}."), reason=str(error)))
            raise typer.Exit(DatabaseTrouble.exit_code) from error
        except SQLAlchemyError as error:  # its text may quote values
            complain(word(N_("The database can't be used: {reason}."), reason=type(error).__name__))
            raise typer.Exit(DatabaseTrouble.exit_code) from error
        except Problem as problem:
            complain(str(problem.document(language())["detail"]))
            raise typer.Exit(1) from problem


app = typer.Typer(
    cls=Commands,
    help=_(N_("Liandong links village, township and county mediation centers into one federation.")),
    epilog=_(EXIT_CODES),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Bench(TyperGroup):
    """The commands of ``deploy.bench``, loaded when somebody asks for them; ``node`` does not import ``deploy``."""

    @property
    def commands(self) -> Any:  # noqa: ANN401 - as above
        """The commands by name."""
        return typer.main.get_command(import_module("deploy.bench").app).commands  # type: ignore[attr-defined]

    @commands.setter
    def commands(self, commands: Any) -> None:  # noqa: ANN401
        """There are no others."""


app.add_typer(users, name="user")
app.add_typer(carry, name="carry")
app.add_typer(parked, name="parked")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")
app.add_typer(group(N_("Measure this installation on this machine."), Bench), name="bench")

PRIVATE = 0o077
"""Database, backups, ledgers, logs: all of it is for the owner alone."""


@app.callback()
def root(
    lang: Annotated[
        str | None, typer.Option(help=_(N_("Language of the messages: zh-CN or en; by default LANG's.")))
    ] = None,
) -> None:
    """Choose the language; keep quiet about what goes well; write nothing that others on this machine may read."""
    os.umask(PRIVATE)
    setup_command_logs()
    choose(language_of(os.environ, [] if lang is None else ["--lang", lang]))


@app.command(help=_(N_("Make the root of a federation in an empty directory.")))
def init(
    code: Annotated[str, typer.Argument(help=_(N_("Division code of the center, 12 digits.")))],
    directory: Directory = HERE,
    name: Name = None,
    level: LevelName = None,
    host: Host = "127.0.0.1",
    port: Port = 8100,
    database_url: DatabaseUrl = None,
    broker_host: BrokerHost = None,
    broker_port: BrokerPort = None,
    broker_names: BrokerNames = None,
    broker_url: BrokerUrl = None,
) -> None:
    from node.commands.federating import broker_options, run_init

    broker = broker_options(directory, host=broker_host, port=broker_port, names=broker_names or [], url=broker_url)
    run_init(directory, code, name=name, level=level, host=host, port=port, database_url=database_url, broker=broker)


@app.command(help=_(N_("Enrol a child and write its join file. Works while the center runs.")))
def enroll(
    code: Annotated[str, typer.Argument(help=_(N_("Division code of the child, 12 digits.")))],
    directory: Directory = HERE,
    name: Name = None,
    level: LevelName = None,
    out: Annotated[
        Path | None, typer.Option(help=_(N_("Where to write the join file; join-CODE.json by default.")))
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help=_(N_("Enrol it anew: new keys, the old ones are cut off.")))
    ] = False,
) -> None:
    from node.commands.federating import run_enroll

    run_enroll(directory, code, name=name, level=level, out=out, again=again)


@app.command(help=_(N_("Cut a child off. What waits for it comes back.")))
def revoke(
    code: Annotated[str, typer.Argument(help=_(N_("Division code of the child, 12 digits.")))],
    directory: Directory = HERE,
    reason: Annotated[str | None, typer.Option(help=_(N_("Stands in the log of the cases that come back.")))] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_(N_("Do not ask.")))] = False,
) -> None:
    from node.commands.federating import run_revoke

    run_revoke(directory, code, reason=reason, sure=yes)


@app.command(
    help=_(
        N_(
            "Merge a center into another one, or give it a new code: its cases go over, its code answers with the "
            "successor. Run it at a center above both, while all run; again, it tells how far that has come."
        )
    )
)
def rehome(
    old: Annotated[str, typer.Argument(help=_(N_("Division code of the center that ends or moves.")))],
    new: Annotated[str | None, typer.Argument(help=_(N_("Division code of the center that takes its place.")))] = None,
    directory: Directory = HERE,
    under: Annotated[
        str | None, typer.Option(help=_(N_("Move it under this parent instead; it keeps its code and its cases.")))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=_(N_("Do not ask.")))] = False,
    as_json: Json = False,
) -> None:
    from node.commands.rehoming import run_merge, run_move

    if (new is None) == (under is None):
        raise typer.BadParameter(_(N_("Name the center that takes its place, or its new parent with --under.")))
    if under is not None:
        run_move(directory, old, under, sure=yes, as_json=as_json)
    elif new is not None:
        run_merge(directory, old, new, sure=yes, as_json=as_json)


@app.command(help=_(N_("Make a center of a join file in an empty directory.")))
def join(
    file: Annotated[Path, typer.Argument(help=_(N_("The join file that the parent wrote.")))],
    directory: Directory = HERE,
    host: Host = "127.0.0.1",
    port: Port = 8100,
    database_url: DatabaseUrl = None,
    parent_url: Annotated[
        str | None, typer.Option(help=_(N_("Where the parent's broker is, if not as the file says.")))
    ] = None,
    broker_host: BrokerHost = None,
    broker_port: BrokerPort = None,
    broker_names: BrokerNames = None,
    broker_url: BrokerUrl = None,
    backup_key: BackupKey = None,
) -> None:
    from node.commands.federating import broker_options, run_join

    broker = broker_options(directory, host=broker_host, port=broker_port, names=broker_names or [], url=broker_url)
    run_join(
        file,
        directory,
        host=host,
        port=port,
        database_url=database_url,
        broker=broker,
        parent_url=parent_url,
        backup_key=backup_key,
    )


@app.command(help=_(N_("Run the center until it is told to stop (Ctrl-C, SIGTERM).")))
def serve(directory: Directory = HERE) -> None:
    from node.commands.serving import serve as run

    run(directory)


@app.command(
    help=_(N_("Run a whole federation on this machine until Ctrl-C; again in the same directory, it goes on."))
)
def demo(
    directory: Annotated[Path, typer.Option("--dir", "-d", help=_(N_("Where everything of the demo lies.")))] = Path(
        ".demo"
    ),
    county: Annotated[str, typer.Option(help=_(N_("Division code of the county.")))] = "532923",
    townships: Annotated[int, typer.Option(min=1, help=_(N_("How many townships.")))] = 2,
    villages: Annotated[int, typer.Option(min=0, help=_(N_("How many villages in each township.")))] = 2,
    port: Annotated[
        int | None, typer.Option(min=1024, max=65000, help=_(N_("Ports count up from here; 8100 by default.")))
    ] = None,
    cases: Annotated[int, typer.Option(min=0, help=_(N_("Matters to play through it.")))] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help=_(N_("Show the county's page.")))] = True,
) -> None:
    run = import_module("deploy.demo.running").run
    run(directory, county=county, townships=townships, villages=villages, port=port, cases=cases, browser=browser)


@app.command(help=_(N_("Write a verified backup of this center, while it runs.")))
def backup(
    file: Annotated[Path | None, typer.Argument(help=_(N_("The backup's file; it must not exist.")))] = None,
    directory: Directory = HERE,
    new_key: Annotated[
        bool, typer.Option("--new-key", help=_(N_("Draw a new key for the nightly backups to the parent.")))
    ] = False,
) -> None:
    from node.commands.saving import run_backup, run_new_key

    if new_key:
        run_new_key(directory)
    if file is not None:
        run_backup(directory, file)
    elif not new_key:
        raise typer.BadParameter(_(N_("Name the backup's file.")))


@app.command(help=_(N_("Put a center back from a backup, into an empty directory or in its place.")))
def restore(
    file: Annotated[Path | None, typer.Argument(help=_(N_("The backup's file.")))] = None,
    directory: Directory = HERE,
    in_place: Annotated[
        bool, typer.Option("--in-place", help=_(N_("Move what is there aside; the center must not run.")))
    ] = False,
    database_url: Annotated[
        str | None,
        typer.Option(help=_(N_("Restore into this database instead: sqlite:///file or postgresql+psycopg://..."))),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help=_(N_("Only verify the file; nothing is restored or changed.")))
    ] = False,
    from_parent: Annotated[
        bool,
        typer.Option("--from-parent", help=_(N_("Fetch the newest backup from the parent and take it in."))),
    ] = False,
    backup_key: BackupKey = None,
) -> None:
    from node.commands.saving import run_check, run_restore, run_take_back

    if from_parent:
        run_take_back(directory, backup_key or typer.prompt(_(N_("Backup key"))))
    elif file is None:
        raise typer.BadParameter(_(N_("Name the backup's file.")))
    elif check:
        run_check(file)
    else:
        run_restore(file, directory, in_place=in_place, database_url=database_url)


@app.command(help=_(N_("Check database, schema, clock, broker, links and disk, and say what to do.")))
def doctor(directory: Directory = HERE, as_json: Json = False) -> None:
    from node.commands.doctor import run

    run(directory, as_json=as_json)


@app.command(help=_(N_("Show the counters of this center and all below it.")))
def status(
    directory: Directory = HERE,
    center: Annotated[str | None, typer.Option(help=_(N_("Of a center below this one, by its division code.")))] = None,
    as_json: Json = False,
) -> None:
    from node.commands.looking import show_status

    show_status(directory, below=center, as_json=as_json)


@app.command(help=_(N_("Prove the history of a case, or of all: certificates, signatures, digests, order.")))
def verify(
    case: Annotated[str | None, typer.Argument(help=_(N_("Id or number of a case; all without it.")))] = None,
    directory: Directory = HERE,
    as_json: Json = False,
) -> None:
    from node.commands.proving import run_verify

    run_verify(directory, case, as_json=as_json)


@app.command(help=_(N_("Show the links of this center.")))
def links(directory: Directory = HERE, as_json: Json = False) -> None:
    from node.commands.looking import show_links

    show_links(directory, as_json=as_json)


User = Annotated[str, typer.Option("--as", help=_(N_("User in whose name this is done; their roles count.")))]


@app.command("import", help=_(N_("Register matters from a CSV file; all of them, or none if a row is wrong.")))
def import_(
    file: Annotated[
        Path,
        typer.Argument(help=_(N_("CSV with the columns title, category, place, parties and others, or in Chinese."))),
    ],
    username: User,
    directory: Directory = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help=_(N_("Only check the file.")))] = False,
    from_row: Annotated[int, typer.Option(min=2, help=_(N_("Leave out the rows before this one.")))] = 2,
) -> None:
    from node.commands.ledgers import run_import

    run_import(directory, file, username=username, dry_run=dry_run, from_row=from_row)


@app.command(help=_(N_("Write the cases that a user may see to a CSV file for spreadsheets, without parties.")))
def export(
    file: Annotated[Path, typer.Argument(help=_(N_("The CSV file; it must not exist.")))],
    username: User,
    directory: Directory = HERE,
) -> None:
    from node.commands.ledgers import run_export

    run_export(directory, file, username=username)


@app.command(help=_(N_("Write the templates of the papers as Word files, to be changed and put in the place of ours.")))
def papers(
    directory: Annotated[Path, typer.Argument(help=_(N_("The directory to write them to.")))],
) -> None:
    from node.commands.papers import write_templates

    write_templates(directory)


@app.command(help=_(N_("Print the OpenAPI document of the HTTP API.")))
def openapi(
    level: Annotated[str, typer.Option(help=_(N_("Level whose pages are included; the API is the same.")))] = "county",
) -> None:
    from node.commands.describing import show_openapi

    show_openapi(level)


@app.command(help=_(N_("Print the AsyncAPI document of the link between centers.")))
def asyncapi() -> None:
    from node.commands.describing import show_asyncapi

    show_asyncapi()
