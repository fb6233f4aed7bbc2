# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes: their record, their address, their name; and what the CLI does about them."""
import json
import os
import signal

import netns
from flows import Ping
from lab import Lab
from procs import wait_for


def connected(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.50.0.0/24", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    c1.reaches(c2.ip4("demo"))
    return c1, c2


def record(lab, name):
    return next((k, v) for k, v in lab.etcd.get("node/").items() if v["name"] == name)


def test_a_node_gets_another_address():
    """One write, and the peers follow; the containers' addresses stay."""
    with Lab(hosts=3, etcd=1) as lab:
        c1, c2 = connected(lab)
        node2 = lab["node2"]
        key, before = record(lab, "node2")
        assert before["vtep"] == node2.ip
        node2.run("ip", "addr", "add", "192.168.205.77/24", "dev", "eth0")
        node2.run("ip", "addr", "del", node2.ip + "/24", "dev", "eth0")
        node2.run("ip", "addr", "show", "dev", "eth0")
        if "192.168.205.77" not in node2.run("ip", "-4", "addr", "show", "dev", "eth0").stdout:
            # The kernel drops secondary addresses with their primary one.
            node2.run("ip", "addr", "add", "192.168.205.77/24", "dev", "eth0")
        wait_for(lambda: record(lab, "node2")[1]["vtep"] == "192.168.205.77", "the record says so", 15)
        assert record(lab, "node2")[0] == key
        assert c1.reaches(c2.ip4("demo"), 5) < 5
        c2.reaches(c1.ip4("demo"), 5)
        node2.ip = "192.168.205.77"


def test_a_name_is_taken_over():
    with Lab(hosts=2, etcd=1) as lab:
        connected(lab)
        node2 = lab["node2"]
        old, _ = record(lab, "node2")
        node2.stop(signal.SIGKILL)
        state = os.path.join(node2.dir, "state")
        os.rename(state, state + ".lost")
        # Reinstalled: another id under the same name is refused, and taken over only when told to.
        refused = node2.run(*node2.argv(), check=False, timeout=20)
        assert refused.returncode == 1 and "takeover" in refused.stdout + refused.stderr
        node2.start("--takeover")
        new, _ = record(lab, "node2")
        assert new != old and old not in lab.etcd.get("node/")
        # What the old one held has come back with its lease.
        wait_for(lambda: not any(v["node"] == old.split("/")[1] for v in lab.etcd.get("endpoint/").values()), "its endpoints are gone", 10)


def test_an_underlay_that_is_too_small():
    with Lab(hosts=2, etcd=1) as lab:
        node2 = lab["node2"]
        lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
        lab.everywhere("demo")
        node2.run("ip", "link", "set", "eth0", "mtu", "1400")
        wait_for(lambda: node2.info()["Node"]["Mtu"] == 1400, "the MTU is noticed")
        c2 = lab.container("node2", "c2")
        refused = c2.connect("demo", check=False)
        assert refused.returncode == 1 and "1350" in refused.stderr and "1400" in refused.stderr
        assert lab.etcd.keys("address/") == []
        c2.delete()


def test_advertise():
    with Lab(hosts=2, etcd=1, start=False) as lab:
        lab.etcd.start()
        lab["node1"].args = ["--advertise", "eth0"]
        lab["node2"].run("ip", "addr", "add", "192.168.205.200/24", "dev", "eth0")
        lab["node2"].args = ["--advertise", "192.168.205.200"]
        lab.start()
        assert record(lab, "node1")[1]["vtep"] == lab["node1"].ip
        assert record(lab, "node2")[1]["vtep"] == "192.168.205.200"
        connected(lab)


def test_commands():
    """node, endpoint, events, log-level, prune, disconnect -f of a node that is gone, reset."""
    with Lab(hosts=2, etcd=1, ovld_args=["--liveness-ttl", "2"]) as lab:
        node1, node2 = lab["node1"], lab["node2"]
        watching = node1.ctl_spawn("events", "--format", "json")
        wait_for(lambda: node1.ctl("node", "ls").stdout.count("node") >= 2, "both nodes are listed")
        c1, c2 = connected(lab)

        def seen():
            with open(watching.log, encoding="utf-8") as f:
                lines = [json.loads(line) for line in f if line.strip()]
            return {(e["Type"], e["Action"]) for e in lines}
        wait_for(lambda: {("network", "create"), ("network", "connect")} <= seen(), "events")
        # Of the other node as well.
        node2.ctl("network", "create", "elsewhere")
        node2.ctl("network", "rm", "elsewhere")
        wait_for(lambda: ("network", "destroy") in seen(), "what node2 did is told on node1")
        assert "c2" in node1.ctl("endpoint", "ls").stdout and "c1" in node1.ctl("endpoint", "ls").stdout
        assert json.loads(node1.ctl("node", "inspect", "node2").stdout)[0]["Name"] == "node2"
        node1.ctl("log-level", "debug")
        assert node1.info()["LogLevel"] == "debug"
        node1.ctl("network", "create", "unused")
        refused = node1.ctl("network", "rm", "demo", "unused", "nothing", check=False)
        assert refused.returncode == 1 and "c1" in refused.stderr and "c2" in refused.stderr and "nothing" in refused.stderr
        assert "unused" not in node1.ctl("network", "ls").stdout
        node1.ctl("network", "rm", "-f", "nothing")
        node1.ctl("network", "create", "unused2")
        node1.ctl("network", "prune", "-f", "--cluster")
        assert "unused2" not in node1.ctl("network", "ls").stdout and "demo" in node1.ctl("network", "ls").stdout
        # node2 is gone: its endpoint is removed by hand from node1.
        node2.stop(signal.SIGKILL)
        wait_for(lambda: any(n["Name"] == "node2" and n["State"] != "up" for n in node1.get("/nodes")), "node2 counts as down", 15)
        wait_for(lambda: ("node", "down") in seen(), "the event says so")
        ip2 = "10.50.0.3"
        node1.ctl("network", "disconnect", "-f", "demo", "c2")
        wait_for(lambda: not [k for k in lab.etcd.keys("address/") if k.endswith(ip2)], "its address is free")
        # reset: every object and state of node1 is gone, and the agent ends.
        node1.ctl("reset", "-f")
        wait_for(lambda: not node1.ovld.alive(), "the agent ends")
        assert not os.path.exists(netns.path(node1.overlay))
        assert "ovl" not in node1.run("nft", "list", "tables").stdout
        wait_for(lambda: "eth0" not in c1.run("ip", "-br", "link").stdout, "c1 has no interface any more")
        assert lab.etcd.keys("address/") == []
        # Back again, node2 claims c2's address anew; once c2 is gone the network can go.
        node2.start()
        wait_for(lambda: [k for k in lab.etcd.keys("address/") if k.endswith(ip2)], "c2's address is claimed again")
        c2.delete()
        wait_for(lambda: node2.ctl("network", "rm", "demo", check=False).returncode == 0, "the network can go", 10)


def test_many_packets_while_another_node_comes_and_goes():
    with Lab(hosts=3, etcd=1) as lab:
        c1, c2 = connected(lab)
        with Ping(c1, c2.ip4("demo"), 0.002) as ping:
            lab["node3"].stop(signal.SIGKILL)
            lab["node3"].start()
        assert ping.lost == 0


def test_an_address_lease_is_revoked():
    """By a foreign hand: a new one is granted and the node's own put again, soon, and not when the old one was to be kept alive next."""
    with Lab(hosts=2, etcd=1) as lab:
        c1, c2 = connected(lab)
        before = lab.etcd.keys("endpoint/")
        lab.etcd.ctl("lease", "revoke", record(lab, "node1")[1]["lease"])
        wait_for(lambda: lab.etcd.keys("endpoint/") == before and len(lab.etcd.keys("address/")) == 2, "endpoint and address are there again")
        c2.reaches(c1.ip4("demo"))
