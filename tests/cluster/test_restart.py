# SPDX-License-Identifier: GPL-2.0-or-later
"""ovld ends and starts again under traffic: nothing is lost, nothing is written, nothing is forgotten."""
import signal

import pytest
from flows import Ping, Stream
from procs import wait_for

LAB = dict(hosts=2, etcd=1)


@pytest.fixture(scope="module")
def pair(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    c1.reaches(c2.ip4("demo"))
    return c1, c2


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_no_packet_is_lost_and_nothing_is_written(lab, pair, sig):
    c1, c2 = pair
    node1 = lab["node1"]
    ip = c2.ip4("demo")
    before = c1.endpoint("demo")
    with Stream(c1, c2, ip, port=7000 + sig) as stream, Ping(c1, ip, 0.001) as ping:
        node1.stop(sig)
        stream.flows()
        node1.start()
        stream.flows()
        # Passes over the network have been made, and found nothing to do.
        wait_for(lambda: node1.info()["Reconcile"]["Passes"] > 0, "a pass")
    assert ping.lost == 0, f"{ping.lost} of {ping.sent} packets lost"
    assert node1.info()["Reconcile"]["Writes"] == 0
    assert c1.endpoint("demo") == before


def test_a_namespace_that_died_meanwhile_is_withdrawn(lab, pair):
    node1 = lab["node1"]
    gone = lab.container("node1", "gone")
    ip = gone.connect("demo")["ip4"]
    node1.stop(signal.SIGKILL)
    gone.delete()
    node1.start()
    wait_for(lambda: not [k for k in lab.etcd.keys("address/") if k.endswith("/" + ip)], "the address is free", 15)
    assert gone.name not in [e["Name"] for e in lab["node2"].inspect("demo")["Containers"].values()]


def test_started_before_etcd_is_there(lab, pair):
    c1, c2 = pair
    node1 = lab["node1"]
    node1.stop()
    lab.etcd.pause()
    try:
        node1.start(wait=False)
        # It knows its networks and endpoints from its own memory, and says so.
        wait_for(lambda: node1.ctl("network", "ls", "-q", "-f", "scope=global", check=False).stdout.strip(), "networks of the snapshot", 15)
        assert [e["Name"] for e in node1.get("/endpoints")
                if e.get("Target") and e["Network"] != "egress"] == ["c1"]
        assert node1.info()["Cluster"]["State"] == "snapshot"
        c1.reaches(c2.ip4("demo"))
    finally:
        lab.etcd.resume()
    node1.wait_ready(5)
    assert node1.info()["Reconcile"]["Writes"] == 0
