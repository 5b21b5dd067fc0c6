"""The docs say what the code does: commands, settings, paths, links, tables and byte examples are compared with it."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pytest
import typer.main
from prometheus_client import CollectorRegistry
from pydantic.fields import FieldInfo

from node import trouble, words
from node.access import Access
from node.accounts.roles import ROLE_NAMES
from node.cli import app
from node.i18n import translate
from node.metrics import Metrics
from node.settings import NOT_SETTINGS, Accounts, Backup, ExternalBroker, NoBroker, OwnBroker, Settings, SettingsError
from protocol.actions import State, StopReason
from protocol.custody import KEEPING, POPPING, PUSHING
from protocol.entries import Kind
from protocol.messages import PAYLOADS, Lane, Type, lane_of
from protocol.requests import EPOCH_BOUND, Ask
from protocol.status import rates
from tests.faults.points import Point

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
PAGES = [ENGLISH, CHINESE, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODE = re.compile(r"^(?:protocol|node|county|township|village|deploy|tests)/[\w./-]*$")
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose_of(path: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same rank or above."""
    text = text_of(page)
    rank = heading.split(" ", maxsplit=1)[0]
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{len(rank)}}} |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"{page} has no heading {heading!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Cells of all tables, without their heads."""
    lines = text.splitlines()
    body = []
    for number, line in enumerate(lines):
        is_rule = re.fullmatch(r"\|[-|: ]+\|", line) is not None
        is_head = number + 1 < len(lines) and re.fullmatch(r"\|[-|: ]+\|", lines[number + 1]) is not None
        if line.startswith("|") and not is_rule and not is_head:
            body.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return body


def quoted(text: str) -> list[str]:
    """Everything in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def first_column(page: str, heading: str) -> list[str]:
    """The quoted names in the first column of a section's tables."""
    return [name for row in rows(section(page, heading)) for name in quoted(row[0])]


# --- links, paths, headings -----------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    plain = re.sub(r"[`*]", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#{1,6} (.+)$", prose_of(path), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose_of(page))
    for target in (one or other for one, other in targets):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in anchors(there), f"{there.name} has no heading #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_of_code_exists(page: Path) -> None:
    for name in quoted(prose_of(page)):
        if CODE.match(name) and "*" not in name:
            assert (ROOT / name).exists(), f"{name} does not exist"


def test_every_package_stands_on_the_map() -> None:
    named = set(quoted(section("docs/architecture.md", "## Map of the house")))
    packages = {f"{path.parent.relative_to(ROOT)}/" for path in ROOT.glob("node/*/__init__.py")}
    tops = {f"{path.parent.name}/" for path in ROOT.glob("*/__init__.py")}
    assert packages | tops <= named


def names_in_code() -> set[str]:
    sources = [path for top in ("protocol", "node", "county", "deploy") for path in (ROOT / top).rglob("*.py")]
    return {name for path in sources for name in re.findall(r"\w+", path.read_text(encoding="utf-8"))}


def test_every_name_of_code_in_the_architecture_exists() -> None:
    known = names_in_code()
    missing = []
    for name in quoted(prose_of(ROOT / "docs/architecture.md")):
        if re.fullmatch(r"[A-Z_a-z]\w*(\.\w+)*", name) and not name.endswith((".py", ".toml", ".md", ".csv")):
            missing += [part for part in name.split(".") if part not in known and not part.isdigit()]
    assert not missing


def test_every_name_of_code_in_the_glossary_exists() -> None:
    known = names_in_code()
    for row in rows(text_of("docs/glossary.md").split("## Lists of codes")[0]):
        for name in quoted(row[2]):
            assert set(name.split(".")) <= known, f"{name} is not in the code"


