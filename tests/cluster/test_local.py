# SPDX-License-Identifier: GPL-2.0-or-later
"""Local networks, without any etcd: what Docker does on one host."""
import ipaddress
import json
import re
import signal
import socket

import netns
import pytest
from flows import Ping
from greet import Greeter, greeting
from procs import wait_for

LAB = dict(hosts=1, etcd=0)


@pytest.fixture(scope="module")
def host(lab):
    return lab["node1"]


@pytest.fixture(scope="module")
def outside(lab):
    """A machine beside the host."""
    return lab.stranger("outside")


@pytest.fixture(autouse=True)
def nothing_left(lab, host):
    yield
    names = host.ctl("ps", "-q").stdout.split()
    if names:
        host.ctl("stop", "-t", "0", *names)
    for ep in host.get("/endpoints"):
        host.ctl("network", "disconnect", "-f", ep["Network"], ep["Name"], check=False)
    for name in netns.names(lab.prefix + "k-"):
        netns.delete(name)
    wait_for(lambda: host.get("/endpoints") == [], "no endpoint is left")
    for net in host.get("/networks"):
        if net["Name"] not in ("bridge", "host", "none", "egress"):
            host.ctl("network", "rm", net["Name"])


@pytest.fixture
def box(lab, host):
    """box("c1", "bridge", ...): a namespace, connected to the networks."""
    def make(name, *nets):
        c = lab.container(host, "k-" + name)
        for net in nets:
            c.connect(net)
        return c
    return make


def gateway(host, net):
    return host.inspect(net)["IPAM"]["Config"][0]["Gateway"]


def default_route(place):
    routes = json.loads(place.run("ip", "-j", "route", "show", "default").stdout or "[]")
    return [(r["gateway"], r["dev"]) for r in routes]


def bridges(host):
    return sorted(link["ifname"] for link in json.loads(host.run("ip", "-j", "link", "show", "type", "bridge").stdout or "[]"))


# ---- what is there from the start ----

def test_three_networks_from_the_start(host):
    rows = [line.split() for line in host.ctl("network", "ls").stdout.splitlines()]
    assert [r[1:] for r in rows[1:]] == [["bridge", "bridge", "local"], ["host", "host", "local"], ["none", "null", "local"]]
    for name in ("bridge", "host", "none"):
        done = host.ctl("network", "rm", name, check=False)
        assert done.returncode == 1 and "pre-defined" in done.stderr, done
    assert host.inspect("bridge")["Options"]["bridge.name"] == "ovl0"
    assert "ovl0" in bridges(host)


def test_overlay_needs_etcd(host):
    done = host.ctl("network", "create", "-d", "overlay", "demo", check=False)
    assert done.returncode == 1 and "needs etcd" in done.stderr


# ---- the walks of a packet ----

def test_two_containers_the_host_and_the_outside(host, outside, box):
    c1, c2 = box("c1", "bridge"), box("c2", "bridge")
    subnet = ipaddress.ip_network(host.inspect("bridge")["IPAM"]["Config"][0]["Subnet"])
    ep = c1.endpoint("bridge")
    assert ipaddress.ip_address(ep["ip4"]) in subnet
    assert default_route(c1) == [(gateway(host, "bridge"), "eth0")]
    c1.reaches(c2.ip4("bridge"))
    c1.reaches(gateway(host, "bridge"))
    host.reaches(ep["ip4"])
    with Greeter(outside, 7100):
        assert greeting(c1, outside.ip, 7100) == ("outside", host.ip), "masqueraded"
    # The pair: eth0@ifN, N the number of the host end, a port of ovl0.
    peer = c1.link("eth0")["link_index"]
    port = host.link(ep["Port"])
    assert port["ifindex"] == peer and port["master"] == "ovl0"
    # When the namespace ends, everything of it goes by itself.
    c1.delete()
    wait_for(lambda: [e["Name"] for e in host.get("/endpoints")] == ["k-c2"], "its endpoint is withdrawn")
    assert host.run("ip", "link", "show", ep["Port"], check=False).returncode != 0


def test_bridges_are_isolated_from_each_other(host, outside, box):
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.1.0/24", "one")
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.2.0/24", "two")
    a, b = box("a", "one"), box("b", "two")
    host.reaches(a.ip4("one"))
    host.reaches(b.ip4("two"))
    a.cut_from(b.ip4("two"))
    b.cut_from(a.ip4("one"))
    # Nor from outside by a route to the host: only what is published.
    outside.run("ip", "route", "replace", "172.28.0.0/16", "via", host.ip)
    outside.cut_from(a.ip4("one"))
    with Greeter(a, 7101):
        assert greeting(outside, a.ip4("one"), 7101, timeout=0.7) is None
        assert greeting(host, a.ip4("one"), 7101) is not None


