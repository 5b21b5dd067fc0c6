"""The audit log at the door: who asks, from which address; refusals, and looks at people's data."""

from typing import Protocol

from starlette.requests import Request

from node.audit import trail
from node.audit.trail import Actor, Event
from node.clock import Clock
from node.db import Database


class Audited(Protocol):
    """What the audit log needs of a center."""

    @property
    def database(self) -> Database:
        """The center's database."""
        ...

    @property
    def clock(self) -> Clock:
        """The center's clock."""
        ...


class Named(Protocol):
    """Somebody who is signed in."""

    @property
    def username(self) -> str:
        """The user name."""
        ...


def address_of(request: Request) -> str:
    """Where a request came from."""
    return request.client.host if request.client is not None else ""


def actor_of(request: Request, caller: Named) -> Actor:
    """Who does something by this request."""
    return Actor(caller.username, address_of(request))


def note_refusal(center: Audited, request: Request, caller: Named, action: str) -> None:
    """Somebody asked for what their roles don't allow."""
    path = request.url.path
    with center.database.write() as session:
        actor = actor_of(request, caller)
        trail.record(session, center.clock.now(), actor, Event.REFUSED, subject=path, action=action)


def note_look(center: Audited, request: Request, caller: Named, case_id: str) -> None:
    """Somebody looks at the people of a case; without its row nobody gets to see them.

    Raises:
        DatabaseUnavailable: it can't be recorded now.
    """
    actor, now = actor_of(request, caller), center.clock.now()
    with center.database.read() as session:
        if trail.looked(session, now, actor, case_id):
            return
    with center.database.write() as session:
        trail.record(session, now, actor, Event.CASE_VIEWED, case_id=case_id)


def note_papers(center: Audited, request: Request, caller: Named, case_id: str, paper: str) -> None:
    """Somebody had a paper of a case made, with its parties in clear.

    Raises:
        DatabaseUnavailable: it can't be recorded now.
    """
    with center.database.write() as session:
        actor = actor_of(request, caller)
        trail.record(session, center.clock.now(), actor, Event.PAPERS_MADE, case_id=case_id, subject=paper)


def note_opened(center: Audited, request: Request, caller: Named, case_id: str, seq: int) -> None:
    """Somebody opens an attachment of a case; its name may be a person's, so the log has only its entry.

    Raises:
        DatabaseUnavailable: it can't be recorded now.
    """
    with center.database.write() as session:
        actor = actor_of(request, caller)
        trail.record(session, center.clock.now(), actor, Event.FILE_OPENED, case_id=case_id, subject=str(seq))


def note_subject(center: Audited, request: Request, caller: Named, case_id: str, party: str) -> None:
    """Somebody had written out what is held of a party, for that person.

    Raises:
        DatabaseUnavailable: it can't be recorded now.
    """
    with center.database.write() as session:
        actor = actor_of(request, caller)
        trail.record(session, center.clock.now(), actor, Event.SUBJECT_TOLD, case_id=case_id, party=party)


def note_shown(center: Audited, request: Request, caller: Named, case_id: str, **which: str) -> None:
    """Somebody has one masked field of one party shown in clear.

    Raises:
        DatabaseUnavailable: it can't be recorded now.
    """
    with center.database.write() as session:
        actor = actor_of(request, caller)
        trail.record(session, center.clock.now(), actor, Event.FIELD_SHOWN, case_id=case_id, **which)
