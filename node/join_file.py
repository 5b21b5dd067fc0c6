"""The join file: all that a new center needs to become a child, and nothing that it could get elsewhere.

It holds the child's secret seeds, so it has mode 600, travels by a safe way (a USB stick, not a chat), and is deleted
when the child has joined.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.federation.nkey import BadSeed, public_of
from node.i18n import N_
from node.identity import Keys, write_private
from node.trouble import EnrolmentRefused
from protocol.centers import CHAIN_MAX, Certificate, Claims, check
from protocol.codes import CenterCode, LevelName
from protocol.errors import BadRecord
from protocol.keys import SEED_BYTES, from_text

FORMAT = 1
"""Version of the form that this code reads and writes."""


class JoinFile(BaseModel):
    """What the parent hands to its new child.

    Attributes:
        format: version of this form.
        code: the child's division code.
        name: its name.
        level: its level.
        chain: certificates of the child, its parent, and so on up to the root.
        root_key: the root's public signing key.
        signing_seed: seed of the child's signing key, base64.
        sealing_seed: seed of its sealing key, base64.
        link_seed: NKey seed with which it logs in to the parent's broker.
        parent_url: where that broker is.
        ca: authority of that broker's certificate, PEM; None on loopback or with a public one.
        numbers: the last running number of each year that the parent knows of, where the child was there before.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    format: Literal[1] = 1
    code: CenterCode
    name: str
    level: LevelName
    chain: Annotated[tuple[Certificate, ...], Field(min_length=2, max_length=CHAIN_MAX)]
    root_key: str
    signing_seed: str = Field(repr=False)
    sealing_seed: str = Field(repr=False)
    link_seed: str = Field(repr=False)
    parent_url: str
    ca: str | None = None
    numbers: dict[int, int] = Field(default_factory=dict)

    @property
    def keys(self) -> Keys:
        """The child's keys."""
        return Keys(from_text(self.signing_seed), from_text(self.sealing_seed))

    @property
    def parent(self) -> str:
        """The parent's code."""
        return self.chain[1].parse().code

    def write(self, path: Path) -> None:
        """Write it so that only we can read it."""
        write_private(path, self.document())

    def document(self) -> str:
        """The text of the file. It holds secrets: whoever hands it out keeps no copy."""
        return self.model_dump_json(indent=1) + "\n"


def read_join_file(path: Path) -> JoinFile:
    """Read a join file and check that its parts belong together.

    Raises:
        EnrolmentRefused: it can't be read, is none, is of another version, damaged or changed.
    """
    place = str(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnrolmentRefused(N_("{file} can't be read: {reason}"), file=place, reason=error.strerror) from error
    except ValueError as error:
        raise EnrolmentRefused(
            N_("{file} is no join file, or it is damaged; have it written again with enroll CODE --again."), file=place
        ) from error
    version = document.get("format") if isinstance(document, dict) else None
    if isinstance(version, int) and version != FORMAT:
        raise EnrolmentRefused(
            N_("{file} has version {found}; this Liandong reads version {known}. Install the parent's version."),
            file=place,
            found=version,
            known=FORMAT,
        )
    try:
        join_file = JoinFile.model_validate(document)
        _check(join_file)
    except (ValidationError, BadRecord, BadSeed, ValueError) as error:
        raise EnrolmentRefused(
            N_("{file} is no join file, or it is damaged; have it written again with enroll CODE --again."), file=place
        ) from error
    return join_file


def _check(join_file: JoinFile) -> None:
    """The chain leads from the child's own keys up to the root's.

    Raises:
        BadRecord: it does not.
        BadSeed: the link's seed is none.
    """
    keys = join_file.keys
    if {len(keys.signing_seed), len(keys.sealing_seed)} != {SEED_BYTES}:
        raise BadRecord("seeds have 32 bytes")
    public_of(join_file.link_seed)
    claims = verify_chain(join_file.chain, join_file.root_key)
    ours = (join_file.code, join_file.name, join_file.level, keys.signing.public, keys.sealing.public)
    if ours != (claims.code, claims.name, claims.level, claims.signing_key, claims.sealing_key):
        raise BadRecord("the first certificate is another center's")


def verify_chain(chain: tuple[Certificate, ...], root_key: str) -> Claims:
    """Check certificates from a center up to the root and return the center's claims.

    Raises:
        BadRecord: one does not verify, or is not of the next one's child.
    """
    keys: dict[str, str] = {}
    above: Claims | None = None
    for certificate in reversed(chain):
        issuer = certificate.parse().issuer
        claims = check(certificate, (root_key if above is None else keys.get(issuer, ""),))
        if claims.parent != (above.code if above is not None else None):
            raise BadRecord("the certificates are no chain")
        keys[claims.code], above = claims.signing_key, claims
    if above is None:
        raise BadRecord("no certificates")
    return above