def test_icc_off(host, box):
    host.ctl("network", "create", "-d", "bridge", "-o", "icc=false", "quiet")
    a, b = box("a", "quiet"), box("b", "quiet")
    host.reaches(a.ip4("quiet"))
    a.reaches(gateway(host, "quiet"))
    a.cut_from(b.ip4("quiet"))


def test_internal(host, outside, box):
    host.ctl("network", "create", "-d", "bridge", "--internal", "inner")
    a, b = box("a", "inner"), box("b", "inner")
    a.reaches(b.ip4("inner"))
    assert default_route(a) == []
    a.run("ip", "route", "add", "default", "via", gateway(host, "inner"))
    a.cut_from(outside.ip)
    outside.run("ip", "route", "replace", a.ip4("inner") + "/32", "via", host.ip)
    outside.cut_from(a.ip4("inner"))


def test_ipv6(host, outside, box):
    netns.sh("ip", "-n", host.netns, "addr", "add", "fd05::1/64", "dev", "eth0", "nodad")
    netns.sh("ip", "-n", outside.netns, "addr", "add", "fd05::99/64", "dev", "eth0", "nodad")
    host.ctl("network", "create", "-d", "bridge", "--ipv6", "six")
    a, b = box("a", "six"), box("b", "six")
    a.reaches(b.ip6("six"))
    with Greeter(outside, 7102, family=socket.AF_INET6):
        assert greeting(a, "fd05::99", 7102) == ("outside", "fd05::1"), "NAT66"


def test_by_hand_on_ovl0(host, outside, box):
    """A namespace wired with ip(8) onto our bridge gets traffic through, and ovl leaves it alone."""
    c1 = box("c1", "bridge")
    hand = box("hand")
    subnet = ipaddress.ip_network(host.inspect("bridge")["IPAM"]["Config"][0]["Subnet"])
    ip = str(subnet.broadcast_address - 5)
    host.run("ip", "link", "add", "A", "type", "veth", "peer", "name", "eth0", "netns", hand.netns)
    host.run("ip", "link", "set", "A", "master", "ovl0", "up")
    hand.run("ip", "addr", "add", f"{ip}/{subnet.prefixlen}", "dev", "eth0")
    hand.run("ip", "link", "set", "eth0", "up")
    hand.run("ip", "route", "add", "default", "via", gateway(host, "bridge"))
    hand.reaches(c1.ip4("bridge"))
    c1.reaches(ip)
    with Greeter(outside, 7103):
        assert greeting(hand, outside.ip, 7103) == ("outside", host.ip)
    def flags():
        link = host.link("A")
        told = link["linkinfo"]["info_slave_data"]
        return link["master"], {k: v for k, v in told.items() if isinstance(v, bool)}
    before = flags()
    host.stop()
    host.start()
    hand.reaches(c1.ip4("bridge"))
    assert flags() == before


# ---- several networks ----

def test_connect_and_disconnect_of_a_running_one(host, box):
    host.ctl("network", "create", "-d", "bridge", "mine")
    c = box("c", "bridge")
    other = box("other", "mine")
    c.connect("mine")
    c.reaches(other.ip4("mine"))
    assert default_route(c) == [(gateway(host, "bridge"), "eth0")]
    c.disconnect("bridge")
    wait_for(lambda: default_route(c) == [(gateway(host, "mine"), "eth1")], "the other network leads out")
    c.reaches(other.ip4("mine"))


def test_gw_priority(host, box):
    host.ctl("network", "create", "-d", "bridge", "zz")
    c = box("c", "bridge")
    c.connect("zz", "--gw-priority", "1")
    assert default_route(c) == [(gateway(host, "zz"), "eth1")]
    c.disconnect("zz")
    assert default_route(c) == [(gateway(host, "bridge"), "eth0")]


def test_an_address_on_request_and_one_that_is_taken(host, box):
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.9.0/29", "tiny")
    a, b = box("a"), box("b")
    assert a.connect("tiny", "--ip", "172.28.9.4")["ip4"] == "172.28.9.4"
    done = b.connect("tiny", "--ip", "172.28.9.4", check=False)
    assert done.returncode == 1 and "172.28.9.4" in done.stderr
    for i in range(4):
        box(f"x{i}", "tiny")
    done = b.connect("tiny", check=False)
    assert done.returncode == 1 and re.search("no|taken|free", done.stderr)
    assert len(host.inspect("tiny")["Containers"]) == 5


