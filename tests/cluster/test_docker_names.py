# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of other nodes from Docker's own resolver (127.0.0.11), which nobody has configured: by docker_gwbridge, by the gateway where there is none."""
import json
import os
import re
import signal

import netns
import pytest
from docker import IMAGE
from names import Upstream, becomes, told, upstream_flags
from procs import wait_for

RESOLVER, SECOND = "192.168.205.53", "192.168.205.54"
DNS = "127.0.0.11"
DOCKERS = dict(hosts=2, ovld_args=upstream_flags(RESOLVER))
BRIDGE = "docker_gwbridge"


class Inside:
    """A container's namespace, for questions of all kinds."""

    def __init__(self, docker, name):
        self.name = name
        self.netns = f"/proc/{docker.inspect(name)['State']['Pid']}/ns/net"

    def socket(self, *args):
        return netns.open_socket(self.netns, *args)


@pytest.fixture(scope="module")
def resolvers(dockers):
    place = dockers.lab.stranger("resolver", RESOLVER)
    place.run("ip", "addr", "add", f"{SECOND}/24", "dev", "eth0")
    with Upstream(place, RESOLVER) as first, Upstream(place, SECOND) as second:
        first.add("www.example", "A", "203.0.113.7")
        second.add("www.example", "A", "203.0.113.8")
        first.add("long.example", "A", *(f"203.0.113.{i}" for i in range(100)))
        first.behave["long.example"] = "truncate"
        yield first, second


@pytest.fixture(scope="module")
def demo(dockers, resolvers):
    a, b = dockers["node1"], dockers["node2"]
    a.create("demo")
    b.knows("demo")
    a.run("c1", "--network", "demo", "--network-alias", "web", "--hostname", "front")
    b.run("c2", "--network", "demo", "--network-alias", "db")
    return a.ip4("c1", "demo"), b.ip4("c2", "demo")


def finds(docker, name, whom):
    """What nslookup of a container says: addresses, [] for none."""
    out = docker.exec(name, "nslookup", whom, check=False).stdout
    return re.findall(r"^Address(?: \d+)?:\s*([0-9.]+)\s*$", out.split("\n\n", 1)[-1], re.M)


def redirects(host):
    """Is the bridge in the set?"""
    return BRIDGE in host.run("nft", "list", "set", "inet", "ovl", "dnsredir").stdout


def restart_watched(lab, host, sig):
    """What nf_tables were told from the agent's end until it runs again."""
    log = os.path.join(lab.dir, "nft-monitor.out")
    seen = host.spawn("nft", "monitor", log=log)

    def listens():
        host.run("nft", "add", "table", "inet", "probe")
        host.run("nft", "delete", "table", "inet", "probe")
        return "probe" in lab.tail(log)
    wait_for(listens, "nft monitor listens")
    host.stop(sig)
    host.start()
    seen.stop()
    return lab.tail(log, 1 << 20)


def test_across_nodes(dockers, demo):
    a, b = dockers["node1"], dockers["node2"]
    ip1, ip2 = demo
    one, two = Inside(a, "c1"), Inside(b, "c2")
    for place, ip, names in ((one, ip2, ("c2", "db", "c2.demo", "c2.demo.ovl", "db.demo", "C2")), (two, ip1, ("c1", "web", "front", "c1.demo"))):
        for name in names:
            becomes(place, DNS, name, [ip])
            assert told(place, DNS, name, tcp=True) == [ip]
            assert told(place, DNS, name, "AAAA") == []
    # As users do.
    assert finds(a, "c1", "c2") == [ip2] and finds(b, "c2", "front") == [ip1]
    a.ping("c1", "db")
    b.ping("c2", "c1")
    # The digits of its id, and backwards; and what is Docker's own as ever.
    assert told(one, DNS, b.inspect("c2")["Id"][:12]) == [ip2]
    assert told(one, DNS, ".".join(reversed(ip2.split("."))) + ".in-addr.arpa", "PTR") == ["c2.demo.ovl"]
    assert told(one, DNS, "c1") == [ip1]
    # Under our own domain nobody else knows better.
    assert told(one, DNS, "nobody.demo.ovl") == "NXDOMAIN"


def test_first_question_of_a_container(dockers, demo):
    """Nobody knows its address on docker_gwbridge yet: the answer waits for that, not the container."""
    a = dockers["node1"]
    becomes(Inside(a, "c1"), DNS, "c2", [demo[1]])
    for i in range(5):
        done = a.cli("run", "--rm", "--name", f"new{i}", "--network", "demo", IMAGE, "nslookup", "c2")
        assert demo[1] in done.stdout, done.stdout


