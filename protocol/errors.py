"""What can go wrong in the protocol, and whose fault it is.

    ProtocolError
    ├── LocalError            our own side asked for something that may not happen
    │   └── Refused           a rule of case or custody forbids it; carries a stable reason
    └── RemoteError           the peer's bytes or acts are wrong
        ├── BadFrame          not a frame, too large, wrong signature, damaged
        ├── BadRecord         a signed record that does not verify or does not parse
        │   └── SealedToAnother   sealed to a key that is not ours, or damaged
        └── OutOfOrder        a valid entry that does not follow the log we hold

Bytes from outside raise only RemoteError, so that a caller who handles it has handled everything a peer can do.
"""


class ProtocolError(Exception):
    """Base of everything the protocol raises on purpose."""


class LocalError(ProtocolError):
    """Our own side asked for something that the protocol does not allow."""


class Refused(LocalError):
    """A rule forbids this act now.

    Args:
        reason: stable code (``not-holder``, ``stale-epoch``, ``wrong-status``, ``escalation-gated``,
            ``not-countersigned``, ``not-accepted``, ...); the service shows it as the problem's type.
        members: what a person needs to understand the refusal (current holder, status, what is missing).
    """

    def __init__(self, reason: str, **members: object) -> None:
        super().__init__(f"{reason} {members}" if members else reason)
        self.reason = reason
        self.members = members


class RemoteError(ProtocolError):
    """The peer sent something that we can't accept."""


class BadFrame(RemoteError):
    """The bytes are no frame of this protocol, too large, damaged, or not signed by whom they name."""


class BadRecord(RemoteError):
    """A signed record does not verify or does not parse."""


class SealedToAnother(BadRecord):
    """It was sealed to another key, or is damaged."""


class OutOfOrder(RemoteError):
    """An entry is valid but does not follow the log we hold."""