def test_every_decision_is_listed_once() -> None:
    directory = ROOT / "docs/decisions"
    listed = [row[0] for row in rows(text_of("docs/decisions/README.md"))]
    files = sorted(path.name for path in directory.glob("[0-9]*.md"))
    assert listed == [f"[{name[:4]}]({name})" for name in files]
    for name in files:
        text = text_of(f"docs/decisions/{name}")
        assert text.startswith(f"# {name[:4]}. ")
        assert {"## Context", "## Choice", "## What we gave up"} <= set(text.splitlines())


# --- the two READMEs -----------------------------------------------------------------------------------------------


def ranks(path: Path) -> list[int]:
    return [len(rank) for rank in re.findall(r"^(#{1,6}) ", prose_of(path), re.MULTILINE)]


def commands(path: Path) -> list[str]:
    """Code blocks without comments and made-up texts, which are in the reader's language."""
    blocks = [block for block in FENCE.findall(path.read_text(encoding="utf-8")) if block.startswith("```sh")]
    lines = [line for block in blocks for line in block.splitlines()]
    return [re.sub(r"\s+#.*", "", line) for line in lines if not line.startswith("#")]


def _in_any_language(link: str) -> str:
    """A link without what names the language of the page that it leads to, or of a picture's words."""
    return re.sub(r"\.zh-CN|-en(?=\.webp$)|#.*", "", link).replace("/english.md", "/README.md")


def test_the_readmes_are_twins() -> None:
    assert ranks(ENGLISH) == ranks(CHINESE)
    assert commands(ENGLISH) == commands(CHINESE)
    assert [len(row) for row in rows(prose_of(ENGLISH))] == [len(row) for row in rows(prose_of(CHINESE))]
    links = [re.findall(r"\]\(([^)]+)\)", prose_of(path)) for path in (ENGLISH, CHINESE)]
    same = [{_in_any_language(link) for link in found} for found in links]
    assert same[0] == same[1]


def test_each_readme_leads_to_the_other_at_its_top() -> None:
    assert "(README.zh-CN.md)" in "".join(text_of("README.md").splitlines()[:4])
    assert "(README.md)" in "".join(text_of("README.zh-CN.md").splitlines()[:4])


# --- commands, settings, exit codes, metrics -----------------------------------------------------------------------


class Parameter(Protocol):
    """What this test needs of an option."""

    @property
    def opts(self) -> Sequence[str]: ...


class Command(Protocol):
    """What this test needs of a command."""

    @property
    def params(self) -> Sequence[Parameter]: ...


def commands_in(command: Command) -> dict[str, Command]:
    """The commands of a group; none of a plain command."""
    found: dict[str, Command] = getattr(command, "commands", {})
    return found


def leaves(command: Command, path: str) -> Iterator[str]:
    """All commands that do something, as they are typed."""
    inner = commands_in(command)
    for name, one in inner.items():
        yield from leaves(one, f"{path} {name}")
    if not inner:
        yield path


def test_every_command_is_documented_and_no_other() -> None:
    real = set(leaves(typer.main.get_command(app), "liandong"))
    named = first_column("docs/operations.md", "## Commands")
    told = {re.sub(r"( [A-Z]+)+$", "", name) for name in named if name.startswith("liandong")}
    assert told == real


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_names_a_command_or_an_option_that_does_not_exist(page: Path) -> None:
    root = typer.main.get_command(app)
    for line in re.findall(r"liandong ([a-z][\w -]*.*)$", "\n".join(shell_lines(page)), re.MULTILINE):
        command: Command = root
        arguments = line.split()
        while (inner := commands_in(command)) and arguments:
            name = arguments.pop(0)
            assert name in inner, f"{page.name}: no command {line!r}"
            command = inner[name]
        known = {option for parameter in command.params for option in parameter.opts} | {"-h", "--help"}
        for argument in arguments:
            if argument == "#":
                break
            if argument.startswith("-"):
                assert argument.split("=")[0] in known, f"{page.name}: {line!r} has no option {argument}"