# ---- devices on the host's own segment ----

def test_macvlan(host, outside, box):
    host.ctl("network", "create", "-d", "macvlan", "--subnet", "192.168.205.0/24", "--ip-range", "192.168.205.224/28",
             "-o", "parent=eth0", "seg")
    a, b = box("a", "seg"), box("b", "seg")
    assert ipaddress.ip_address(a.ip4("seg")) in ipaddress.ip_network("192.168.205.224/28")
    a.reaches(outside.ip)
    outside.reaches(a.ip4("seg"))
    a.reaches(b.ip4("seg"))
    with Greeter(outside, 7104):
        assert greeting(a, outside.ip, 7104) == ("outside", a.ip4("seg"))
    host.stop()
    host.start()
    assert host.info()["Reconcile"]["Writes"] == 0
    a.reaches(outside.ip)
    a.disconnect("seg")
    wait_for(lambda: a.run("ip", "link", "show", "eth0", check=False).returncode != 0, "the device goes")


def test_macvlan_left_when_the_agent_was_killed(host, box):
    """Killed within a disconnect, at a moment of chance: what was said to be gone is gone after the next start."""
    host.ctl("network", "create", "-d", "macvlan", "--subnet", "192.168.205.0/24", "--ip-range", "192.168.205.224/28",
             "-o", "parent=eth0", "seg")
    for i in range(4):
        boxes = [box(f"k{i}{n}", "seg") for n in "abc"]
        status = [c.disconnect("seg", check=False).returncode for c in boxes]
        host.stop(signal.SIGKILL)
        assert status == [0, 0, 0]
        host.start()
        for c in boxes:
            wait_for(lambda c=c: c.run("ip", "link", "show", "eth0", check=False).returncode != 0, "the device goes", 5)
        assert host.get("/endpoints") == []


def test_macvlan_on_a_port_of_a_bridge_is_refused(host):
    host.run("ip", "link", "add", "busy0", "type", "veth", "peer", "name", "busy1")
    host.run("ip", "link", "add", "sw0", "type", "bridge")
    host.run("ip", "link", "add", "vrf7", "type", "vrf", "table", "77", check=False)
    create = ["network", "create", "-d", "macvlan", "--subnet", "198.51.100.0/24", "-o", "parent=busy0", "seg"]
    try:
        host.run("ip", "link", "set", "busy0", "master", "sw0")
        done = host.ctl(*create, check=False)
        assert done.returncode == 1 and "port of sw0" in done.stderr
        if host.run("ip", "link", "set", "busy0", "master", "vrf7", check=False).returncode == 0:
            host.ctl(*create)
            host.ctl("network", "rm", "seg")
        host.run("ip", "link", "set", "busy0", "nomaster")
        host.ctl(*create)
    finally:
        host.ctl("network", "rm", "seg", check=False)
        for name in ("busy0", "sw0", "vrf7"):
            host.run("ip", "link", "del", name, check=False)


def test_ipvlan_is_refused_by_a_kernel_without_it(host, box):
    if host.run("ip", "link", "add", "probe0", "link", "eth0", "type", "ipvlan", check=False).returncode == 0:
        host.run("ip", "link", "del", "probe0")
        host.ctl("network", "create", "-d", "ipvlan", "--subnet", "192.168.205.0/24", "-o", "parent=eth0", "ipv")
        box("a", "ipv").reaches(host.ip)
        return
    made = host.ctl("network", "create", "-d", "ipvlan", "--subnet", "192.168.205.0/24", "-o", "parent=eth0", "ipv", check=False)
    if made.returncode == 0:
        made = box("a").connect("ipv", check=False)
    assert made.returncode == 1 and "ipvlan" in made.stderr


# ---- restarts ----

@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_writes_nothing_and_loses_nothing(host, outside, box, sig):
    host.ctl("network", "create", "-d", "bridge", "-o", "icc=false", "quiet")
    c1, c2 = box("c1", "bridge"), box("c2", "bridge")
    box("c3", "quiet")
    wait_for(lambda: host.info()["Reconcile"]["Dirty"] == 0, "at rest")
    rules = host.run("nft", "list", "ruleset").stdout
    with Ping(c1, c2.ip4("bridge")) as ping:
        host.stop(sig)
        host.start()
        wait_for(lambda: host.info()["Reconcile"]["Audits"] >= 1 and host.info()["Reconcile"]["Dirty"] == 0, "at rest")
    assert ping.lost == 0
    assert host.info()["Reconcile"]["Writes"] == 0
    assert re.sub("packets [0-9]+ bytes [0-9]+", "", host.run("nft", "list", "ruleset").stdout) == \
        re.sub("packets [0-9]+ bytes [0-9]+", "", rules)
    assert c1.ip4("bridge") and len(host.inspect("bridge")["Containers"]) == 2


