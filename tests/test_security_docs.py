"""What docs/security.md names is there."""

import ast
import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "deploy" / "systemd" / "liandong@.service"
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)(?:::(test_[a-z0-9_]+))?`")


def test_every_test_that_the_security_page_names_exists() -> None:
    named = NAMED.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [f"{path}::{test}" for path, test in named if not (ROOT / path).is_file()]
    missing += [f"{path}::{test}" for path, test in named if test and test not in names_in(path)]
    assert not missing


def names_in(path: str) -> set[str]:
    """The names of the tests of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_the_unit_lets_the_service_write_its_data_directory_and_nothing_else() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # names of systemd have capitals
    unit.read_string(UNIT.read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == service["WorkingDirectory"]
    assert service["UMask"] == "0077"
    assert service["CapabilityBoundingSet"] == ""
    for option in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert service[option] == "true"
