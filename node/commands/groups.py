"""Commands that stand under one name: ``liandong user``, ``carry``, ``parked``."""

from pathlib import Path
from typing import Annotated

import typer

from node.accounts.roles import Role
from node.commands.options import HERE, Directory, Json, group
from node.commands.terminal import word
from node.i18n import N_

_ = word  # help texts are translated when they are defined

users = group(N_("Accounts of this center."))
carry = group(N_("Exchange files with the superior or a center below, where there is no network."))
audit = group(N_("Who looked at people's data, signed in, changed this center."))
keys = group(N_("The keys of this center."))
parked = group(N_("Messages that could not be applied and wait."))


PasswordStays = Annotated[
    bool,
    typer.Option(
        "--password-stays",
        help=_(N_("The person need not choose another password first: for accounts of programs and tests.")),
    ),
]


@users.command("add", help=_(N_("Create an account. The password is asked for, unless an option says otherwise.")))
def user_add(
    username: Annotated[str, typer.Argument(help=_(N_("User name.")))],
    role: Annotated[list[Role], typer.Option("--role", "-r", help=_(N_("Role; may be given several times.")))],
    directory: Directory = HERE,
    display_name: Annotated[
        str | None, typer.Option("--name", help=_(N_("The person's name, as it stands in the log.")))
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help=_(N_("Read the password from standard input.")))
    ] = False,
    generate: Annotated[bool, typer.Option("--generate", help=_(N_("Make up a password and print it.")))] = False,
    password_stays: PasswordStays = False,
) -> None:
    from node.commands.users import add

    add(
        directory,
        username,
        roles=role,
        display_name=display_name,
        from_stdin=password_stdin,
        generate=generate,
        stays=password_stays,
    )


@users.command("list", help=_(N_("Show all accounts.")))
def user_list(directory: Directory = HERE, as_json: Json = False) -> None:
    from node.commands.users import list_all

    list_all(directory, as_json=as_json)


@users.command("disable", help=_(N_("Lock an account and sign it out.")))
def user_disable(
    username: Annotated[str, typer.Argument(help=_(N_("User name.")))], directory: Directory = HERE
) -> None:
    from node.commands.users import disable

    disable(directory, username)


@users.command("password", help=_(N_("Give an account a new password and sign it out.")))
def user_password(
    username: Annotated[str, typer.Argument(help=_(N_("User name.")))],
    directory: Directory = HERE,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help=_(N_("Read the password from standard input.")))
    ] = False,
    generate: Annotated[bool, typer.Option("--generate", help=_(N_("Make up a password and print it.")))] = False,
    password_stays: PasswordStays = False,
    forget_second_factor: Annotated[
        bool, typer.Option("--forget-second-factor", help=_(N_("End the second factor, too: the telephone is lost.")))
    ] = False,
) -> None:
    from node.commands.users import set_password

    set_password(
        directory,
        username,
        from_stdin=password_stdin,
        generate=generate,
        stays=password_stays,
        forget_second_factor=forget_second_factor,
    )


@keys.command("rotate", help=_(N_("Sign with a new key once the superior has certified it.")))
def keys_rotate(directory: Directory = HERE) -> None:
    from node.commands.keeping import run_rotate

    run_rotate(directory)


@keys.command("reseal", help=_(N_("Seal the stored data under a new key. The center must not run.")))
def keys_reseal(directory: Directory = HERE) -> None:
    from node.commands.keeping import run_reseal

    run_reseal(directory)


@carry.command("out", help=_(N_("Write what waits for the superior into a sealed file. Works while the center runs.")))
def carry_out(
    target: Annotated[
        Path,
        typer.Argument(metavar="[FILE]", help=_(N_("The file, or the stick's directory; the current one by default."))),
    ] = HERE,
    directory: Directory = HERE,
    receiver: Annotated[
        str | None, typer.Option("--for", help=_(N_("For a center below this one, by its division code.")))
    ] = None,
) -> None:
    from node.commands.carrying import run_carry_out

    run_carry_out(directory, target, receiver=receiver)


@carry.command("in", help=_(N_("Apply files of the superior or of centers below, in any order; twice is harmless.")))
def carry_in(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=_(N_("The files, or the stick's directory.")))],
    directory: Directory = HERE,
) -> None:
    from node.commands.carrying import run_carry_in

    run_carry_in(directory, files)


@audit.command("verify", help=_(N_("Check that no row was changed, taken out or added; works while the center runs.")))
def audit_verify(
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=_(N_("An exported log, of this center or of a child whose heads we keep."))),
    ] = None,
    directory: Directory = HERE,
) -> None:
    from node.commands.auditing import run_verify

    run_verify(directory, file)


@audit.command("export", help=_(N_("Write the audit log as JSON lines.")))
def audit_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=_(N_("A file that does not exist yet.")))],
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help=_(N_("First local day, such as 2026-03-01.")))
    ] = None,
    directory: Directory = HERE,
) -> None:
    from node.commands.auditing import run_export

    run_export(directory, file, since)


@parked.command("list", help=_(N_("Show what is parked here, and what of ours is parked at its destination.")))
def parked_list(directory: Directory = HERE, as_json: Json = False) -> None:
    from node.commands.parked import show_parked

    show_parked(directory, as_json=as_json)


@parked.command("retry", help=_(N_("Try parked messages again. Works while the center runs.")))
def parked_retry(
    parked_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help=_(N_("Only this one, and those of its case behind it.")))
    ] = None,
    directory: Directory = HERE,
) -> None:
    from node.commands.parked import run_retry

    run_retry(directory, parked_id)
