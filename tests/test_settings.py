"""Settings: what is written is read, the environment wins, and whatever is wrong is named with its place."""

import base64
import stat
from pathlib import Path

import pytest

from node.settings import (
    FILE,
    Broker,
    ExternalBroker,
    NoBroker,
    OwnBroker,
    Settings,
    SettingsError,
    load_settings,
    settings_of,
    write_settings,
)

ROOT_KEY = base64.b64encode(bytes(range(32))).decode()
VILLAGE = "532923102205"
NEEDED = {"code": VILLAGE, "level": "village", "root_key": ROOT_KEY}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIANDONG_LANG", raising=False)


def made(directory: Path, **given: object) -> Settings:
    return settings_of(directory, {**NEEDED, **given}, place="test")


def written(directory: Path, text: str = "") -> Path:
    """A good file with something added."""
    write_settings(made(directory), "en")
    path = directory / FILE
    path.write_text(f"{text}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    return path


BROKERS: list[Broker] = [
    NoBroker(),
    OwnBroker(port=4333),
    OwnBroker(host="0.0.0.0", port=4333, names=("zongzhi.example", "10.0.0.7")),  # noqa: S104 - read, not bound
    ExternalBroker(url="tls://one.example:4222,tls://two.example:4222", ca_file=Path("ca.pem")),
]


@pytest.mark.parametrize("broker", BROKERS, ids=["none", "own", "own over TLS", "external"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_what_is_written_is_read_again(tmp_path: Path, broker: Broker, language: str) -> None:
    settings = made(
        tmp_path,
        port=8123,
        host="0.0.0.0",  # noqa: S104 - read, not bound
        database_url="postgresql+psycopg://liandong:ge%2Fheim@db.example/center",
        parent_url="tls://parent.example:4222",
        parent_ca_file="parent-ca.pem",
        log_level="debug",
        log_file="center.log",
        broker=broker,
    )
    write_settings(settings, "en" if language == "en" else "zh-CN")
    assert load_settings(tmp_path) == settings


def test_defaults_need_nothing_but_the_center_itself(tmp_path: Path) -> None:
    write_settings(made(tmp_path))
    settings = load_settings(tmp_path)
    assert settings.database_url == f"sqlite:///{tmp_path / 'center.db'}"
    assert (settings.host, settings.port, settings.broker) == ("127.0.0.1", 8100, NoBroker())
    assert settings.link_seed_file is None


def test_the_file_is_private_and_explains_every_setting(tmp_path: Path) -> None:
    write_settings(made(tmp_path, broker=OwnBroker()), "en")
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    for model in (Settings, OwnBroker):
        for name, field in model.model_fields.items():
            if name not in {"data_dir", "mode"}:
                assert str(field.description) in text, name


def test_paths_are_kept_relative_so_that_the_directory_can_be_moved(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write_settings(made(here, log_file="logs/center.log", parent_url="tls://p.example:1", parent_ca_file="ca.pem"))
    here.rename(there)
    moved = load_settings(there)
    assert moved.log_file == there / "logs/center.log"
    assert moved.parent_ca_file == there / "ca.pem"
    assert moved.database_url == f"sqlite:///{there / 'center.db'}"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings(made(tmp_path, port=8200, broker=OwnBroker(port=4300)))
    monkeypatch.setenv("LIANDONG_PORT", "8300")
    monkeypatch.setenv("LIANDONG_BROKER__PORT", "4400")
    monkeypatch.setenv("LIANDONG_BROKER__NAMES", "a.example, 10.1.1.1")
    settings = load_settings(tmp_path)
    assert settings.port == 8300
    assert settings.broker == OwnBroker(port=4400, names=("a.example", "10.1.1.1"))
    assert load_settings(tmp_path, environment=False).port == 8200


def test_an_unknown_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.setenv("LIANDONG_PROT", "1")
    with pytest.raises(SettingsError, match="LIANDONG_PROT"):
        load_settings(tmp_path)


def test_a_wrong_variable_is_named_beside_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path)
    monkeypatch.setenv("LIANDONG_PORT", "eighty")
    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path)
    assert "LIANDONG_PORT" in refused.value.text("zh-CN")
    assert "port: 应为整数" in refused.value.text("zh-CN")
    assert refused.value.exit_code == 3


WRONG: list[tuple[dict[str, object], str]] = [
    ({"colour": "red"}, "colour"),
    ({"port": 0}, "port"),
    ({"port": 70000}, "port"),
    ({"code": "5329"}, "code"),
    ({"level": "Dorf 7"}, "level"),
    ({"root_key": "bm8="}, "root_key"),
    ({"root_key": "kein base64!"}, "root_key"),
    ({"database_url": "mysql://somewhere/db"}, "database_url"),
    ({"database_url": "nonsense"}, "database_url"),
    ({"database_url": "sqlite://"}, "database_url"),
    ({"parent_url": "http://parent"}, "parent_url"),
    ({"parent_url": "nats://parent.example:4222"}, "parent_url"),
    ({"log_level": "loud"}, "log_level"),
    ({"host": "two words"}, "host"),
    ({"broker": {"mode": "rented"}}, "broker"),
    ({"broker": {"mode": "supervised", "port": -1}}, "broker.port"),
    ({"broker": {"mode": "supervised", "url": "nats://127.0.0.1:1"}}, "broker.url"),
    ({"broker": {"mode": "external"}}, "broker.url"),
    ({"broker": {"mode": "external", "url": "nats://far.example:4222"}}, "broker.url"),
]


@pytest.mark.parametrize(("given", "key"), WRONG, ids=[f"{key}={given[key.split('.')[0]]}" for given, key in WRONG])
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, given: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(tmp_path, {**NEEDED, **given}, place="/srv/center.toml")
    assert "/srv/center.toml" in str(refused.value)
    assert f"\n  {key}: " in str(refused.value)
    assert f"\n  {key}: " in refused.value.text("zh-CN")


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_missing_is_named(tmp_path: Path, name: str) -> None:
    given = {key: value for key, value in NEEDED.items() if key != name}
    with pytest.raises(SettingsError, match=f"{name}: This field is required"):
        settings_of(tmp_path, given, place="test")


def test_an_unknown_key_in_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "databse_url = 'x'")
    with pytest.raises(SettingsError) as refused:
        load_settings(tmp_path)
    assert str(path) in str(refused.value)
    assert "databse_url" in str(refused.value)


def test_a_secret_in_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        made(tmp_path, database_url="mysql://user:geheim@db/x")
    assert "geheim" not in str(refused.value)


@pytest.fixture
def unreadable(tmp_path: Path) -> Path:
    """A directory where the settings should be a file."""
    (tmp_path / FILE).mkdir()
    return tmp_path


def test_a_file_that_cannot_be_read_is_named(unreadable: Path) -> None:
    with pytest.raises(SettingsError, match=str(unreadable / FILE)):
        load_settings(unreadable)


def test_a_directory_without_a_center_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="init or join"):
        load_settings(tmp_path)


@pytest.mark.parametrize("text", ["port = = 3", "port = 80\nport = 81"])
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(SettingsError, match="line"):
        load_settings(tmp_path)


def test_text_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes("# 县\n".encode("gb18030"))
    with pytest.raises(SettingsError, match=FILE):
        load_settings(tmp_path)


def test_the_directory_is_no_setting(tmp_path: Path) -> None:
    written(tmp_path, f"data_dir = '{tmp_path}'")
    with pytest.raises(SettingsError, match="--dir"):
        load_settings(tmp_path)
