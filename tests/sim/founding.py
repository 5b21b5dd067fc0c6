"""Counties to simulate: which centers there are, and each one's database as it is on the first morning.

Keys come from codes, so a certificate is the same in every run and a database is made once in a process.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from node.db import Base, Database
from node.directory import add_certificates
from node.divisions import Division, children_of, divisions
from node.federation.lanes import add_link
from node.federation.nkey import new_user_seed
from node.federation.tables import IdentityRow
from node.identity import Keys
from protocol.centers import Certificate, Claims, issue
from tests.sim import versions
from tests.sim.clock import BEGIN
from tests.sim.disk import connection_of, engine_of, read_disk, write_disk

COUNTY = "532923000000"
"""祥云县."""

NOWHERE = Path("/nonexistent")
"""A directory for settings; nothing is ever written there."""

FOUNDING = -1
"""The engine on which databases are made."""


@dataclass(frozen=True)
class Shape:
    """Which centers there are: codes, parents before their children."""

    codes: tuple[str, ...]

    @property
    def plan(self) -> list[Division]:
        """The divisions."""
        return [divisions()[code] for code in self.codes]


def draw_shape(random: Random, most: int) -> Shape:
    """A county with a few townships and villages, at most so many centers."""
    townships = children_of(COUNTY)
    codes = [COUNTY]
    for township in random.sample(townships, random.randint(1, min(4, most - 1))):
        if len(codes) < most:
            codes.append(township.code)
        villages = children_of(township.code)
        for village in random.sample(villages, min(len(villages), random.randint(0, 6))):
            if len(codes) < most:
                codes.append(village.code)
    return Shape(tuple(codes))


@cache
def keys_of(code: str, version: int = 1) -> Keys:
    """The keys of a center."""
    seeds = [hashlib.blake2b(f"{code} {version} {use}".encode(), digest_size=32).digest() for use in ("sign", "seal")]
    return Keys(*seeds)


@cache
def link_key_of(code: str) -> str:
    """The public key with which a center logs in at its parent's broker."""
    return new_user_seed(lambda _count: keys_of(code).signing_seed)[1]


@cache
def certificate_of(code: str) -> Certificate:
    """The certificate of a center."""
    division = divisions()[code]
    claims = Claims(
        code=code,
        name=division.name,
        level=division.level,
        parent=division.parent,
        signing_key=keys_of(code).signing.public,
        sealing_key=keys_of(code).sealing.public,
        version=1,
        issuer=division.parent or code,
        issued_at=BEGIN,
        link_key=link_key_of(code) if division.parent is not None else None,
    )
    return issue(keys_of(claims.issuer).signing, claims)


@cache
def founded(shape: Shape) -> dict[str, bytes]:
    """Each center's database, all of them acquainted, no message sent yet."""
    database = Database("sqlite://", engine_of(FOUNDING))
    write_disk(database, empty_disk())
    with database.write() as session:
        add_certificates(session, [certificate_of(each.code) for each in shape.plan], keys_of(COUNTY).signing.public)
    acquainted = read_disk(database)
    made: dict[str, bytes] = {}
    for each in shape.plan:
        write_disk(database, acquainted)
        with database.write() as session:
            session.add(
                IdentityRow(code=each.code, incarnation=keys_of(each.code).signing_seed.hex()[:32], created_at=BEGIN)
            )
            if each.parent is not None:
                add_link(session, each.parent, "up", None)
            for other in shape.plan:
                if other.parent == each.code:
                    add_link(session, other.code, "down", link_key_of(other.code))
        made[each.code] = read_disk(database)
    return made


@cache
def empty_disk() -> bytes:
    """A database with all tables and nothing in them."""
    database = Database("sqlite://")
    Base.metadata.create_all(database.engine)
    connection_of(database).execute(versions.TABLE)
    image = read_disk(database)
    database.dispose()
    return image
