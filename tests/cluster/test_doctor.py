# SPDX-License-Identifier: GPL-2.0-or-later
"""ovlctl doctor: nothing where nothing is amiss, each damage named with its cure, and nothing again after the cure."""
import json
import os
import re
import shlex
import signal
import sqlite3

import pytest
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
AREAS = ["kernel", "etcd", "endpoint", "docker", "names", "node", "firewall"]


@pytest.fixture(scope="module")
def world(lab):
    """Overlay and local networks, published ports, run containers."""
    node1, node2 = lab["node1"], lab["node2"]
    node1.ctl("network", "create", "-d", "overlay", "--ipv6", "demo")
    node1.ctl("network", "create", "-d", "overlay", "--internal", "deep")
    lab.everywhere("demo")
    lab.everywhere("deep")
    made = {}
    for host, name in ((node1, "c1"), (node1, "c2"), (node2, "c3")):
        made[name] = lab.container(host, name)
        made[name].connect("demo")
    made["c1"].connect("deep")
    node1.ctl("network", "create", "-d", "bridge", "here")
    made["c4"] = lab.container(node1, "c4")
    made["c4"].connect("here", "-p", "8080:80")
    node1.ctl("run", "-d", "--name", "r1", "--network", "demo", "-p", "8081:80", "--", "sleep", "600")
    node2.ctl("run", "-d", "--name", "r2", "--network", "demo", "--", "sleep", "600")
    made["c1"].reaches(made["c3"].ip4("demo"))
    return made


@pytest.fixture(autouse=True)
def healthy(lab, world):
    for host in lab:
        host.doctor()
    yield
    for host in lab:
        host.doctor()


def cured(host, cure, lab):
    """Do what the cure says, word for word."""
    words = shlex.split(cure)
    if words[0] == "etcdctl":
        lab.etcd.ctl(*words[1:])
    elif words[0] == "ovlctl":
        host.ctl(*words[1:])
    else:
        raise AssertionError(f"not a command: {cure}")


def one(host, area, what):
    """The one finding there is."""
    found = host.findings()
    assert len(found) == 1, found
    assert found[0][0] == area and re.search(what, found[0][1]), found
    return found[0][2]


def network_id(lab, name):
    return next(k.split("/")[1] for k, v in lab.etcd.get("network/").items() if v["name"] == name)


def node_id(lab, name):
    return next(k.split("/")[1] for k, v in lab.etcd.get("node/").items() if v["name"] == name)


def put(lab, key, value):
    lab.etcd.ctl("put", f"{lab.etcd_prefix}/{key}", json.dumps(value))


def test_nothing_amiss(lab, world):
    for host in lab:
        text = host.doctor()
        assert text.splitlines()[0] == "nothing amiss: " + ", ".join(a for a in AREAS if a != "docker")
        assert "not checked: docker: " in text
        done = host.ctl("doctor", "--json")
        report = json.loads(done.stdout)
        assert report["Findings"] == [] and report["Checked"] == [a for a in AREAS if a != "docker"]
        assert [n["Area"] for n in report["NotChecked"]] == ["docker"]


def test_usage(lab, world):
    host = lab["node1"]
    assert host.ctl("doctor", "x", check=False).returncode == 2
    assert host.ctl("doctor", "--format", "xml", check=False).returncode == 2
    assert "cure" in host.ctl("doctor", "--help").stdout


def test_an_address_nobody_has(lab, world):
    """Bound for an endpoint that is not there."""
    demo, node1 = network_id(lab, "demo"), node_id(lab, "node1")
    put(lab, f"address/{demo}/10.0.0.99", {"state": "bound", "endpoint": "ab" * 32, "node": node1})
    subnet = lab["node1"].inspect("demo")["IPAM"]["Config"][0]["Subnet"]
    assert subnet == "10.0.0.0/24"
    for host in lab:
        cure = one(host, "endpoint", r"address 10\.0\.0\.99 on network demo is held by node node1 .*does not exist")
    text = host.ctl("doctor", check=False).stdout
    assert re.search(r"^endpoint: address 10\.0\.0\.99 .*\n    cure: etcdctl del /", text, re.M)
    cured(host, cure, lab)


