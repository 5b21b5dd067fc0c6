"""Settings of one center: ``DATA_DIR/center.toml``, and over it environment variables ``LIANDONG_*``.

``LIANDONG_PORT`` stands for ``port``, ``LIANDONG_BROKER__PORT`` for ``port`` in the table ``[broker]``. The file is
written by ``liandong init`` and ``liandong join`` with a comment for every setting; it has mode 600, since a database
URL may hold a password. An unknown name is an error, in the file as in the environment: a misspelt setting that is
quietly ignored costs a day.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic import field_validator as validated
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from node.accounts.rules import AccountRules
from node.attachments.store import MEGABYTE
from node.audit.trail import KEPT_DAYS_MIN
from node.i18n import DEFAULT, N_, Language, translate
from node.identity import write_private
from node.invalid import Invalid
from node.problems import Problem
from node.settings_broker import Broker, BrokerUrl, ExternalBroker, Host, NoBroker, OwnBroker, Port, checked_broker_url
from node.trouble import Trouble
from node.vault import STORAGE_KEY_FILE
from protocol.codes import CenterCode, LevelName
from protocol.entries import FILE_MAX_BYTES
from protocol.errors import BadRecord
from protocol.keys import from_text

FILE = "center.toml"
PREFIX = "LIANDONG_"

__all__ = [
    "Broker",
    "ExternalBroker",
    "NoBroker",
    "OwnBroker",
    "Settings",
    "SettingsError",
    "load_settings",
    "settings_of",
    "write_settings",
]

NOT_SETTINGS = frozenset({"LIANDONG_DIR", "LIANDONG_LANG", "LIANDONG_BACKUP_KEY"})
"""Variables of the command line: the data directory, the language of its messages, the printed backup key."""

DATABASE_FILE = "center.db"
LINK_SEED_FILE = "link.seed"
BROKER_DIRECTORY = "broker"
PUBLIC_KEY_BYTES = 32


class Backup(BaseModel):
    """The nightly backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to_parent: bool = Field(
        default=True,
        description=N_("Whether a sealed backup goes to the parent every night; the parent can't read it."),
    )


