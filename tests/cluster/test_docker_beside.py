# SPDX-License-Identifier: GPL-2.0-or-later
"""Docker's own firewall and networks beside ours; a dockerd that is not there, comes late, goes and returns; an API that cannot be used; a swarm."""
import os
import signal

import pytest
from agree import agree
from docker import Docker, DockerLab
from procs import wait_for

from lab import Lab

DOCKERS = dict(hosts=2)


@pytest.fixture
def demo(dockers):
    dockers["node1"].create("demo")
    dockers["node2"].knows("demo")
    yield "demo"
    for d in dockers:
        d.clear()
    dockers["node1"].cli("network", "rm", "demo")
    dockers.nowhere("demo")


def docker_info(host):
    return host.info()["Docker"]


def said(host, text):
    wait_for(lambda: text in host.lab.tail(host.log, 20000), f"{host.name} says: {text}")


def works(one, two, net="demo"):
    """A container on each of two hosts, both ways."""
    one.run("w1", "--network", net)
    two.run("w2", "--network", net)
    one.reaches("w1", two.ip4("w2", net))
    two.reaches("w2", one.ip4("w1", net))
    one.cli("rm", "-f", "w1")
    two.cli("rm", "-f", "w2")


# ---- firewall, other networks ----

def test_forward_drop(dockers, demo):
    """Docker's policy, and br_netfilter's calls, which Docker switches on: two on one host, and on two."""
    one, two = dockers["node1"], dockers["node2"]
    # Docker sets it where it was the one to switch forwarding on; here ovld may have been quicker.
    one.host.run("iptables", "-P", "FORWARD", "DROP")
    one.run("c1", "--network", demo)
    one.run("c2", "--network", demo)
    two.run("c3", "--network", demo)
    for a, b in (("c1", "c2"), ("c2", "c1")):
        one.ping(a, one.ip4(b, demo))
        one.reaches(a, b)
    one.ping("c1", two.ip4("c3", demo))
    two.ping("c3", one.ip4("c2", demo))
    agree(dockers)


def test_a_bridge_as_well(dockers, demo):
    """An ordinary network of Docker's on the same container: it bears the way out, questions for names included, and both work."""
    one, two = dockers["node1"], dockers["node2"]
    outside = dockers.lab.stranger("outside")
    one.cli("network", "create", "plain")
    try:
        one.run("c1", "--network", demo)
        one.run("c2", "--network", "plain", "-p", "8080:80", command=("httpd", "-f", "-p", "80"))
        one.run("c3", "--network", "plain")
        two.run("c4", "--network", demo)
        one.cli("network", "connect", "plain", "c1")
        one.cli("network", "connect", demo, "c2")
        agree(dockers)
        for c in ("c1", "c2"):
            one.ping(c, outside.ip)
            one.ping(c, one.ip4("c3", "plain"))
            one.ping(c, two.ip4("c4", demo))
            one.reaches(c, "c3")
            one.reaches(c, "c4")
            two.reaches("c4", c)
        assert one.ping("c3", two.ip4("c4", demo), check=False).returncode != 0
        wait_for(lambda: "404" in outside.run("curl", "-s", "-i", f"http://{one.host.ip}:8080", check=False).stdout, "the published port")
        one.cli("network", "disconnect", demo, "c2")
        one.ping("c2", outside.ip)
        one.cli("network", "connect", demo, "c2")
        one.cli("network", "disconnect", "plain", "c2")
        one.ping("c2", two.ip4("c4", demo))
        one.ping("c2", outside.ip)
        agree(dockers)
    finally:
        one.clear()
        one.cli("network", "rm", "plain")


# ---- dockerd comes and goes ----

