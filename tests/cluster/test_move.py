# SPDX-License-Identifier: GPL-2.0-or-later
"""An address that moves to another node; and ARP, which stays at home."""
import json

import packet
import pytest
from names import Ghosts
from packet import Sniffer
from procs import wait_for

LAB = dict(hosts=3, etcd=1)
ADDRESS = "10.0.0.50"
MAC = "02:42:0a:00:00:32"


@pytest.fixture(scope="module")
def watcher(lab):
    """On node3; it has talked to the address before each move."""
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    c = lab.container("node3", "watcher")
    c.connect("demo")
    return c


def box(lab, node, name):
    return lab.container(node, name)


def neighbour(c, ip):
    """The MAC a container has for an address, None: none."""
    shown = json.loads(c.run("ip", "-j", "neigh", "show", ip).stdout or "[]")
    return shown[0].get("lladdr") if shown else None


def vtep_of(host, mac):
    """Where this node sends frames for a MAC."""
    return {e["dst"] for e in host.overlay_json("bridge", "-j", "fdb", "show") if e["mac"] == mac and "dst" in e}


def test_moves_at_once(lab, watcher):
    places = [box(lab, "node1", "m1"), box(lab, "node2", "m2")]
    places[0].connect("demo", "--ip", ADDRESS)
    watcher.reaches(ADDRESS, 2)
    for i in range(4):
        here, there = places[i % 2], places[(i + 1) % 2]
        here.disconnect("demo")
        there.connect("demo", "--ip", ADDRESS)
        took = watcher.reaches(ADDRESS, 1.5)
        assert took <= 1.0, f"move {i}: reachable after {took:.2f} s"
        assert neighbour(watcher, ADDRESS) == MAC == there.mac()
        assert vtep_of(lab["node3"], MAC) == {there.host.ip}
        here.cut_from(ADDRESS, 1)  # it has no interface any more
        assert vtep_of(here.host, MAC) in (set(), {there.host.ip})
    places[0].disconnect("demo")
    for p in places:
        p.delete()


def test_moves_after_a_pause(lab, watcher):
    a, b = box(lab, "node1", "p1"), box(lab, "node2", "p2")
    a.connect("demo", "--ip", ADDRESS)
    watcher.reaches(ADDRESS, 2)
    a.disconnect("demo")
    wait_for(lambda: vtep_of(lab["node3"], MAC) == set(), "node3 has forgotten it")
    watcher.cut_from(ADDRESS, 2)
    b.connect("demo", "--ip", ADDRESS)
    assert watcher.reaches(ADDRESS, 1.5) <= 1.0
    assert neighbour(watcher, ADDRESS) == MAC
    b.disconnect("demo")


def test_moves_to_the_watchers_own_node_and_away(lab, watcher):
    near, far = box(lab, "node3", "n3"), box(lab, "node1", "n1")
    far.connect("demo", "--ip", ADDRESS)
    watcher.reaches(ADDRESS, 2)
    far.disconnect("demo")
    near.connect("demo", "--ip", ADDRESS)
    assert watcher.reaches(ADDRESS, 1.5) <= 1.0
    assert vtep_of(lab["node3"], MAC) == set()
    near.disconnect("demo")
    far.connect("demo", "--ip", ADDRESS)
    assert watcher.reaches(ADDRESS, 1.5) <= 1.0
    assert vtep_of(lab["node3"], MAC) == {lab["node1"].ip}
    far.disconnect("demo")


def test_an_address_in_use_is_not_taken(lab, watcher):
    a, b = box(lab, "node1", "u1"), box(lab, "node2", "u2")
    a.connect("demo", "--ip", ADDRESS)
    refused = b.connect("demo", "--ip", ADDRESS, check=False)
    assert refused.returncode == 1 and ADDRESS in refused.stderr
    watcher.reaches(ADDRESS, 2)
    a.disconnect("demo")


def arp(frame):
    return packet.ethertype(frame) == packet.ETH_P_ARP


def test_arp_never_leaves_the_node(lab, watcher):
    a, b, far = box(lab, "node1", "a1"), box(lab, "node1", "a2"), box(lab, "node2", "a3")
    for c in (a, b, far):
        c.connect("demo")
    for c in (b, far, watcher):
        a.reaches(c.ip4("demo"), 2)
    with Sniffer(lab["node1"], "eth0") as wire, Sniffer(a, "eth0") as own:
        for target in [c.ip4("demo") for c in (b, far, watcher)] + ["10.0.0.1"]:
            a.run("ip", "neigh", "flush", "dev", "eth0")
            a.ping(target)
            asked = packet.ip_bytes(target)
            assert own.wait(lambda f: arp(f) and f[38:42] == asked), "it did ask"
        # Announcing oneself stays at home, too.
        ip, mac = a.ip4("demo"), a.mac()
        packet.send(a, "eth0", packet.eth(packet.BROADCAST, mac, packet.ETH_P_ARP, packet.arp(1, mac, ip, ip)))
        a.ping(far.ip4("demo"))
        assert wire.inner(), "the sniffer does see the tunnel"
        assert [packet.mac_text(f[28:34]) for _, _, _, f in wire.inner(arp)] == []
        # What nobody has is asked of every node that has endpoints.
        a.cut_from("10.0.0.222", 1)
        asked = packet.ip_bytes("10.0.0.222")
        copies = wire.inner(lambda f: arp(f) and f[38:42] == asked)
        assert {dst for _, dst, _, _ in copies} == {lab["node2"].ip, lab["node3"].ip}
    for c in (a, b, far):
        c.disconnect("demo")


def test_changes_elsewhere_take_no_pass(lab):
    """Endpoints of another node come, change and go, one by one: what stands here follows, and the network is not gone through each time."""
    host = lab["node3"]
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.78.0.0/16", "elsewhere")
    lab.everywhere("elsewhere")
    lab.container("node3", "onlooker").connect("elsewhere")
    network, ghosts = host.inspect("elsewhere")["Id"], Ghosts(lab)
    wait_for(lambda: host.info()["Reconcile"]["Dirty"] == 0, "at rest", 10)
    before, ids = host.info()["Reconcile"]["Passes"], []

    def mac(n):
        return f"02:42:0a:4e:01:{n:02x}"

    def leads(n, where):
        wait_for(lambda: vtep_of(host, mac(n)) == where, f"{mac(n)} leads to {where}", 5)
    for n in range(20):
        ids += ghosts.add(network, [ghosts.record(f"n{n}", f"10.78.1.{n}")])
        leads(n, {"192.168.205.77"})
    for n in range(20):
        ghosts.change(network, ids[n], ghosts.record(f"n{n}", f"10.78.1.{n + 100}"))
        leads(n + 100, {"192.168.205.77"})
        leads(n, set())
    for n in range(20):
        ghosts.remove(network, [ids[n]])
        leads(n + 100, set())
    # The audit, and the other tests' nodes, may have asked for some.
    assert host.info()["Reconcile"]["Passes"] - before < 30
    wait_for(lambda: host.info()["Reconcile"]["Dirty"] == 0, "at rest", 10)
