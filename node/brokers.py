"""The wires and the broker of a center, made from its settings and its database.

``create_app`` starts what ``own_broker`` gives, then a ``Federation`` over ``hub_wire`` and ``parent_wire``. The
command line calls ``install`` after an enrolment or a revocation: it makes a running broker work by the new list of
children, whatever process that broker belongs to.
"""

from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select

from node.center import Center
from node.db import Database
from node.federation.broker import (
    BrokerConfig,
    BrokerError,
    BrokerPortTaken,
    BrokerRefusedConfig,
    SupervisedBroker,
    reload_broker,
    users_snippet,
)
from node.federation.broker_tls import issue_server_certificate, make_authority, needs_tls
from node.federation.nats_transport import NatsTransport
from node.federation.nkey import BadSeed, new_user_seed, public_of
from node.federation.private_file import write_private
from node.federation.tables import LinkRow
from node.i18n import N_
from node.settings import ExternalBroker, OwnBroker, Settings
from node.trouble import BrokerTrouble

HUB_SEED_FILE = "hub.seed"
CA_FILE = "ca.pem"

__all__ = [
    "BrokerError",
    "BrokerPortTaken",
    "broker_config",
    "ca_pem",
    "children_url",
    "hub_wire",
    "install",
    "link_seed",
    "own_broker",
    "parent_wire",
    "prepare",
    "snippet",
]


def prepare(settings: Settings) -> None:
    """Make the broker's files that need no database: the hub's NKey, and the authority where TLS is needed."""
    broker = settings.broker
    if isinstance(broker, OwnBroker | ExternalBroker):
        _hub_seed(settings)
    if isinstance(broker, OwnBroker) and needs_tls(broker.host):
        make_authority(settings.broker_dir, settings.code)


def broker_config(
    database: Database, settings: Settings, *, without: frozenset[str] = frozenset()
) -> BrokerConfig | None:
    """What the broker is to be told now; None for a center without one.

    Args:
        database: ours.
        settings: ours.
        without: children that are not to be let in for a while.

    Raises:
        BrokerTrouble: the hub's seed can't be read.
        DatabaseUnavailable: the list of children can't be read.
    """
    broker = settings.broker
    if not isinstance(broker, OwnBroker | ExternalBroker):
        return None
    hub_key = public_of(_hub_seed(settings))
    with database.read() as session:
        children = {
            row.peer: row.nkey
            for row in session.execute(
                select(LinkRow.peer, LinkRow.nkey).where(LinkRow.direction == "down", LinkRow.revoked_at.is_(None))
            )
            if row.nkey is not None and row.peer not in without
        }
    if isinstance(broker, ExternalBroker):
        port = urlsplit(broker.url.split(",")[0].strip()).port or 4222
        return BrokerConfig(code=settings.code, port=port, hub_key=hub_key, children=children)
    tls = None
    if needs_tls(broker.host):
        make_authority(settings.broker_dir, settings.code)
        tls = issue_server_certificate(settings.broker_dir, [*broker.names, *_listening(broker)])
    return BrokerConfig(
        code=settings.code, host=broker.host, port=broker.port, hub_key=hub_key, children=children, tls=tls
    )


def own_broker(center: Center, settings: Settings) -> SupervisedBroker | None:
    """The nats-server to start and watch; None where there is none, or where others run it."""
    if not isinstance(settings.broker, OwnBroker):
        return None
    config = broker_config(center.database, settings)
    assert config is not None
    return SupervisedBroker(settings.broker_dir, config)


def hub_wire(center: Center, settings: Settings) -> NatsTransport | None:
    """The wire to our own broker; None for a center without one."""
    broker = settings.broker
    if isinstance(broker, ExternalBroker):
        url, ca_file = broker.url, broker.ca_file
    elif isinstance(broker, OwnBroker):
        config = broker_config(center.database, settings)
        assert config is not None
        url, ca_file = config.client_url, None if config.tls is None else config.tls.ca_file
    else:
        return None
    return NatsTransport(
        url, seed=_hub_seed(settings), inbox_prefix="_INBOX_hub", ca_file=ca_file, name=f"hub {settings.code}"
    )


