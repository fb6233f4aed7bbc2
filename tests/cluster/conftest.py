# SPDX-License-Identifier: GPL-2.0-or-later
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from docker import DockerLab  # noqa: E402
from lab import BIN, Lab  # noqa: E402


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("tests/cluster makes network namespaces: run as root (sudo tests/run cluster)", 1)
    for program in ("ovld", "ovlctl", "ovl-run"):
        if not (BIN / program).exists():
            pytest.exit(f"{BIN / program} is not built (OVL_BUILD names the build folder)", 1)


@pytest.fixture(scope="module")
def lab(request):
    """One lab for the module, as its LAB says: LAB = dict(hosts=3, etcd=3)."""
    with Lab(**getattr(request.module, "LAB", {})) as made:
        yield made


@pytest.fixture(scope="module")
def dockers(request):
    """A lab with a dockerd on each host for the module, as its DOCKERS says: DOCKERS = dict(hosts=2)."""
    with DockerLab(**getattr(request.module, "DOCKERS", {})) as made:
        yield made


@pytest.fixture(autouse=True)
def no_sanitizer_report():
    """A report is the failure of the test in which it appears, not only of the last one."""
    yield
    for made in Lab.active:
        reports = made.sanitizer_reports()
        assert not reports, "\n".join(reports)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for made in Lab.active:
            report.sections += made.logs()