def shell_lines(page: Path) -> list[str]:
    blocks = [block for block in FENCE.findall(page.read_text(encoding="utf-8")) if block.startswith("```sh")]
    return [line for block in blocks for line in block.splitlines()]


def settings_in_code() -> dict[str, tuple[str, str]]:
    """Name -> (default as the table shows it, description)."""
    found: dict[str, tuple[str, str]] = {}
    tables: list[tuple[str, Mapping[str, FieldInfo]]] = [("", Settings.model_fields)]
    tables += [("accounts.", Accounts.model_fields), ("backup.", Backup.model_fields)]
    tables += [("broker.", table.model_fields) for table in (NoBroker, OwnBroker, ExternalBroker)]
    for prefix, fields in tables:
        for name, field in fields.items():
            if name not in {"data_dir", "accounts", "backup", "broker"}:
                default = "" if field.is_required() or field.default in (None, "", ()) else f"`{field.default}`"
                found.setdefault(prefix + name, (default, str(field.description)))
    return found


def test_every_setting_is_documented_as_the_code_describes_it() -> None:
    table = rows(section("docs/operations.md", "## Settings"))
    told = {row[0].strip("`"): (row[2], row[-1]) for row in table}
    assert told == settings_in_code()
    for row in table:
        assert row[1] == "`LIANDONG_" + row[0].strip("`").upper().replace(".", "__") + "`"


def test_the_variables_of_the_command_line_are_documented() -> None:
    assert set(quoted(section("docs/operations.md", "## Settings"))) >= NOT_SETTINGS


def test_every_exit_code_is_documented() -> None:
    told = {row[0] for row in rows(section("docs/operations.md", "### Exit codes"))}
    kinds = trouble.Trouble.__subclasses__()
    assert SettingsError in kinds
    codes = {trouble.Trouble.exit_code, *(kind.exit_code for kind in kinds)}
    assert told == {"0", "2", "130", *map(str, codes)}


def test_every_metric_is_documented() -> None:
    told = set(first_column("docs/operations.md", "## Metrics"))
    registry: CollectorRegistry = Metrics().registry
    counted = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    read = set(re.findall(r'GaugeMetricFamily\(\s*"(\w+)"', text_of("node/metrics.py")))
    assert told == counted | read


def test_every_event_of_the_log_that_is_documented_is_logged() -> None:
    logged = {text for path in (ROOT / "node").rglob("*.py") for text in re.findall(r'"([a-z_.-]+)"', path.read_text())}
    assert set(first_column("docs/operations.md", "## Logs")) <= logged


# --- the protocol's tables -----------------------------------------------------------------------------------------

PROTOCOL = "docs/protocol.md"


def test_every_type_of_message_is_documented_with_its_lane() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(section(PROTOCOL, "## Messages"))}
    assert set(told) == {kind.value for kind in Type} == {*PAYLOADS, Type.SEALED}
    for kind, lane in told.items():
        assert lane.startswith(lane_of(kind).value)


def test_every_request_is_documented_with_its_epoch() -> None:
    told = {row[0].strip("`"): row[3] for row in rows(section(PROTOCOL, "## Requests"))}
    assert told == {ask.value: "yes" if ask in EPOCH_BOUND else "no" for ask in Ask}
    for row in rows(section(PROTOCOL, "## Requests")):
        assert all(name in set(Kind) for name in quoted(row[2]))


def test_every_transfer_is_documented_with_its_effect_on_the_stack() -> None:
    told = {row[0].strip("`"): row[2] for row in rows(section(PROTOCOL, "## Custody"))}
    effects = {"pushes": PUSHING, "pops": POPPING, "keeps": KEEPING}
    assert told == {kind.value: effect for effect, kinds in effects.items() for kind in kinds}


def test_states_lanes_and_stop_reasons_of_a_link_are_documented() -> None:
    named = quoted(section(PROTOCOL, "## The link"))
    assert {state.value for state in State} | {reason.value for reason in StopReason} | set(Lane) <= set(named)
    assert set(first_column(PROTOCOL, "## The link")) >= {*State, *StopReason}


