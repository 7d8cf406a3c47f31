"""tests/conftest.py: where no test may skip, one that does fails the run, also on workers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skip_fails_the_run_where_none_may_skip(tmp_path, workers):
    (tmp_path / "test_two.py").write_text(
        "import pytest\n\n\ndef test_passes():\n    pass\n\n\ndef test_skips():\n    pytest.skip('there is no board')\n"
    )
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "-p", "tests.conftest"]
    command += ["-p", "no:cacheprovider", "-n", str(workers), tmp_path]
    environment = os.environ | {"BREAKWIRE_NO_SKIPS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    told = ["no test may skip here (BREAKWIRE_NO_SKIPS)", "there is no board", "1 passed, 1 skipped"]
    assert [line for line in told if line not in done.stdout] == []