def parent_wire(settings: Settings) -> NatsTransport | None:
    """The wire to the parent's broker; None at the root.

    Raises:
        BrokerTrouble: the link's seed can't be read.
    """
    seed = link_seed(settings)
    if settings.parent_url is None or seed is None:
        return None
    return NatsTransport(
        settings.parent_url,
        seed=seed,
        inbox_prefix=f"_INBOX_{settings.code}",
        ca_file=settings.parent_ca_file,
        name=settings.code,
    )


def link_seed(settings: Settings) -> str | None:
    """The NKey seed with which we log in to the parent's broker; None at the root.

    Raises:
        BrokerTrouble: it can't be read.
    """
    return None if settings.link_seed_file is None else _read_seed(settings.link_seed_file)


def install(database: Database, settings: Settings) -> None:
    """Make the broker work by today's list of children; a running one loads it without a restart.

    Raises:
        BrokerTrouble: it does not.
    """
    config = broker_config(database, settings)
    if config is None or isinstance(settings.broker, ExternalBroker):
        return
    try:
        reload_broker(settings.broker_dir, config)
    except BrokerRefusedConfig as error:
        raise BrokerTrouble(
            N_("The broker does not take its new configuration without a restart; restart the center: {reason}"),
            reason=str(error),
        ) from error
    except BrokerError as error:
        raise BrokerTrouble(
            N_("The broker has not loaded its new configuration; restart the center: {reason}"), reason=str(error)
        ) from error


def snippet(database: Database, settings: Settings) -> str | None:
    """What the operator of an external server has to install; None where the broker is our own."""
    if not isinstance(settings.broker, ExternalBroker):
        return None
    config = broker_config(database, settings)
    assert config is not None
    return users_snippet(config)


def children_url(settings: Settings) -> str:
    """The URL by which children reach the broker.

    Raises:
        BrokerTrouble: there is no broker, or it listens everywhere and no name was given.
    """
    broker = settings.broker
    if isinstance(broker, ExternalBroker):
        return broker.url
    if not isinstance(broker, OwnBroker):
        raise BrokerTrouble(
            N_(
                'This center has no broker, so it can\'t have children. Set mode = "supervised" and a port under '
                "[broker] in {file}, and restart it."
            ),
            file=str(settings.file),
        )
    host = broker.names[0] if broker.names else next(iter(_listening(broker)), None)
    if host is None:
        raise BrokerTrouble(
            N_(
                "The broker listens on {host}; children need a name or an address of this machine. "
                "Set names under [broker] in {file}."
            ),
            host=broker.host,
            file=str(settings.file),
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{'tls' if needs_tls(broker.host) else 'nats'}://{shown}:{broker.port}"


def ca_pem(settings: Settings) -> str | None:
    """The authority of the broker's certificate, for the join file; None without TLS or with a public one."""
    broker = settings.broker
    if isinstance(broker, ExternalBroker):
        return None if broker.ca_file is None else _read(broker.ca_file)
    if isinstance(broker, OwnBroker) and needs_tls(broker.host):
        return _read(make_authority(settings.broker_dir, settings.code))
    return None


def _listening(broker: OwnBroker) -> list[str]:
    """The address that the broker listens on, if it is one that others can use."""
    return [] if broker.host in ("0.0.0.0", "::") else [broker.host]  # noqa: S104 - compared, not bound


def _hub_seed(settings: Settings) -> str:
    broker = settings.broker
    path = settings.broker_dir / HUB_SEED_FILE
    if isinstance(broker, ExternalBroker) and broker.seed_file is not None:
        path = broker.seed_file
    if not path.exists():
        write_private(path, new_user_seed()[0].encode("ascii"))
    return _read_seed(path)


def _read_seed(path: Path) -> str:
    seed = _read(path).strip()
    try:
        public_of(seed)
    except BadSeed as error:
        raise BrokerTrouble(N_("{file} holds no NKey seed of a user."), file=str(path)) from error
    return seed


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BrokerTrouble(N_("{file} can't be read: {reason}"), file=str(path), reason=reason) from error