def test_a_reservation_nobody_came_for(lab, world):
    demo, node1 = network_id(lab, "demo"), node_id(lab, "node1")
    put(lab, f"address/{demo}/10.0.0.98", {"state": "reserved", "node": node1, "created": "2026-01-01T00:00:00Z"})
    cure = one(lab["node1"], "endpoint", r"address 10\.0\.0\.98 on network demo is reserved since 2026-01-01")
    assert lab["node2"].findings() == []  # the other node's to see to
    cured(lab["node1"], cure, lab)


def test_an_endpoint_of_a_node_that_is_no_more(lab, world):
    demo = network_id(lab, "demo")
    ep = next(v for k, v in lab.etcd.get("endpoint/").items() if v["name"] == "c1" and demo in k)
    ghost = dict(ep, name="ghost", node="cd" * 32, addresses=["10.0.0.97"], mac="02:42:0a:00:00:61", sandbox="ghost")
    put(lab, f"endpoint/{demo}/{'ef' * 32}", ghost)
    for host in lab:
        wait_for(lambda h=host: h.findings() != [], "it is found")
        cure = one(host, "endpoint", r"endpoint ghost on network demo belongs to node cdcdcdcdcdcd, which does not exist")
    cured(host, cure, lab)


def test_an_endpoint_of_this_node_that_it_does_not_have(lab, world):
    """Its row was lost while ovld was away."""
    node1 = lab["node1"]
    lost = lab.container(node1, "lost")
    lost.connect("demo")
    node1.stop()
    with sqlite3.connect(os.path.join(node1.dir, "state", "state.db")) as db:
        assert db.execute("delete from endpoint where name = 'lost'").rowcount == 2  # and that of its way out
    node1.start()
    # What is left of it in the kernel, ovld has removed by itself.
    wait_for(lambda: [f[0] for f in node1.findings()] == ["endpoint"], "it is found", 20)
    cured(node1, one(node1, "endpoint", r"endpoint lost on network demo is in etcd as this node's, which has no such"), lab)
    lost.delete()


def test_an_address_that_is_not_held(lab, world):
    """Nothing mirrors address keys: only a look tells."""
    demo, node1 = network_id(lab, "demo"), lab["node1"]
    box = lab.container(node1, "bare")
    ip = box.connect("demo")["ip4"]
    lab.etcd.ctl("del", f"{lab.etcd_prefix}/address/{demo}/{ip}")
    cure = one(node1, "endpoint", rf"endpoint bare on network demo: its address {re.escape(ip)} is held in etcd by nobody")
    assert cure == "ovlctl network disconnect demo bare, and connect it again"
    box.disconnect("demo")
    node1.doctor()
    box.connect("demo")
    node1.doctor()
    box.disconnect("demo")
    box.delete()


def test_another_node_with_our_address(lab, world):
    node1 = lab["node1"]
    rec = dict(lab.etcd.get("node/")["node/" + node_id(lab, "node1")], name="twin", lease="4711")
    put(lab, "node/" + "12" * 32, rec)
    wait_for(lambda: node1.findings() != [], "it is found")
    cured(node1, one(node1, "node", rf"node twin has the same address as this one, {re.escape(node1.ip)}"), lab)


def test_the_address_lease_is_gone(lab, world):
    """And with it all that this node had in etcd: ovld takes a new one, and puts it again."""
    host = lab["node2"]
    before = sorted(lab.etcd.keys("endpoint/"))
    lease = lab.etcd.get("node/")["node/" + node_id(lab, "node2")]["lease"]
    lab.etcd.ctl("lease", "revoke", lease)
    wait_for(lambda: lab.etcd.get("node/")["node/" + node_id(lab, "node2")]["lease"] != lease, "another lease")
    wait_for(lambda: sorted(lab.etcd.keys("endpoint/")) == before, "its endpoints are put again")
    host.doctor(20)


