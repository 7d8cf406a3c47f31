"""What every test can use: `run_cocotb`, a cocotb bench as one call, on each simulator there is."""

import os
import re

import pytest

from sim import runner, tools

SLOW = ("test_tcp.py", "test_broken.py", "test_filter.py", "test_host_virtual.py", "test_segment.py")


def pytest_generate_tests(metafunc):
    """Run a test that asks for `run_cocotb` once per simulator: those of its marker, or of SIM, or all."""
    if "run_cocotb" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("simulators")
        names = marker.args if marker else runner.SIMULATORS
        if os.environ.get("SIM"):
            names = [name for name in names if name == os.environ["SIM"]]
        metafunc.parametrize("run_cocotb", names, indirect=True)


def pytest_collection_modifyitems(items):
    """Begin with the files that take minutes, so that two workers (`make test`) end at nearly the same time."""
    items.sort(key=lambda item: item.path.name not in SLOW)


def pytest_sessionfinish(session):
    """Count a skipped test as a failure where everything a test needs is installed (.ci/run)."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("BREAKWIRE_NO_SKIPS") and reporter.stats.get("skipped") and session.exitstatus == 0:
        reporter.write_line("\nno test may skip here (BREAKWIRE_NO_SKIPS)", red=True)
        session.exitstatus = 1


@pytest.fixture
def run_cocotb(request, pytestconfig):
    """Return ``run_cocotb(component, testbench="sim.tb_…")``: fails when a cocotb test fails, or when none ran."""
    simulator = request.param
    lacking = tools.missing(runner.NEEDS["icarus"]) if simulator == "icarus" else None
    if lacking:
        pytest.skip(lacking)

    def run(component, *, testbench, **options):
        name = re.sub(r"[^\w.-]+", "_", request.node.nodeid.removeprefix("tests/"))
        return runner.run(
            component,
            testbench=testbench,
            simulator=simulator,
            folder=pytestconfig.rootpath / "build",
            name=name,
            **options,
        )

    return run