def test_dockerd_comes_goes_and_returns():
    with Lab(hosts=2, etcd=1, start=False) as lab:
        lab.etcd.start()
        one, two = (Docker(lab, h) for h in lab)
        lab.start()
        host = lab["node1"]
        # Not there: all else works, and it is told.
        assert docker_info(host)["Serving"] and not docker_info(host)["Connected"]
        assert docker_info(host)["Problem"]
        host.ctl("network", "create", "-d", "overlay", "early")
        lab.everywhere("early")
        a, b = lab.container("node1", "a"), lab.container("node2", "b")
        a.connect("early")
        b.connect("early")
        a.reaches(b.ip4("early"))
        with one, two:
            # It has come: what was made meanwhile is there.
            for d in (one, two):
                d.knows("early", 20)
            wait_for(lambda: docker_info(host)["Connected"] and not docker_info(host)["Problem"], "it is told")
            works(one, two, "early")
            # It goes; meanwhile a network is made, and one is removed.
            host.ctl("network", "create", "-d", "overlay", "short")
            one.knows("short")
            two.knows("short")
            one.stop(signal.SIGKILL)
            wait_for(lambda: not docker_info(host)["Connected"], "it is told")
            a.reaches(b.ip4("early"))
            host.ctl("network", "create", "-d", "overlay", "late")
            two.knows("late")
            lab["node2"].ctl("network", "rm", "short")
            two.forgets("short")
            one.start()
            one.knows("late", 20)
            one.forgets("short", 20)
            works(one, two, "late")
            # It has gone and its networks are removed there by hand while ovld is away as well.
            host.stop()
            one.stop()
            host.start()
            one.start()
            one.knows("late", 20)
            works(one, two, "late")
            a.disconnect("early")
            b.disconnect("early")
            agree((one, two))


def test_plugin_comes_late():
    """dockerd starts before ovld: it waits for it where it has networks of its own."""
    with DockerLab(hosts=1) as dockers:
        one = dockers["node1"]
        one.create("demo")
        one.run("c1", "--network", "demo", "--restart", "always")
        one.stop()
        one.host.stop()
        one.start(wait=False)
        wait_for(lambda: "Unable to connect to plugin" in one.lab.tail(one.log, 8000) or "Unable to locate plugin" in one.lab.tail(one.log, 8000),
                 "dockerd asks for it")
        one.host.start()
        one.wait_ready()
        wait_for(lambda: one.inspect("c1")["State"]["Running"], "the restart policy", 40)
        agree(dockers)


# ---- the API cannot be used ----

@pytest.mark.parametrize("what", ["file", "nobody"])
def test_api_not_permitted(what, tmp_path):
    """No socket at its path, or one where nobody listens: the driver works, networks are not brought to Docker, and it is told."""
    path = str(tmp_path / "docker.sock")
    if what == "file":
        with open(path, "w", encoding="utf-8"):
            pass
    else:
        import socket
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).bind(path)
    with DockerLab(hosts=2, api=path) as dockers:
        one, two = dockers["node1"], dockers["node2"]
        info = docker_info(one.host)
        assert info["Serving"] and not info["Connected"]
        assert path in info["Problem"] or "socket" in info["Problem"], info
        one.host.ctl("network", "create", "-d", "overlay", "demo")
        dockers.lab.everywhere("demo")
        for d in dockers:
            d.create("demo", "-o", "ovl.network=demo", "--ipam-opt", "ovl.network=demo")
        works(one, two)
        # It is there at last.
        if what == "file":
            os.unlink(path)
            os.symlink(one.socket_path, path)
            wait_for(lambda: docker_info(one.host)["Connected"], "it is used", 20)


# ---- a swarm ----

def test_swarm(dockers):
    """ovl's networks stay what they are; Docker's own overlay beside them."""
    one, two = dockers["node1"], dockers["node2"]
    one.cli("swarm", "init", "--advertise-addr", one.host.ip)
    try:
        token = one.cli("swarm", "join-token", "-q", "worker").stdout.strip()
        two.cli("swarm", "join", "--token", token, one.host.ip + ":2377")
        wait_for(lambda: docker_info(one.host)["Swarm"], "it is told")
        one.create("demo")
        two.knows("demo")
        one.cli("network", "create", "-d", "overlay", "--attachable", "theirs")
        one.run("c1", "--network", "demo")
        one.cli("network", "connect", "theirs", "c1")
        two.run("c2", "--network", "demo")
        one.reaches("c1", two.ip4("c2", "demo"))
        two.reaches("c2", "c1")
        agree(dockers)
    finally:
        for d in (two, one):
            d.clear()
            d.cli("swarm", "leave", "--force", check=False)
    one.cli("network", "rm", "demo")
    wait_for(lambda: not docker_info(one.host)["Swarm"], "it is told")
    dockers.nowhere("demo")