def test_records_of_a_network_that_is_gone(lab, world):
    gone = "34" * 32
    put(lab, f"binding/{gone}/{node_id(lab, 'node1')}", {"docker": "56" * 32})
    node1 = lab["node1"]
    wait_for(lambda: node1.findings() != [], "it is found")
    cure = one(node1, "etcd", r"Docker is bound to network 343434343434, which does not exist")
    cured(node1, cure, lab)


def test_a_subnet_held_for_nothing(lab, world):
    put(lab, "pool/" + "78" * 32, {"node": node_id(lab, "node1"), "subnet": "10.200.0.0/24", "created": "2026-01-01T00:00:00Z"})
    cure = one(lab["node1"], "etcd", r"subnet 10\.200\.0\.0/24 is held for a Docker network that never came")
    cured(lab["node1"], cure, lab)


def test_etcd_is_away(lab, world):
    host = lab["node1"]
    lab.etcd.stop(sig=signal.SIGKILL)
    wait_for(lambda: not host.info()["Cluster"]["Link"], "it is noticed", 20)
    done = host.ctl("doctor", check=False)
    assert done.returncode == 1 and "the link to etcd is down" in done.stdout
    assert "not checked: endpoint: " in done.stdout
    # A release that waits.
    box = lab.container(lab["node2"], "late")
    assert {f[0] for f in lab["node2"].findings()} == {"etcd"}
    box.delete()
    lab.etcd.start()
    wait_for(lambda: all(h.info()["Cluster"]["Link"] for h in lab), "etcd is back", 20)


def test_forwarding_is_switched_off_for_good(lab, world):
    """Where it cannot be switched on again: what is told then. Else ovld has done so before it is looked for."""
    host = lab["node1"]
    host.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    wait_for(lambda: host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip() == "1", "it is on again")
    assert host.findings() == []


def test_a_published_port_somebody_took(lab, world):
    host = lab["node1"]
    host.stop()
    thief = host.spawn("python3", "-c", "import socket,time; s=socket.create_server(('0.0.0.0', 8080)); time.sleep(600)")
    wait_for(lambda: ":8080" in host.run("ss", "-Htln").stdout, "it has the port")
    host.start()
    cure = one(host, "node", r"port 8080/tcp is published by c4 but in use by another process")
    assert "systemctl restart ovld" in cure
    thief.stop(signal.SIGKILL)
    host.stop()
    host.start()


def test_the_kernel_cannot_be_repaired(lab, world):
    """Somebody else's bridge has taken the name of one of ours."""
    host = lab["node1"]
    host.ctl("network", "create", "-d", "bridge", "-o", "com.docker.network.bridge.name=kbr7", "stuck")
    host.run("ip", "link", "del", "kbr7")
    wait_for(lambda: host.run("ip", "link", "show", "kbr7", check=False).returncode == 0, "ovld makes it again", 15)
    host.doctor()
    host.stop()
    host.run("ip", "link", "del", "kbr7")
    host.run("ip", "link", "add", "kbr7", "type", "veth", "peer", "name", "kbr7x")
    host.start()
    found = host.findings()
    assert found and found[0][0] == "kernel" and "network stuck: the bridge kbr7 is missing in the kernel" in found[0][1], found
    assert "ovld keeps trying; the last failure:" in found[0][2], found
    host.run("ip", "link", "del", "kbr7")
    host.doctor(40)
    host.ctl("network", "rm", "stuck")


def test_local_alone(lab):
    from lab import Lab
    with Lab(hosts=1, etcd=0) as alone:
        host = alone["node1"]
        c = alone.container(host, "c1")
        c.connect("bridge", "-p", "8080:80")
        text = host.doctor()
        assert "nothing amiss: kernel, endpoint, names, node, firewall" in text
        assert "not checked: etcd: no etcd is configured" in text
        c.disconnect("bridge")
        host.doctor()
