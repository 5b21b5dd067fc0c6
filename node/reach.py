"""How a center is reached and reaches others, beyond what its database says: what it tells a child that moves here."""

from dataclasses import dataclass

from node import brokers
from node.federation.nkey import public_of
from node.settings import Settings


@dataclass(frozen=True)
class Address:
    """Where a center's children find its broker.

    Attributes:
        url: of the broker.
        ca: authority of its certificate, PEM; None on loopback or with a public one.
    """

    url: str
    ca: str | None


@dataclass(frozen=True)
class Reach:
    """What the settings say of our wires."""

    settings: Settings

    def for_children(self) -> Address:
        """Where our children find us.

        Raises:
            BrokerTrouble: we have no broker that a child could reach.
        """
        return Address(brokers.children_url(self.settings), brokers.ca_pem(self.settings))

    def link_key(self) -> str | None:
        """The public NKey with which we log in to our parent's broker; None at the root.

        Raises:
            BrokerTrouble: its seed can't be read.
        """
        seed = brokers.link_seed(self.settings)
        return None if seed is None else public_of(seed)
