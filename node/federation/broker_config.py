"""What a broker is told: who may log in, and what each may say and hear.

The permissions are the whole security of the wire between siblings (DESIGN section 5):

===========  =======================  ============================
user         publishes                listens to
===========  =======================  ============================
child CODE   ``up.CODE``, ``st.CODE``  ``dn.CODE``, ``_INBOX_CODE.>``
hub          ``dn.*``                 ``up.*``, ``st.*``, ``_INBOX_hub.>``
===========  =======================  ============================

Everything else is refused, because a user with an allow list may do nothing beyond it: no ``$SYS``, no inbox
of another, no answer to a reply subject (``allow_responses`` is never given). Queue groups are refused too:
two sessions of one identity must both hear everything, or a stolen key could quietly draw frames away from
its owner.
"""

import json
import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from node.federation.broker_tls import TlsFiles, needs_tls
from node.federation.nkey import PUBLIC_KEY_PATTERN
from protocol.codes import CenterCode

PublicKey = Annotated[str, StringConstraints(pattern=PUBLIC_KEY_PATTERN)]

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]

MAX_PAYLOAD = 1024 * 1024
"""Bytes of one frame with room to spare: frames are at most 256 KB and a header."""

MAX_PENDING = 64 * 1024 * 1024
"""Bytes that the broker keeps for one slow listener; beyond it the listener is cut off. The hub hears all children at
once: after an outage 150 of them send a window of 256 KB each."""

MAX_CONTROL_LINE = 2048
"""Bytes of one protocol line; the longest is a client's CONNECT, about 500."""

MAX_SUBSCRIPTIONS = 8
"""Of one connection; the hub needs three."""

WRITE_DEADLINE = "120s"
"""How long the broker tries to hand over what it has for a listener. A window takes half a minute at 64 kbit/s."""

PING_INTERVAL = "30s"
PING_MAX = 5
"""A listener that has not answered for three minutes is gone; sooner, and a slow line busy with frames would
look dead."""

AUTH_TIMEOUT = 5
"""Seconds to log in."""

LOG_SIZE = "5MB"
LOG_FILES = 3

_NO_QUEUE_GROUPS = "> >"
"""Every subject in every queue group; plain subscriptions are not touched by it."""


class BrokerConfig(BaseModel):
    """A broker's configuration.

    Attributes: code: the center that runs it. host: address to listen on. Outside loopback it needs `tls`.
        port: TCP port. hub_key: public NKey of the center itself. children: public NKey of each child by its
        code. tls: certificate files, or none on loopback. max_connections: of all children together; enough
        for each to come back while its dead connections linger.
    """

    model_config = ConfigDict(frozen=True)

    code: CenterCode
    host: Host = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    hub_key: PublicKey
    children: dict[CenterCode, PublicKey] = {}
    tls: TlsFiles | None = None
    max_connections: int = Field(default=2048, ge=2)

    @model_validator(mode="after")
    def _keys_differ(self) -> Self:
        keys = [self.hub_key, *self.children.values()]
        if len(set(keys)) != len(keys):
            raise ValueError("two centers have the same NKey")
        return self

    @model_validator(mode="after")
    def _private_outside(self) -> Self:
        if self.tls is None and needs_tls(self.host):
            raise ValueError(f"a broker on {self.host} can be reached from outside of this machine and needs TLS")
        return self

    @property
    def server_name(self) -> str:
        """Name by which the server introduces itself."""
        return f"liandong-{self.code}"

    @property
    def local_host(self) -> str:
        """Address at which this machine reaches the broker."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - not a bind

    @property
    def client_url(self) -> str:
        """URL for the center itself."""
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"{'tls' if self.tls else 'nats'}://{host}:{self.port}"


def render_config(config: BrokerConfig) -> str:
    """Return the text of ``nats.conf``; the same config gives the same text."""
    lines = [
        "# 由联动生成，请勿手工修改。Written by Liandong at every start and enrolment; changes are lost.",
        f"server_name: {_quoted(config.server_name)}",
        f"host: {_quoted(config.host)}",
        f"port: {config.port}",
        "",
        f"max_payload: {MAX_PAYLOAD}",
        f"max_pending: {MAX_PENDING}",
        f"max_connections: {config.max_connections}",
        f"max_control_line: {MAX_CONTROL_LINE}",
        f"max_subscriptions: {MAX_SUBSCRIPTIONS}",
        f"write_deadline: {_quoted(WRITE_DEADLINE)}",
        f"ping_interval: {_quoted(PING_INTERVAL)}",
        f"ping_max: {PING_MAX}",
        f"logfile_size_limit: {LOG_SIZE}",
        f"logfile_max_num: {LOG_FILES}",
        "",
    ]
    if config.tls is not None:
        lines += [
            "tls {",
            f"  cert_file: {_quoted(str(config.tls.cert_file.absolute()))}",
            f"  key_file: {_quoted(str(config.tls.key_file.absolute()))}",
            '  min_version: "1.2"',
            f"  timeout: {AUTH_TIMEOUT}",
            "}",
            "",
        ]
    lines += ["authorization {", f"  timeout: {AUTH_TIMEOUT}", *_users(config, "  "), "}", ""]
    return "\n".join(lines)


def users_snippet(config: BrokerConfig) -> str:
    """Return what the operator of an external NATS server installs: an account with the center's users.

    One account for each parent, so that several parents on one server, and other applications there, hear
    nothing of each other. JetStream stays off in it.
    """
    account = f"LIANDONG_{config.code}"
    file = f"liandong-{config.code}.conf"
    lines = [
        f"# 联动 {config.code}：装到外部 NATS 服务器上。For an external NATS server or cluster:",
        f"# 1. Save this beside the server's configuration as {file}.",
        f"# 2. Name it there, inside of accounts:  accounts {{ include {_quoted('./' + file)} }}",
        f"# 3. Keep max_payload at {MAX_PAYLOAD} or more, and TLS on; clients send nothing in the clear.",
        "# 4. Reload: nats-server --signal reload. Again after every enrolment and revocation.",
        f"{account} {{",
        *_users(config, "  "),
        "}",
        "",
    ]
    return "\n".join(lines)


def _users(config: BrokerConfig, indent: str) -> list[str]:
    hub = _user(config.hub_key, publish=["dn.*"], subscribe=["up.*", "st.*", "_INBOX_hub.>"])
    children = [
        _user(key, publish=[f"up.{code}", f"st.{code}"], subscribe=[f"dn.{code}", f"_INBOX_{code}.>"])
        for code, key in sorted(config.children.items())
    ]
    return [f"{indent}users: [", *(f"{indent}  {user}" for user in (hub, *children)), f"{indent}]"]


def _user(key: str, *, publish: list[str], subscribe: list[str]) -> str:
    return (
        f"{{ nkey: {key}, permissions: {{ "
        f"publish: {{ allow: {json.dumps(publish)} }}, "
        f"subscribe: {{ allow: {json.dumps(subscribe)}, deny: {json.dumps([_NO_QUEUE_GROUPS])} }} }} }}"
    )


def _quoted(text: str) -> str:
    if re.search(r'["\\\x00-\x1f]', text):
        raise ValueError(f"{text!r} can't stand in a NATS configuration")
    return f'"{text}"'