class Accounts(BaseModel):
    """What is asked of passwords and sign-ins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password_rules: Literal["long", "mixed"] = Field(
        default="long",
        description=N_("long: 8 characters or more; mixed: also three kinds of signs, and a new one every 90 days."),
    )
    second_factor: Literal["optional", "required"] = Field(
        default="optional",
        description=N_("optional: for who wants one; required: for administrators and directors."),
    )
    idle_minutes: int = Field(
        default=30, ge=1, le=720, description=N_("Minutes without use after which a session of the pages ends.")
    )
    session_hours: int = Field(
        default=12, ge=1, le=24, description=N_("Hours after which every sign-in ends, used or not.")
    )

    @property
    def rules(self) -> AccountRules:
        """As the accounts take them."""
        return AccountRules(
            mixed=self.password_rules == "mixed",  # noqa: S105 - a rule, not a password
            second_factor=self.second_factor == "required",
            idle=timedelta(minutes=self.idle_minutes),
            lifetime=timedelta(hours=self.session_hours),
        )


class Settings(BaseSettings):
    """All settings of one center; paths are relative to ``data_dir`` and come out absolute.

    Attributes:
        data_dir: where everything of this center lies; not a setting of the file.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        validate_default=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(exclude=True)
    code: CenterCode = Field(description=N_("Division code of this center, 12 digits."))
    level: LevelName = Field(description=N_("Level: county, township, village, or another installed package."))
    root_key: str = Field(description=N_("Public signing key of the federation's root; all trust hangs on it."))
    host: Host = Field(default="127.0.0.1", description=N_("Address that the pages and the API listen on."))
    port: Port = Field(default=8100, description=N_("TCP port of the pages and the API."))
    tls_cert_file: Path | None = Field(
        default=None, description=N_("PEM file of our certificate for HTTPS, with those between; http without it.")
    )
    tls_key_file: Path | None = Field(default=None, description=N_("PEM file of the certificate's key."))
    trusted_proxies: tuple[str, ...] = Field(
        default=(),
        description=N_("Addresses of proxies whose X-Forwarded-For and -Proto are believed; none by default."),
    )
    database_url: str = Field(
        default="",
        description=N_("Database: sqlite:///file or postgresql+psycopg://user@host/name; center.db by default."),
    )
    parent_url: BrokerUrl | None = Field(default=None, description=N_("URL of the parent's broker; none at the root."))
    parent_ca_file: Path | None = Field(
        default=None, description=N_("PEM file of the authority of the parent's broker; none on loopback.")
    )
    storage_key_file: Path | None = Field(
        default=None,
        description=N_("File with the key of the sealed columns of the database, if not storage.key beside this file."),
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description=N_("Least level that is logged: debug, info, warning, error.")
    )
    log_file: Path | None = Field(
        default=None, description=N_("File of the log; standard output without it. Rotated at 10 MB, three are kept.")
    )
    audit_days: int = Field(
        default=400,
        ge=KEPT_DAYS_MIN,
        le=36500,
        description=N_("Days that rows of the audit log are kept, 180 at least."),
    )
    attachment_mb: int = Field(
        default=50, ge=1, le=FILE_MAX_BYTES // MEGABYTE, description=N_("Megabytes that one attachment may have.")
    )
    case_attachments_mb: int = Field(
        default=500, ge=1, le=100_000, description=N_("Megabytes that all attachments of one case may have.")
    )
    robot_url: str = Field(
        default="", description=N_("Address of a WeCom or DingTalk group robot that tells what waits; none by default.")
    )
    accounts: Accounts = Field(default=Accounts(), description=N_("Passwords and sign-ins."))
    backup: Backup = Field(default=Backup(), description=N_("The nightly backup."))
    broker: Broker = Field(default=NoBroker(), description=N_("The broker through which our children reach us."))

    @validated("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @validated("root_key")
    @classmethod
    def _is_key(cls, value: str) -> str:
        try:
            good = len(from_text(value)) == PUBLIC_KEY_BYTES
        except BadRecord:
            good = False
        if not good:
            raise ValueError(N_("This is no public key: 32 bytes in base64."))
        return value

    @validated("database_url")
    @classmethod
    def _is_database(cls, value: str, info: ValidationInfo) -> str:
        directory = info.data.get("data_dir", Path())
        if not value:
            return f"sqlite:///{directory / DATABASE_FILE}"
        try:
            url = make_url(value)
            backend = url.get_backend_name()
        except ArgumentError as error:
            raise ValueError(N_("A database is sqlite:///file or postgresql+psycopg://user@host/name.")) from error
        if backend not in ("sqlite", "postgresql"):
            raise ValueError(N_("A database is sqlite:///file or postgresql+psycopg://user@host/name."))
        if backend == "sqlite":
            if url.database in (None, "", ":memory:"):
                raise ValueError(N_("A center keeps its data in a file, not in memory."))
            return url.set(database=str(directory / str(url.database))).render_as_string(hide_password=False)
        return value

    @validated("robot_url")
    @classmethod
    def _is_robot(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError(N_("A robot's address begins with https://."))
        return value

    @validated("parent_url")
    @classmethod
    def _is_broker(cls, value: str | None) -> str | None:
        return None if value is None else checked_broker_url(value)

    @validated("parent_ca_file", "log_file", "storage_key_file", "tls_cert_file", "tls_key_file")
    @classmethod
    def _resolved(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        return None if value is None else info.data.get("data_dir", Path()) / value

    @validated("tls_key_file")
    @classmethod
    def _has_both(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("tls_cert_file") is None):
            raise ValueError(N_("HTTPS needs both tls_cert_file and tls_key_file."))
        return value

    @validated("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(N_("A proxy is named by its IP address, or a network such as 10.0.0.0/24.")) from error
        return value

    @validated("broker")
    @classmethod
    def _files_resolved(cls, value: Broker, info: ValidationInfo) -> Broker:
        if not isinstance(value, ExternalBroker):
            return value
        directory = info.data.get("data_dir", Path())
        seed = directory / (value.seed_file or f"{BROKER_DIRECTORY}/hub.seed")
        ca = None if value.ca_file is None else directory / value.ca_file
        return value.model_copy(update={"seed_file": seed, "ca_file": ca})

    @property
    def file(self) -> Path:
        """Where these settings are kept."""
        return self.data_dir / FILE

    @property
    def link_seed_file(self) -> Path | None:
        """The NKey seed with which we connect to the parent; None at the root."""
        return None if self.parent_url is None else self.data_dir / LINK_SEED_FILE

    @property
    def storage_key(self) -> Path:
        """The file with the key of the sealed columns of the database."""
        return self.storage_key_file or self.data_dir / STORAGE_KEY_FILE

    @property
    def broker_dir(self) -> Path:
        """The files of our own broker."""
        return self.data_dir / BROKER_DIRECTORY

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only; ``load_settings`` lays the environment over the file before."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class SettingsError(Trouble):
    """The settings are missing, unknown or wrong; says where and why."""

    exit_code: ClassVar[int] = 3

    def __init__(self, place: str, msgid: str, problem: Invalid | None = None, **places: object) -> None:
        super().__init__(msgid, place=place, **places)
        self.place = place
        self.problem = problem

    def text(self, language: Language) -> str:
        """The place and every wrong setting with its reason, one a line."""
        if self.problem is None:
            return super().text(language)
        return "\n".join(
            [
                translate(language, self.msgid, place=self.place),
                *(f"  {line}" for line in _lines(self.problem, language)),
            ]
        )

    def __str__(self) -> str:
        return self.text("en")


def load_settings(data_dir: Path, *, environment: bool = True) -> Settings:
    """Read the settings of the center in a directory.

    Args:
        data_dir: the directory.
        environment: whether variables ``LIANDONG_*`` count; they win over the file.

    Raises:
        SettingsError: names the file or the variable, and the key.
    """
    path = data_dir.expanduser().absolute() / FILE
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            str(path), N_("{place} does not exist: there is no center in this directory. Make one with init or join.")
        ) from None
    except OSError as error:
        raise SettingsError(str(path), N_("{place} can't be read: {reason}"), reason=error.strerror) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), N_("{place} is no TOML: {reason}"), reason=str(error)) from error
    over = _environment() if environment else {}
    return settings_of(data_dir, _merged(values, over), place=str(path), from_environment=_names(over))


def write_settings(settings: Settings, language: Language = DEFAULT) -> None:
    """Write ``center.toml``, with a comment for every setting; what has its default value stands there as a comment."""
    lines = [translate(language, N_("# Settings of a Liandong center. Restart the center after a change.")), ""]
    lines += _table(settings, settings.data_dir, language)
    for name, table in (("accounts", settings.accounts), ("backup", settings.backup)):
        lines += [_comment(Settings.model_fields[name], language), f"[{name}]"]
        lines += _table(table, settings.data_dir, language)
    mode = settings.broker.mode
    lines += [_comment(Settings.model_fields["broker"], language), "[broker]"]
    lines += [_comment(NoBroker.model_fields["mode"], language), f"mode = {_toml(mode)}", ""]
    lines += _table(settings.broker, settings.data_dir, language)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    write_private(settings.file, "\n".join(lines).rstrip() + "\n")


def _table(model: BaseModel, data_dir: Path, language: Language) -> Iterator[str]:
    """The fields of one table; what was not given stands there as a comment with its default."""
    values = model.model_dump(mode="json")
    for name, field in type(model).model_fields.items():
        if name in {"data_dir", "accounts", "backup", "broker", "mode"}:
            continue
        yield _comment(field, language)
        if name in model.model_fields_set and values[name] is not None:
            yield f"{name} = {_toml(_relative(values[name], data_dir))}"
        else:
            yield f"# {name} = {_toml(field.default)}".rstrip()
        yield ""


def _relative(value: object, data_dir: Path) -> object:
    """Paths inside of the data directory are written relative to it, so that it can be moved."""
    return value.replace(f"{data_dir}/", "", 1) if isinstance(value, str) else value


def _comment(field: FieldInfo, language: Language) -> str:
    return f"# {translate(language, str(field.description))}"


def _toml(value: object) -> str:
    if value is None:
        return ""
    listed = list(value) if isinstance(value, tuple) else value
    return tomli_w.dumps({"x": listed}).removeprefix("x = ").strip()


def _environment() -> dict[str, Any]:
    """The settings that stand in the environment."""
    known = {name.upper() for name in Settings.model_fields if name != "data_dir"}
    for name in os.environ:
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in NOT_SETTINGS:
            continue
        if upper.removeprefix(PREFIX).partition("__")[0] not in known:
            raise SettingsError(name, N_("{place}: there is no such setting (environment variable)."))
    try:
        found = EnvSettingsSource(Settings)()
    except SourceError as error:
        raise SettingsError("LIANDONG_*", N_("{place}: {reason}"), reason=str(error)) from error
    found.pop("data_dir", None)
    return found


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _names(values: Mapping[str, Any], prefix: str = "") -> frozenset[str]:
    names: set[str] = set()
    for name, value in values.items():
        names |= _names(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}"}
    return frozenset(names)


def settings_of(
    data_dir: Path, values: Mapping[str, Any], *, place: str, from_environment: frozenset[str] = frozenset()
) -> Settings:
    """Check values and make settings of them.

    Args:
        data_dir: the center's directory.
        values: by name.
        place: where they come from, for the error.
        from_environment: names of those that came from the environment instead.

    Raises:
        SettingsError: one is unknown or wrong.
    """
    if "data_dir" in values:
        raise SettingsError(place, N_("{place}: data_dir is no setting; the directory is named by --dir."))
    try:
        return Settings.model_validate({"data_dir": data_dir, **values})
    except ValidationError as error:
        wrong = {".".join(str(part) for part in each["loc"]) for each in error.errors()}
        wrong |= {".".join(str(part) for part in each["loc"] if part not in _MODES) for each in error.errors()}
        variables = sorted(_variable(name) for name in wrong & from_environment)
        where = ", ".join([place, *variables])
        raise SettingsError(where, N_("The settings are not valid ({place}):"), _problem(error)) from error


_MODES = frozenset({"none", "supervised", "external"})


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace(".", "__")


def _problem(error: ValidationError) -> Invalid:
    """The errors without pydantic's name of the chosen kind of broker in their places."""
    errors = [
        {**each, "loc": tuple(part for part in each["loc"] if part not in _MODES)}
        for each in error.errors(include_url=False, include_input=False)
    ]
    return Invalid(errors)


def _lines(problem: Problem, language: Language) -> Iterator[str]:
    told = problem.document(language).get("errors")
    assert isinstance(told, list)
    for each in told:
        assert isinstance(each, dict)
        yield f"{each['field']}: {each['message']}"
