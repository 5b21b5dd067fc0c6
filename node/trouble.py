"""Trouble that ends a command: said in the reader's language, with an exit code that scripts can rely on.

::

    Trouble                    1    something else went wrong
    ├── SettingsError          3    the settings are missing, unknown or wrong      (node.settings)
    ├── DatabaseTrouble        4    the database can't be used as it is              (node.opening)
    │   └── SchemaTooNew            a newer Liandong wrote it                        (node.migrations)
    ├── PortTaken              5    another program has the port                     (node.commands.serving)
    ├── BrokerTrouble          6    the broker can't be had                          (node.brokers)
    ├── EnrolmentRefused       7    this center can't be enrolled, joined or revoked (node.enrolment)
    └── Unanswered             8    a running center does not answer                 (node.commands)

2 is a wrong command line (typer's own).
"""

from typing import ClassVar

from node.i18n import Language, translate


class Trouble(Exception):
    """Something a person must know and can act on.

    Args:
        msgid: catalog message (English, marked with ``N_``) with ``{named}`` places.
        places: what fills them; values that are catalog messages themselves are translated too.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, msgid: str, **places: object) -> None:
        super().__init__(translate("en", msgid, **places))
        self.msgid = msgid
        self.places = places

    def text(self, language: Language) -> str:
        """What happened and what to do, in the reader's language."""
        places = {
            name: translate(language, value) if isinstance(value, str) else value for name, value in self.places.items()
        }
        return translate(language, self.msgid, **places)


class EnrolmentRefused(Trouble):
    """This center can't be enrolled, joined or revoked like that."""

    exit_code = 7


class BrokerTrouble(Trouble):
    """The broker can't be had."""

    exit_code = 6


class DatabaseTrouble(Trouble):
    """The database can't be used as it is."""

    exit_code = 4


class SchemaTooNew(DatabaseTrouble):
    """The database was written by a newer Liandong."""


class PortTaken(Trouble):
    """Another program has the port."""

    exit_code = 5


class Unanswered(Trouble):
    """A running center does not answer."""

    exit_code = 8
