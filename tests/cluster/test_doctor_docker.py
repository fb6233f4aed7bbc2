# SPDX-License-Identifier: GPL-2.0-or-later
"""ovlctl doctor with a real dockerd on each host: Docker's view is one more to be compared."""
import os
import re
import shlex
import signal
import sqlite3

import pytest
from procs import wait_for

DOCKERS = dict(hosts=2)


@pytest.fixture(scope="module")
def demo(dockers):
    dockers["node1"].create("demo", "--subnet", "10.20.0.0/24")
    dockers.everywhere("demo")
    dockers["node1"].run("c1", "--network", "demo", "-p", "8080:80")
    dockers["node2"].run("c2", "--network", "demo")
    dockers["node1"].reaches("c1", dockers["node2"].ip4("c2", "demo"))
    return "demo"


@pytest.fixture(autouse=True)
def healthy(dockers, demo):
    for d in dockers:
        d.host.doctor(20)
    yield
    for d in dockers:
        d.host.doctor(20)


def cure_of(found, area, what):
    """The cure of the one finding of the area."""
    cures = [f[2] for f in found if f[0] == area and re.search(what, f[1])]
    assert len(cures) == 1, found
    return cures[0]


def test_nothing_amiss(dockers, demo):
    for d in dockers:
        text = d.host.doctor()
        assert text.startswith("nothing amiss: kernel, etcd, endpoint, docker, names, node, firewall\n") and "not checked" not in text


def test_an_endpoint_that_only_docker_has(dockers, demo):
    """Its row was lost while ovld was away."""
    one = dockers["node1"]
    host = one.host
    one.run("lost", "--network", "demo")
    wait_for(lambda: any(e["Name"] == "lost" for e in host.get("/endpoints")), "its name is known")
    host.stop()
    with sqlite3.connect(os.path.join(host.dir, "state", "state.db")) as db:
        assert db.execute("delete from endpoint where name = 'lost'").rowcount == 1
    host.start()

    def found():
        return {f[0] for f in host.findings()} == {"docker", "endpoint"}
    wait_for(found, "it is found", 20)
    findings = host.findings()
    cure = cure_of(findings, "docker", "^Docker has container lost on network demo, where this node has no such endpoint$")
    assert cure == "docker network disconnect -f demo lost, and connect it again"
    other = cure_of(findings, "endpoint", "^endpoint lost on network demo is in etcd as this node's, which has no such$")
    one.cli("network", "disconnect", "-f", "demo", "lost")
    if any(f[0] == "endpoint" for f in host.findings()):
        host.ctl(*shlex.split(other)[1:])
    host.doctor()
    one.cli("network", "connect", "demo", "lost")
    dockers["node2"].reaches("c2", one.ip4("lost", "demo"))
    host.doctor()
    one.cli("rm", "-f", "lost")


def test_an_interface_that_is_lost(dockers, demo):
    one = dockers["node1"]
    one.run("cut", "--network", "demo")
    # Its name comes a moment after the container.
    wait_for(lambda: "cut" in [e["Name"] for e in one.host.get("/endpoints")], "the endpoint has its name")
    port = next(e for e in one.host.get("/endpoints") if e["Name"] == "cut")["Id"][:12]
    one.host.overlay_run("ip", "link", "del", "ve" + port)
    wait_for(lambda: one.host.findings() != [], "it is found", 20)
    cure = cure_of(one.host.findings(), "docker", "^container cut on network demo: the interface that Docker was given is gone$")
    assert cure == "docker restart cut"
    one.cli("restart", "-t", "0", "cut")
    dockers["node2"].reaches("c2", one.ip4("cut", "demo"))
    one.host.doctor()
    one.cli("rm", "-f", "cut")


def test_docker_is_away(dockers, demo):
    """No finding, but said."""
    two = dockers["node2"]
    two.cli("rm", "-f", "c2")
    two.stop(signal.SIGTERM)
    try:
        done = two.host.ctl("doctor", check=False)
        assert done.returncode == 0 and "docker" not in done.stdout.splitlines()[0], done.stdout
        assert re.search(r"^not checked: docker: .*docker\.sock", done.stdout, re.M), done.stdout
    finally:
        two.start()
    two.run("c2", "--network", "demo")
