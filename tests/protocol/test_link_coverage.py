"""The link is covered to 100 % of its branches by its sentences alone."""

import os
import subprocess
import sys
from pathlib import Path

LINK = ("protocol.link", "protocol.lane", "protocol.actions", "protocol.retrieval")
SENTENCES = ("test_link.py", "test_link_healing.py")
HERE = Path(__file__).parent


def test_every_branch_of_the_link_has_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "coverage.ini").write_text("[run]\nbranch = true\n[report]\nshow_missing = true\nfail_under = 100\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *(str(HERE / name) for name in SENTENCES),
            *(f"--cov={module}" for module in LINK),
            f"--cov-config={tmp_path / 'coverage.ini'}",
        ],
        cwd=HERE.parent.parent,
        env={**environment, "COVERAGE_FILE": str(tmp_path / "coverage")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Required test coverage of 100.0% reached" in run.stdout
