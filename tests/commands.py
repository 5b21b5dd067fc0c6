"""Calling commands in this process, on centers with users."""

from typer.testing import CliRunner, Result

from node.accounts import service as accounts
from node.accounts.roles import Role
from node.cli import app
from tests.centers import Family, Made, free_ports

PASSWORD = "correct horse"


def root_with_users(people: Family) -> Made:
    """A root with one user of each role, on a free port."""
    made = people.root(port=free_ports(1))
    with made.center.database.write() as session:
        for role in Role:
            accounts.create_user(
                session,
                made.center.clock,
                made.center.hasher,
                username=role.value,
                display_name=role.value,
                password=PASSWORD,
                roles=[role],
                must_change=False,
            )
    return made


def run(*arguments: object, given: str | None = None) -> Result:
    """Run a command to its end."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=given)


def done(*arguments: object, given: str | None = None) -> str:
    """Run a command that must succeed; return what it said on standard output."""
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.output
    return result.stdout
