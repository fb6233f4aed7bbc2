# SPDX-License-Identifier: GPL-2.0-or-later
"""Names at their edges: what happens between two records, what nobody may learn, what is killed half way."""
import glob
import json
import os
import signal
import socket
import sqlite3
import time

import netns
import pytest
from procs import wait_for
from test_names import dig, finds, gateway, inside, nothing_left, own, pings, run  # noqa: F401 (nothing_left: autouse)

LAB = dict(hosts=2, etcd=1)


@pytest.fixture(scope="module")
def demo(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    return "demo"


def addresses(host, name):
    """Every address of a container, by interface, without lo."""
    out = inside(host, name, "ip", "-j", "-4", "addr").stdout
    return {i["ifname"]: i["addr_info"][0]["local"] for i in json.loads(out) if i["ifname"] != "lo" and i["addr_info"]}


# ---- what nobody may learn ----

def test_the_way_out_is_no_network_to_meet_on(lab, demo):
    host = lab["node1"]
    host.ctl("network", "create", "-d", "overlay", "other")
    lab.everywhere("other")
    run(host, "c1", "--network", demo, "--link", "stranger:friend")
    run(host, "stranger", "--network", "other")
    egress = next(a for i, a in addresses(host, "stranger").items() if i != "eth0")
    # Both have an address on the egress bridge; neither may be told of the other there.
    assert finds(host, "c1", "friend") == [] and finds(host, "c1", "stranger") == []
    found = inside(host, "c1", "dig", "+short", "-x", egress).stdout
    assert "stranger" not in found, found
    host.ctl("stop", "-t", "0", "stranger", "c1")
    host.ctl("network", "rm", "other")


# ---- what is not known yet ----

def test_query_while_endpoints_wait(lab, demo):
    """Endpoints that still wait for etcd are none to be counted as running ones."""
    host = lab["node1"]
    places = [lab.container(host, f"w{i}") for i in range(12)]
    etcd = list(lab.etcd.procs.values())
    for p in etcd:
        p.kill(signal.SIGSTOP)
    try:
        waiting = [host.ctl_spawn("network", "connect", demo, "netns:" + p.netns) for p in places]
        wait_for(lambda: len(own(host)) >= len(places) or all(p.alive() for p in waiting), "they wait")
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            host.ctl("dns", "query", "nobody.ovl", check=False)
        assert host.ovld.alive()
    finally:
        for p in etcd:
            p.kill(signal.SIGCONT)
    host.wait_ready()
    for p in waiting:
        p.wait(30)
    for p in places:
        p.delete()
    wait_for(lambda: own(host) == [], "their endpoints went with them", 30)


def forget_snapshot(host):
    """As if ovld had been killed before it wrote what it had seen of the cluster."""
    path = next(p for p in glob.glob(os.path.join(host.dir, "state", "*")) if p.endswith((".db", ".sqlite")))
    with sqlite3.connect(path) as db:
        tables = [t for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        table = next(t for t in tables if "snapshot" in t or "mirror" in t)
        db.execute(f"DELETE FROM {table}")


def test_networks_known_late(lab, demo):
    one, two = lab["node1"], lab["node2"]
    run(two, "c2", "--network", demo)
    run(one, "c1", "--network", demo, "--link", "c2:db", "--dns-option", "timeout:1")
    n1 = lab.container(one, "late1")
    n1.connect(demo)
    wait_for(lambda: finds(one, "c1", "db"), "the link leads to c2")
    before = inside(one, "c1", "cat", "/etc/resolv.conf").stdout, open(f"/etc/netns/{n1.netns}/resolv.conf", encoding="utf-8").read()
    one.stop(signal.SIGKILL)
    forget_snapshot(one)
    one.start()
    assert finds(one, "c1", "db")
    after = inside(one, "c1", "cat", "/etc/resolv.conf").stdout, open(f"/etc/netns/{n1.netns}/resolv.conf", encoding="utf-8").read()
    assert after == before
    n1.disconnect(demo)


# ---- sockets ----

def test_the_default_bridge_answers_at_once(lab):
    """Its device comes after the name server: whoever is connected first is answered all the same."""
    host = lab["node1"]
    host.stop()
    host.run("ip", "link", "del", "ovl0")
    host.start()
    n = lab.container(host, "first")
    ep = n.connect("bridge")
    assert dig(n, gateway(host, "bridge"), "-x", ep["ip4"])[0] == "NOERROR"
    n.disconnect("bridge")
    n.delete()


def test_tcp_is_taken_on_one_address(lab):
    """A resolver that has TCP's port of the IPv4 addresses keeps nobody from the IPv6 ones, nor from UDP."""
    host = lab["node1"]
    taken = host.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    host.ctl("network", "create", "-d", "bridge", "--ipv6", "six")
    host.stop()
    try:
        taken.bind(("0.0.0.0", 53))
        taken.listen()
        host.start()
        n = lab.container(host, "six1")
        ep = n.connect("six")
        gw4, gw6 = (next(c["Gateway"] for c in host.inspect("six")["IPAM"]["Config"] if (":" in c["Gateway"]) == six) for six in (False, True))
        assert dig(n, gw6, "six1", "AAAA")[2][0][2] == ep["ip6"]
        assert dig(n, gw6, "+tcp", "six1", "AAAA")[2][0][2] == ep["ip6"]
        assert dig(n, gw4, "six1")[2][0][2] == ep["ip4"]
        assert any(gw4 in p and "held by" in p for p in host.info()["Dns"]["Problems"])
    finally:
        taken.close()
    wait_for(lambda: dig(n, gw4, "+tcp", "six1")[2], "TCP is served once it is free", 10)
    n.disconnect("six")
    host.ctl("network", "rm", "six")


def test_a_bridge_of_the_same_name(lab):
    host = lab["node1"]
    n = lab.container(host, "again")
    for _ in range(3):
        host.ctl("network", "create", "-d", "bridge", "-o", "bridge.name=tbr1", "front")
        ep = n.connect("front")
        assert dig(n, gateway(host, "front"), "again")[2][0][2] == ep["ip4"]
        n.disconnect("front")
        host.ctl("network", "rm", "front")
    n.delete()


# ---- records that go and come ----

def test_what_left_is_gone_at_once_without_etcd(lab, demo):
    host = lab["node1"]
    a, b = lab.container(host, "gone1"), lab.container(host, "gone2")
    for place in (a, b):
        place.connect(demo)
    gw = gateway(host, demo)
    assert dig(a, gw, "gone2.demo.ovl")[0] == "NOERROR"
    lab.etcd.stop()
    try:
        b.disconnect(demo)
        assert dig(a, gw, "gone2.demo.ovl")[0] == "NXDOMAIN"
        # etcd has its record still, and so has the picture of it that the next start begins with.
        host.stop()
        host.start(wait=False)
        wait_for(lambda: os.path.exists(host.socket_path) and host.info()["Reconcile"]["Ready"], "node1 runs from its snapshot")
        wait_for(lambda: dig(a, gw, "gone1.demo.ovl")[0] == "NOERROR", "names from the snapshot")
        assert dig(a, gw, "gone2.demo.ovl")[0] == "NXDOMAIN"
    finally:
        lab.etcd.start()
    host.wait_ready()
    a.disconnect(demo)


def test_a_record_put_back(lab, demo):
    """A network's record that a foreign hand took away and put back: its endpoints' were there all the while."""
    one, two = lab["node1"], lab["node2"]
    run(one, "c1", "--network", demo)
    key = next(k for k, v in lab.etcd.get("network/").items() if v["name"] == demo)
    record = lab.etcd.raw(key)
    record = record if isinstance(record, str) else record.decode()
    lab.etcd.ctl("del", f"{lab.etcd_prefix}/{key}")
    wait_for(lambda: demo not in [n["Name"] for n in two.get("/networks")], "the record is gone")
    lab.etcd.put(key, record)
    lab.everywhere(demo)
    run(two, "c2", "--network", demo)
    assert finds(two, "c2", "c1")
    pings(two, "c2", "c1")


# ---- files ----

def test_files_that_could_not_be_written(lab, demo):
    host = lab["node1"]
    host.ctl("network", "create", "-d", "bridge", "-o", "bridge.name=tbr2", "--internal", "inner")
    run(host, "c1", "--network", "inner")
    before = inside(host, "c1", "cat", "/etc/resolv.conf").stdout
    files = os.path.join(host.dir, "state", "run")
    netns.sh("mount", "--bind", files, files)
    try:
        netns.sh("mount", "-o", "remount,bind,ro", files)
        host.ctl("network", "connect", demo, "c1")
        assert inside(host, "c1", "cat", "/etc/resolv.conf").stdout == before
    finally:
        netns.sh("umount", files)
    # Once a minute, and whenever something is repaired.
    host.run("ip", "link", "del", "tbr2")
    wait_for(lambda: inside(host, "c1", "cat", "/etc/resolv.conf").stdout != before, "they are written as soon as they can be")
    host.ctl("stop", "-t", "0", "c1")
    host.ctl("network", "rm", "inner")


# ---- a name server in a container ----

def test_port_53_published(lab, demo):
    host = lab["node1"]
    run(host, "c1", "--network", demo)
    done = run(host, "server", "--network", demo, "-p", "53:53/udp", check=False)
    assert done.returncode == 1 and "publish it at another address" in done.stderr, done.stderr
    run(host, "server", "--network", demo, "-p", f"{host.ip}:53:53/udp", "-p", f"{host.ip}:53:53/tcp")
    # Those who ask the gateway ask ovld as before.
    assert finds(host, "c1", "server")
    assert inside(host, "c1", "dig", "+tcp", "+short", "server").stdout.split() == finds(host, "c1", "server")
