# SPDX-License-Identifier: GPL-2.0-or-later
"""etcd's content is lost or goes back in time under running flows: nothing is deleted, and a person's word brings it back."""
import os
import signal

import pytest
from flows import Ping
from lab import Lab
from procs import wait_for


def two_pairs(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.50.0.0/24", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    c1.reaches(c2.ip4("demo"))
    return c1, c2


def states(lab):
    return [h.info()["Cluster"]["State"] for h in lab]


def addresses(lab):
    return sorted(k.rsplit("/", 1)[1] for k in lab.etcd.keys("address/"))


def back_to_normal(lab, c1, c2):
    adopted = lab["node1"].ctl("cluster", "adopt")
    assert "1" in adopted.stdout or "0" in adopted.stdout
    wait_for(lambda: states(lab) == ["synced"] * len(lab.hosts), "all nodes take etcd's word again", 30)
    assert [n["Name"] for n in lab["node2"].get("/networks") if n["Driver"] == "overlay"] == ["demo"]
    # Addresses are unique still: a new container gets one of its own.
    c3 = lab.container("node2", "c3")
    ip3 = c3.connect("demo")["ip4"]
    assert ip3 not in (c1.ip4("demo"), c2.ip4("demo"))
    assert addresses(lab) == sorted([c1.ip4("demo"), c2.ip4("demo"), ip3])
    c3.reaches(c1.ip4("demo"))


def test_wiped():
    with Lab(hosts=2, etcd=1) as lab:
        c1, c2 = two_pairs(lab)
        with Ping(c1, c2.ip4("demo"), 0.002) as ping:
            lab.etcd.wipe()
            wait_for(lambda: states(lab) == ["frozen"] * 2, "both nodes guard what they know", 10)
            # Each puts its own again; networks come back only by adoption.
            wait_for(lambda: addresses(lab) == sorted([c1.ip4("demo"), c2.ip4("demo")]), "own addresses put again", 10)
            wait_for(lambda: len(lab.etcd.keys("endpoint/")) == 2, "own endpoints put again", 10)
            assert lab.etcd.keys("network/") == []
            refused = lab["node2"].ctl("network", "create", "other", check=False)
            assert refused.returncode == 1 and "adopt" in refused.stderr
            assert "demo" in lab["node2"].ctl("network", "ls").stdout
            # Nor does a restart forget the guard.
            lab["node2"].stop()
            lab["node2"].start(wait=False)
            wait_for(lambda: lab["node2"].ctl("info", check=False).returncode == 0 and states(lab) == ["frozen"] * 2, "still frozen", 10)
            back_to_normal(lab, c1, c2)
        assert ping.lost == 0, f"{ping.lost} of {ping.sent} lost"


def test_restored_from_an_older_snapshot():
    with Lab(hosts=2, etcd=1) as lab:
        file = os.path.join(lab.dir, "early.db")
        early = lab.container("node1", "early")
        lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.50.0.0/24", "demo")
        lab.everywhere("demo")
        early.connect("demo")
        lab.etcd.snapshot(file)
        early.disconnect("demo")
        early.delete()
        c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
        c1.connect("demo")
        c2.connect("demo")
        c1.reaches(c2.ip4("demo"))
        with Ping(c1, c2.ip4("demo"), 0.002) as ping:
            lab.etcd.restore(file)
            wait_for(lambda: states(lab) == ["frozen"] * 2, "both nodes see that time went back", 20)
            wait_for(lambda: {c1.ip4("demo"), c2.ip4("demo")} <= set(addresses(lab)), "own addresses put again", 10)
            lab["node1"].ctl("cluster", "adopt")
            wait_for(lambda: states(lab) == ["synced"] * 2, "all nodes take etcd's word again", 30)
        assert ping.lost == 0, f"{ping.lost} of {ping.sent} lost"
        c1.reaches(c2.ip4("demo"))


def test_adopt_without_need_is_refused():
    with Lab(hosts=1, etcd=1) as lab:
        refused = lab["node1"].ctl("cluster", "adopt", check=False)
        assert refused.returncode == 1 and "nothing to adopt" in refused.stderr


@pytest.mark.parametrize("how", ["rm", "lease"])
def test_a_node_is_lost(how):
    ttl = ["--liveness-ttl", "2", "--address-ttl", "600" if how == "rm" else "5"]
    with Lab(hosts=3, etcd=1, ovld_args=ttl) as lab:
        c1, c2 = two_pairs(lab)
        node1, node2 = lab["node1"], lab["node2"]
        ip2 = c2.ip4("demo")
        refused = node1.ctl("node", "rm", "node2", check=False)
        assert refused.returncode == 1 and "alive" in refused.stderr
        node2.stop(signal.SIGKILL)
        if how == "rm":
            wait_for(lambda: node1.ctl("node", "rm", "node2", check=False).returncode == 0, "node2 counts as down and is removed", 15)
            assert ip2 not in addresses(lab)
        else:
            wait_for(lambda: ip2 not in addresses(lab), "its addresses come back by themselves", 20)
        # Somebody else takes its address while it is away.
        taker = lab.container("node3", "taker")
        wait_for(lambda: taker.connect("demo", "--ip", ip2, check=False).returncode == 0 if not taken(taker) else True,
                 "the address is given to another", 10)
        wait_for(lambda: taker.ping(c1.ip4("demo"), check=False).returncode == 0, "the new owner talks", 5)
        node2.start()
        wait_for(lambda: [e["State"] for e in node2.get("/endpoints")
                          if (e["Name"], e["Network"]) == ("c2", "demo") and e.get("Target")] == ["conflict"],
                 "node2 reports the conflict", 10)
        assert c1.reaches(ip2) < 5
        assert taker.mac() == [n for n in c1.run("ip", "neigh").stdout.splitlines() if n.startswith(ip2 + " ")][0].split()[4]
        # Given free again, it is taken back.
        taker.disconnect("demo")
        taker.delete()


def taken(container):
    return any(e.get("Target") == "/run/netns/" + container.netns for e in container.host.get("/endpoints"))