def test_what_is_altered_is_repaired(host, box):
    c1, c2 = box("c1", "bridge"), box("c2", "bridge")
    ip, port = c2.ip4("bridge"), c1.endpoint("bridge")["Port"]
    for alter in (["nft", "flush", "ruleset"],
                  ["nft", "delete", "table", "inet", "ovl"],
                  ["ip", "addr", "flush", "dev", "ovl0"],
                  ["ip", "link", "set", port, "nomaster"],
                  ["ip", "link", "set", port, "down"],
                  ["ip", "link", "del", "ovl0"],
                  ["ip", "link", "del", port]):
        before = host.info()["Reconcile"]["DriftRepaired"]
        host.run(*alter)
        wait_for(lambda: host.info()["Reconcile"]["DriftRepaired"] > before, f"{alter}: noticed", 5)
        c1.reaches(ip, 3)
        c1.reaches(gateway(host, "bridge"), 3)


# ---- bad input ----

@pytest.mark.parametrize("args, text", [
    (["-d", "swarm", "x"], "swarm"),
    (["-d", "bridge", "-o", "nosuch=1", "x"], "nosuch"),
    (["-d", "bridge", "-o", "icc=perhaps", "x"], "icc"),
    (["-d", "bridge", "-o", "mtu=10", "x"], "mtu"),
    (["-d", "bridge", "-o", "mtu=70000", "x"], "mtu"),
    (["-d", "bridge", "-o", "gateway-mode=magic", "x"], "gateway-mode"),
    (["-d", "bridge", "-o", "bridge.name=a-name-of-16-chr", "x"], "15"),
    (["-d", "bridge", "-o", "bridge.name=eth0", "x"], "eth0"),
    (["-d", "bridge", "-o", "host-binding-ipv4=elsewhere", "x"], "host-binding-ipv4"),
    (["-d", "bridge", "--subnet", "192.168.205.0/25", "x"], "192.168.205"),
    (["-d", "bridge", "bridge"], "bridge"),
    (["-d", "bridge", "none"], "none"),
    (["-d", "macvlan", "--subnet", "192.168.205.0/24", "x"], "parent"),
    (["-d", "macvlan", "--subnet", "192.168.205.0/24", "-o", "parent=nosuch0", "x"], "nosuch0"),
    (["-d", "macvlan", "-o", "parent=eth0", "x"], "subnet"),
    (["-d", "macvlan", "--subnet", "192.168.205.0/24", "-o", "parent=eth0", "-o", "mode=odd", "x"], "mode"),
], ids=lambda v: "-".join(v[1:]) if isinstance(v, list) else v)
def test_bad_input(host, args, text):
    before = (host.get("/networks"), bridges(host))
    done = host.ctl("network", "create", *args, check=False)
    assert done.returncode == 1 and text in done.stderr, done
    assert (host.get("/networks"), bridges(host)) == before


def test_two_networks_cannot_overlap_or_share_a_name(host):
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.0.0/16", "wide")
    done = host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.4.0/24", "x", check=False)
    assert done.returncode == 1 and "wide" in done.stderr
    done = host.ctl("network", "create", "-d", "bridge", "wide", check=False)
    assert done.returncode == 1 and "wide" in done.stderr


def test_docker_option_names(host):
    host.ctl("network", "create", "-d", "bridge", "-o", "com.docker.network.bridge.name=mybr0", "-o",
             "com.docker.network.bridge.enable_icc=false", "-o", "com.docker.network.driver.mtu=1400", "dock")
    assert "mybr0" in bridges(host)
    assert host.inspect("dock")["Options"]["mtu"] == "1400"
    host.ctl("network", "rm", "dock")
    wait_for(lambda: "mybr0" not in bridges(host), "the bridge goes with its network")


def test_prune(host, box):
    host.ctl("network", "create", "-d", "bridge", "used")
    host.ctl("network", "create", "-d", "bridge", "idle")
    box("a", "used")
    host.ctl("network", "prune", "-f")
    names = [n["Name"] for n in host.get("/networks")]
    assert "used" in names and "idle" not in names and "bridge" in names