def test_rename_and_end(dockers, demo):
    a, b = dockers["node1"], dockers["node2"]
    c1 = Inside(a, "c1")
    b.run("old", "--network", "demo")
    ip = b.ip4("old", "demo")
    becomes(c1, DNS, "old", [ip])
    b.cli("rename", "old", "new")
    becomes(c1, DNS, "new", [ip])
    b.cli("network", "disconnect", "demo", "new")
    becomes(c1, DNS, "new", "NXDOMAIN")
    b.cli("network", "connect", "--alias", "again", "demo", "new")
    becomes(c1, DNS, "again", [b.ip4("new", "demo")])
    # Its own way out, and so its address on docker_gwbridge, is another one now.
    becomes(Inside(b, "new"), DNS, "c1", [demo[0]])
    b.cli("rm", "-f", "new")
    becomes(c1, DNS, "again", "NXDOMAIN")


def test_foreign_names(dockers, demo, resolvers):
    first, second = resolvers
    a = dockers["node1"]
    c1 = Inside(a, "c1")
    first.forget()
    assert told(c1, DNS, "www.example") == ["203.0.113.7"] == told(c1, DNS, "www.example", tcp=True)
    assert finds(a, "c1", "www.example") == ["203.0.113.7"]
    assert told(c1, DNS, "nosuch.example") == "NXDOMAIN"
    assert len(told(c1, DNS, "long.example", tcp=True, timeout=5)) == 100
    assert first.seen("www.example") and not second.asked
    # The names of its own networks are asked nowhere.
    assert not [q for q in first.asked if "demo" in q.name or q.name in ("c2", "db")]
    # Servers of its own.
    a.run("own", "--network", "demo", "--dns", SECOND)
    becomes(Inside(a, "own"), DNS, "www.example", ["203.0.113.8"])
    assert told(Inside(a, "own"), DNS, "c2") == [demo[1]]
    a.cli("rm", "-f", "own")


def test_networks_are_apart(dockers, demo):
    a, b = dockers["node1"], dockers["node2"]
    a.create("other")
    b.knows("other")
    a.run("stranger", "--network", "other")
    b.run("friend", "--network", "other")
    becomes(Inside(a, "stranger"), DNS, "friend", [b.ip4("friend", "other")])
    for name in ("c2", "c2.demo", "c2.demo.ovl"):
        assert told(Inside(a, "stranger"), DNS, name) == "NXDOMAIN", name
    assert told(Inside(a, "c1"), DNS, "friend") == "NXDOMAIN"
    # On both: at once.
    a.cli("network", "connect", "demo", "stranger")
    becomes(Inside(a, "stranger"), DNS, "c2", [demo[1]])
    assert told(Inside(a, "stranger"), DNS, "friend") == [b.ip4("friend", "other")]
    a.cli("rm", "-f", "stranger")
    b.cli("rm", "-f", "friend")
    a.cli("network", "rm", "other")
    dockers.nowhere("other")


def test_dockers_other_containers(dockers, demo, resolvers):
    """Those on networks of Docker's own ask whom they asked before."""
    first, second = resolvers
    a = dockers["node1"]
    a.cli("network", "create", "plain")
    a.run("p1", "--network", "plain", "--dns", SECOND)
    a.run("p2", "--dns", SECOND)
    second.forget()
    assert told(Inside(a, "p1"), DNS, "www.example") == ["203.0.113.8"]
    assert told(Inside(a, "p2"), SECOND, "www.example") == ["203.0.113.8"]
    assert len(second.seen("www.example")) == 2
    assert told(Inside(a, "p2"), SECOND, "c2") == "NXDOMAIN"
    a.cli("rm", "-f", "p1", "p2")
    a.cli("network", "rm", "plain")


def test_ordinary_bridge_beside_it(dockers, demo, resolvers):
    """The way out, and so what Docker's resolver asks others, is by that bridge then."""
    a, b = dockers["node1"], dockers["node2"]
    a.cli("network", "create", "plain")
    a.run("p1", "--network", "plain", "--dns", SECOND)
    a.run("m1", "--network", "plain")
    one = Inside(a, "m1")
    a.cli("network", "connect", "--alias", "both", "demo", "m1")
    assert a.inspect("m1")["Id"] not in a.network(BRIDGE)["Containers"]
    for name in ("c2", "db.demo"):
        becomes(one, DNS, name, [demo[1]])
        assert told(one, DNS, name, tcp=True) == [demo[1]]
    a.ping("m1", "c2")
    becomes(Inside(b, "c2"), DNS, "both", [a.ip4("m1", "demo")])
    # What is Docker's stays so, and foreign names are found.
    assert told(one, DNS, "p1") == [a.ip4("p1", "plain")]
    assert told(one, DNS, "www.example") == ["203.0.113.7"]
    assert told(Inside(a, "p1"), DNS, "www.example") == ["203.0.113.8"]
    assert told(Inside(a, "p1"), DNS, "c2") == "NXDOMAIN"
    # The other way round, and back.
    a.run("m2", "--network", "demo")
    a.cli("network", "connect", "plain", "m2")
    becomes(Inside(a, "m2"), DNS, "c2", [demo[1]])
    a.cli("network", "disconnect", "plain", "m2")
    becomes(Inside(a, "m2"), DNS, "c2", [demo[1]])
    # Not ours any more: as the others of that bridge.
    a.cli("network", "disconnect", "demo", "m1")
    wait_for(lambda: "elements" not in a.host.run("nft", "list", "set", "inet", "ovl", "dnsasker4").stdout, "nobody asks there")
    a.cli("rm", "-f", "p1", "m1", "m2")
    a.cli("network", "rm", "plain")


