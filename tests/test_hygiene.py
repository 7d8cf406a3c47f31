"""What must not stand in a file of this repository; `make lint` runs this too."""

import ast
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IGNORED = {".git", ".venv", "build", "dist", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|Users|root|work|builds)/\w")
# Who may import whom, of ours. The host talks to a virtual board as to a real one, and starts without Amaranth.
MAY_IMPORT = {
    "hdl/wire": {"hdl.wire"},
    "hdl": {"hdl"},
    "boards": {"boards", "hdl"},
    "sim": {"sim", "hdl"},
    "host": {"host", "hdl.wire"},
}


def files(*suffixes: str):
    for folder, names, found in os.walk(ROOT):
        names[:] = sorted(set(names) - IGNORED)
        yield from (Path(folder, name) for name in sorted(found) if name.endswith(suffixes))


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_names_a_machine_path():
    found = []
    for path in files(""):
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line) or f"{ROOT}/" in line:
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize("folder, is_one", [("home", True), ("work", True), ("workshop", False)])
def test_a_machine_path_is_recognised(folder, is_one):
    assert bool(MACHINE_PATH.search(f"see /{folder}/file")) == is_one
    assert not MACHINE_PATH.search(f"hdl/{folder}/file")


def test_locks_name_exact_versions_with_hashes_and_no_index():
    """pip's own `--require-hashes` enforces the hashes; an index or a URL it would follow without a word."""
    locks = sorted((ROOT / "requirements").iterdir())
    assert [lock.name for lock in locks] == ["fpga.txt", "run.txt", "test.txt"]
    for lock in locks:
        lines = lock.read_text().splitlines()
        assert [line for line in lines if "://" in line or "index" in line or " @ " in line] == []
        wanted = r"(?:[a-z0-9-]+==[\w.]+(?: ; .*)? \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?)"
        assert [line for line in lines if not re.fullmatch(wanted, line)] == []


def test_locks_agree():
    """All three can be installed into one environment."""
    pinned = {}
    for lock in (ROOT / "requirements").iterdir():
        for name, version in re.findall(r"^([a-z0-9-]+)==(.*) \\$", lock.read_text(), re.MULTILINE):
            pinned.setdefault(name, {}).setdefault(lock.name, []).append(version)
    assert {name: locks for name, locks in pinned.items() if len(set(map(tuple, locks.values()))) > 1} == {}


def test_no_file_is_large():
    assert [path for path in files("") if path.stat().st_size > 512 * 1024] == []


def test_imports_go_one_way():
    wrong = []
    for path in files(".py"):
        name = path.relative_to(ROOT).as_posix()
        allowed = next((MAY_IMPORT[folder] for folder in MAY_IMPORT if name.startswith(f"{folder}/")), None)
        for module in imports(path) if allowed is not None else ():
            ours = module.split(".")[0] in {"hdl", "sim", "host", "boards", "tests"}
            if ours and not any(f"{module}.".startswith(f"{prefix}.") for prefix in allowed):
                wrong.append(f"{name} imports {module}")
    assert wrong == []
