"""The part of the settings that tells how children reach a center: the table ``[broker]``."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator
from pydantic_settings import NoDecode

from node.federation.broker_tls import needs_tls
from node.i18n import N_

Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:_-]{1,253}$")]


def checked_broker_url(url: str) -> str:
    """Check the form of a broker's URL; several of one cluster are separated by commas."""
    for each in url.split(","):
        parts = urlsplit(each.strip())
        if parts.scheme not in ("nats", "tls") or not parts.hostname:
            raise ValueError(N_("A broker's URL reads nats://host:port, or tls://host:port outside of this machine."))
        if parts.scheme == "nats" and needs_tls(parts.hostname):
            raise ValueError(N_("Outside of this machine a broker is spoken to over TLS only: tls://host:port."))
    return url


def _listed(value: object) -> object:
    """A list from the environment is written with commas."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


BrokerUrl = Annotated[str, Field(max_length=2000)]
Names = Annotated[tuple[Host, ...], NoDecode, BeforeValidator(_listed)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoBroker(_Table):
    """A center without children."""

    mode: Literal["none"] = Field(
        default="none",
        description=N_("none: no children; supervised: a broker of our own; external: a NATS server run by others."),
    )


class OwnBroker(_Table):
    """A nats-server of our own, started and watched by the center."""

    mode: Literal["supervised"] = "supervised"
    host: Host = Field(
        default="127.0.0.1",
        description=N_("Address that the broker listens on; outside of loopback it speaks TLS, by a CA of its own."),
    )
    port: Port = Field(default=4222, description=N_("TCP port of the broker."))
    names: Names = Field(
        default=(),
        description=N_(
            "DNS names and addresses by which children reach the broker. The first stands in the join files, "
            "all stand in the broker's certificate."
        ),
    )


class ExternalBroker(_Table):
    """A NATS server or cluster that somebody else runs."""

    mode: Literal["external"] = "external"
    url: BrokerUrl = Field(description=N_("URL of the NATS server, for us and for our children."))
    seed_file: Path | None = Field(
        default=None,
        description=N_("File with the NKey seed of the center itself; broker/hub.seed by default, made if absent."),
    )
    ca_file: Path | None = Field(
        default=None,
        description=N_("PEM file of the authority of the server's certificate; the system's authorities without it."),
    )

    _checked = field_validator("url")(checked_broker_url)


Broker = Annotated[NoBroker | OwnBroker | ExternalBroker, Field(discriminator="mode")]