def test_internal_network(dockers, demo):
    """There is no docker_gwbridge: the network's gateway answers whoever names it as his server."""
    a, b = dockers["node1"], dockers["node2"]
    a.create("inner", "--internal")
    gateway = b.knows("inner")["IPAM"]["Config"][0]["Gateway"]
    a.run("i1", "--network", "inner", "--dns", gateway)
    b.run("i2", "--network", "inner", "--dns", gateway, "--network-alias", "store")
    one, two = Inside(a, "i1"), Inside(b, "i2")
    for name in ("i2", "store", "i2.inner"):
        becomes(one, DNS, name, [b.ip4("i2", "inner")])
        assert told(one, DNS, name, tcp=True) == [b.ip4("i2", "inner")]
    becomes(two, DNS, "i1", [a.ip4("i1", "inner")])
    a.ping("i1", "store")
    # The world is none of its business.
    assert told(one, DNS, "www.example", timeout=5) in ("SERVFAIL", "REFUSED")
    assert told(one, gateway, "c2") in ("SERVFAIL", "REFUSED")
    a.cli("rm", "-f", "i1")
    b.cli("rm", "-f", "i2")
    a.cli("network", "rm", "inner")
    dockers.nowhere("inner")


def test_input_that_drops(dockers, demo):
    """As ufw has it."""
    a = dockers["node1"]
    host, c1 = a.host, Inside(a, "c1")
    for rule in ("-A INPUT -i lo -j ACCEPT", "-A INPUT -i eth0 -j ACCEPT", "-P INPUT DROP"):
        host.run("iptables", *rule.split())
    wait_for(lambda: f"-i {BRIDGE} -p udp" in host.run("iptables", "-S", "INPUT").stdout, "questions are let in")
    assert told(c1, DNS, "c2") == [demo[1]] == told(c1, DNS, "c2", tcp=True)
    assert BRIDGE not in "".join(line for line in host.run("iptables", "-S").stdout.splitlines() if "FORWARD" in line and "ovl" in line)
    # A restart of the agent takes nothing away meanwhile.
    log = restart_watched(dockers.lab, host, signal.SIGTERM)
    assert BRIDGE not in log and told(c1, DNS, "c2") == [demo[1]]
    for rule in ("-P INPUT ACCEPT", "-D INPUT -i lo -j ACCEPT", "-D INPUT -i eth0 -j ACCEPT"):
        host.run("iptables", *rule.split())
    wait_for(lambda: BRIDGE not in host.run("iptables", "-S", "INPUT").stdout, "the rules are taken back")


def test_agents_restart(dockers, demo):
    a, b = dockers["node1"], dockers["node2"]
    host, c1 = a.host, Inside(a, "c1")
    for sig in (signal.SIGTERM, signal.SIGKILL):
        assert BRIDGE not in restart_watched(dockers.lab, host, sig)
        becomes(c1, DNS, "c2", [demo[1]])
        assert redirects(host)
    becomes(Inside(b, "c2"), DNS, "c1", [demo[0]])


def test_bridge_made_anew(dockers, demo):
    """By an administrator, with another subnet; the documentation of docker_gwbridge tells him to."""
    a = dockers["node1"]
    subnet = "172.29.0.0/16"
    a.cli("network", "disconnect", "demo", "c1")
    a.cli("network", "rm", BRIDGE)
    a.cli("network", "create", "--subnet", subnet, "-o", f"com.docker.network.bridge.name={BRIDGE}", "-o",
          "com.docker.network.bridge.enable_icc=false", BRIDGE)
    a.cli("network", "connect", "demo", "c1")
    assert a.network(BRIDGE)["IPAM"]["Config"][0]["Subnet"] == subnet
    becomes(Inside(a, "c1"), DNS, "c2", [demo[1]])
    assert told(Inside(a, "c1"), DNS, "c2", tcp=True) == [demo[1]]


def test_dockerd_restarts(dockers, demo):
    a = dockers["node1"]
    a.restart()
    a.cli("start", "c1")
    becomes(Inside(a, "c1"), DNS, "c2", [demo[1]])


def test_nobody_left(dockers, demo):
    """Where no container needs it nothing is redirected."""
    a, b = dockers["node1"], dockers["node2"]
    assert redirects(a.host)
    a.cli("rm", "-f", "c1")
    wait_for(lambda: not redirects(a.host), "the redirection is gone")
    a.run("c1", "--network", "demo")
    assert redirects(a.host)
    becomes(Inside(a, "c1"), DNS, "c2", [demo[1]])
    a.cli("rm", "-f", "c1")
    b.cli("rm", "-f", "c2")
    a.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    assert json.loads(a.host.run("nft", "-j", "list", "set", "inet", "ovl", "dnsredir").stdout)["nftables"][1]["set"].get("elem") is None