def test_access_and_rates_are_documented() -> None:
    assert set(quoted(section(PROTOCOL, "## Who sees what"))) >= set(Access)
    assert set(first_column(PROTOCOL, "## Status")) == set(rates({}))


def test_every_limit_has_the_value_that_is_documented() -> None:
    table = rows(section(PROTOCOL, "## Limits"))
    assert table
    for name, value, _what in table:
        module, _, constant = name.strip("`").rpartition(".")
        assert str(getattr(importlib.import_module(module), constant)) == value, name


def test_every_context_of_a_signature_is_documented() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "protocol").rglob("*.py"))
    told = set(re.findall(r"`(liandong \w+ \d)`", section(PROTOCOL, "## Keys, digests, records")))
    assert told == set(re.findall(r'CONTEXT = b"([^"]+)"', sources))


GOLDEN = re.findall(r"<!-- golden: ([\w.]+) -->\n```\w*\n(.*?)\n```", text_of(PROTOCOL), re.DOTALL)


@pytest.mark.parametrize(("name", "quote"), GOLDEN, ids=[name for name, _ in GOLDEN])
def test_byte_examples_are_those_of_the_golden_files(name: str, quote: str) -> None:
    file, *steps = name.split(".")
    found: object = json.loads(text_of(f"tests/protocol/golden/{file}.json"))
    for step in steps:
        found = found[int(step)] if isinstance(found, list) else found[step] if isinstance(found, dict) else None
    assert isinstance(found, str)
    assert re.sub(r"\s", "", quote) == re.sub(r"\s", "", found)


def test_there_is_a_byte_example_of_every_golden_file() -> None:
    told = {name.partition(".")[0] for name, _ in GOLDEN} | {"hello"}
    assert told == {path.stem for path in (ROOT / "tests/protocol/golden").glob("*.json")}
    hello = json.loads(text_of("tests/protocol/golden/hello.json"))["prefix_hex"]
    assert re.sub(r"(..)(?!$)", r"\1 ", hello) in text_of(PROTOCOL)


# --- reliability ---------------------------------------------------------------------------------------------------


def test_every_failure_names_tests_that_exist() -> None:
    table = rows(section("docs/reliability.md", "## Failures and answers"))
    assert table
    for failure, _answer, tested in table:
        paths = quoted(tested)
        assert paths, failure
        for path in paths:
            assert (ROOT / path).exists(), f"{failure}: {path}"


def test_every_point_at_which_centers_are_killed_is_documented() -> None:
    assert first_column("docs/reliability.md", "## How it is tested") == [point.value for point in Point]


# --- the glossary --------------------------------------------------------------------------------------------------

LISTS: dict[str, Mapping[str, str]] = {
    "### Status · 状态": words.STATUSES,
    "### Entries · 记录": words.KINDS,
    "### Requests · 请求": words.REQUESTS,
    "### Types of dispute · 纠纷类型": words.CATEGORIES,
    "### Risk grades · 风险等级": words.GRADES,
    "### Sources · 来源": words.SOURCES,
    "### Parties · 当事人": words.PARTY_ROLES,
    "### Triggers · 触发条件": words.TRIGGERS,
    "### Access · 可见范围": words.ACCESS,
    "### Roles · 角色": {role.value: name for role, name in ROLE_NAMES.items()},
}


@pytest.mark.parametrize("heading", LISTS)
def test_the_glossary_has_the_words_that_pages_show(heading: str) -> None:
    told = [(row[2].strip("`"), row[0], row[1]) for row in rows(section("docs/glossary.md", heading))]
    spoken = LISTS[heading]
    assert told == [
        (str(getattr(code, "value", code)), translate("zh-CN", msgid), translate("en", msgid))
        for code, msgid in spoken.items()
    ]
