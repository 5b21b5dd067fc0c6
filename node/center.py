"""A center, wired: what every part of the service is given instead of reaching for globals."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from node import policies
from node.accounts.passwords import PasswordHasher
from node.accounts.rules import AccountRules
from node.accounts.throttle import Throttle
from node.accounts.uses import Uses
from node.attachments.store import FileStore, Limits
from node.audit.trail import KEPT_DAYS_MIN
from node.clock import Clock
from node.db import Database
from node.directory import CERTIFICATES, Directory
from node.federation.verifier import Verifier, VerifierHere
from node.identity import Identity
from node.level import Level
from node.metrics import Metrics
from node.pulse import Pulse
from node.turns import Courtesy
from node.unit import system_random
from protocol.policy import Policy

if TYPE_CHECKING:
    from node.federation.runner import Federation
    from node.reach import Reach


@dataclass
class Center:
    """One center.

    Attributes:
        identity: code, keys, incarnation.
        level: policy and pages of its level.
        database: its database.
        directory: the centers it knows.
        clock: its clock.
        hasher: hashes passwords.
        throttle: counts failed sign-ins.
        account_rules: what is asked of passwords and sign-ins.
        uses: when sessions were last used.
        root_key: public signing key of the root, the anchor of trust.
        metrics: counters of this process.
        courtesy: whether a request is being answered; links wait for that.
        verifier: verifies the signatures of what comes over links.
        federation: its links, once the service runs.
        reach: what its settings say of its wires; None only where nothing was opened from a directory.
        data_dir: where everything of this center lies; None only in tests that need no files.
        audit_days: days that rows of the audit log are kept.
        backup_to_parent: whether a sealed backup goes to the parent every night, if there is a key for it.
        heard: when each center below us was last heard of with counters as high as ours, by the steady clock.
        attachments: how large files may be that are let in.
        files: the attachments; None where there is no data directory.
        random_bytes: source of randomness; seeded in simulations.
        pulse: tells pages what a commit has changed.
    """

    identity: Identity
    level: Level
    database: Database
    directory: Directory
    clock: Clock
    hasher: PasswordHasher
    root_key: str
    data_dir: Path | None = None
    backup_to_parent: bool = True
    audit_days: int = KEPT_DAYS_MIN
    attachments: Limits = field(default_factory=Limits)
    throttle: Throttle = field(default_factory=Throttle)
    account_rules: AccountRules = field(default_factory=AccountRules)
    uses: Uses = field(default_factory=Uses)
    metrics: Metrics = field(default_factory=Metrics)
    courtesy: Courtesy = field(default_factory=Courtesy)
    verifier: Verifier = field(default_factory=VerifierHere)
    federation: "Federation | None" = None
    reach: "Reach | None" = None
    heard: dict[str, float] = field(default_factory=dict)
    random_bytes: Callable[[int], bytes] = field(default=system_random)
    files: FileStore | None = field(init=False)
    pulse: Pulse = field(init=False)
    _policy: Policy | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.files = FileStore(self.data_dir, self.attachments) if self.data_dir is not None else None
        self.pulse = Pulse(self.database)
        self.database.on_change(self._follow_directory)
        self.database.on_change(self._follow_policy)

    @property
    def code(self) -> str:
        """Our code."""
        return self.identity.code

    @property
    def parent(self) -> str | None:
        """Our parent's code, by our newest certificate; None at the root."""
        return self.directory.tree.parent(self.identity.code)

    @property
    def name(self) -> str:
        """Our name, by our certificate."""
        return self.directory.tree.name(self.identity.code)

    @property
    def policy(self) -> Policy:
        """The policy in force here: what those above and this center have ordered, else what its level begins with."""
        return self._policy or self.level.policy

    def read_policy(self) -> None:
        """Read the policy in force from the database: when the center is opened, and whenever an order was stored."""
        with self.database.read() as session:
            self._policy = policies.in_force(self, session)

    def _follow_directory(self, tables: frozenset[str]) -> None:
        if CERTIFICATES in tables:
            with self.database.read() as session:
                self.directory.refresh(session)

    def _follow_policy(self, tables: frozenset[str]) -> None:
        if policies.TABLE in tables:
            self.read_policy()
