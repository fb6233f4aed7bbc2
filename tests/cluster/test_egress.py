# SPDX-License-Identifier: GPL-2.0-or-later
"""The way out of overlay networks: the bridge gw in the overlay namespace, ovl-gw on the host, and what does not go that way."""
import json
import socket

import netns
import pytest
from greet import Greeter, greeting
from procs import wait_for

LAB = dict(hosts=2, etcd=1)


@pytest.fixture(scope="module")
def nets(lab):
    node1 = lab["node1"]
    node1.ctl("network", "create", "-d", "overlay", "demo")
    node1.ctl("network", "create", "-d", "overlay", "--internal", "inner")
    node1.ctl("network", "create", "-d", "overlay", "--ipv6", "six")
    for net in ("demo", "inner", "six"):
        lab.everywhere(net)
    for node in lab:
        node.run("ip", "addr", "add", f"fd05::{node.name[-1]}/64", "dev", "eth0", "nodad")


@pytest.fixture(scope="module")
def outside(lab):
    place = lab.stranger("outside")
    place.run("ip", "addr", "add", "fd05::99/64", "dev", "eth0", "nodad")
    return place


@pytest.fixture(autouse=True)
def nothing_left(lab, nets):
    yield
    for node in lab:
        for ep in node.get("/endpoints"):
            if ep["Local"]:
                node.ctl("network", "disconnect", "-f", ep["Network"], ep["Name"], check=False)
    for name in netns.names(lab.prefix + "e-"):
        netns.delete(name)
    wait_for(lambda: all(n.get("/endpoints") == [] for n in lab), "no endpoint is left")


@pytest.fixture
def box(lab):
    def make(node, name, *networks):
        c = lab.container(node, "e-" + name)
        for net in networks:
            c.connect(net)
        return c
    return make


def links(place):
    return sorted(link["ifname"] for link in json.loads(place.run("ip", "-j", "link").stdout))


def address(place, ifname):
    info = json.loads(place.run("ip", "-j", "-4", "addr", "show", "dev", ifname).stdout)[0]["addr_info"]
    return info[0]["local"] if info else None


def test_overlay_traffic_in_the_tunnel_the_rest_through_ovl_gw(lab, outside, box):
    c1, c2 = box("node1", "c1", "demo"), box("node2", "c2", "demo")
    assert links(c1) == ["eth0", "eth1", "lo"]
    gw = json.loads(lab["node1"].run("ip", "-j", "-4", "addr", "show", "dev", "ovl-gw").stdout)[0]["addr_info"][0]
    routes = json.loads(c1.run("ip", "-j", "route", "show", "default").stdout)
    assert [(r["gateway"], r["dev"]) for r in routes] == [(gw["local"], "eth1")]
    c1.reaches(c2.ip4("demo"))
    with Greeter(outside, 7100), Greeter(c2, 7101, name="c2"):
        assert greeting(c1, outside.ip, 7100) == ("outside", "192.168.205.10"), "masqueraded"
        # Inside the network the address is its own.
        assert greeting(c1, c2.ip4("demo"), 7101) == ("c2", c1.ip4("demo"))
    # And on the wire it is VXLAN: the far side's device counts it.
    before = json.loads(lab["node2"].overlay_run("ip", "-s", "-j", "link", "show", "type", "vxlan").stdout)[0]["stats64"]["rx"]["packets"]
    c1.ping(c2.ip4("demo"), 5)
    after = json.loads(lab["node2"].overlay_run("ip", "-s", "-j", "link", "show", "type", "vxlan").stdout)[0]["stats64"]["rx"]["packets"]
    assert after >= before + 5


def test_containers_do_not_meet_there(lab, box):
    c1, c2 = box("node1", "c1", "demo"), box("node1", "c2", "six")
    host = lab["node1"]
    a, b = address(c1, "eth1"), address(c2, "eth1")
    assert a and b
    gw = json.loads(host.run("ip", "-j", "-4", "addr", "show", "dev", "ovl-gw").stdout)[0]["addr_info"][0]["local"]
    c1.reaches(gw)
    host.reaches(a)
    c1.cut_from(b)
    # By a route over the host neither.
    c1.run("ip", "route", "add", f"{b}/32", "via", gw)
    c1.cut_from(b)


def test_not_the_hosts_loopback(lab, box):
    c1, host = box("node1", "c1", "demo"), lab["node1"]
    with Greeter(host, 7102, bind="127.0.0.1"):
        c1.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1", "net.ipv4.conf.eth1.route_localnet=1")
        c1.run("ip", "route", "del", "local", "127.0.0.0/8", "table", "local", check=False)
        c1.run("ip", "route", "del", "local", "127.0.0.1", "table", "local", check=False)
        gw = address(host, "ovl-gw")
        c1.run("ip", "route", "add", "127.0.0.1/32", "via", gw, check=False)
        assert greeting(c1, "127.0.0.1", 7102, timeout=0.7, source=address(c1, "eth1")) is None


def test_not_the_vxlan_port_of_any_node(lab, box):
    """A container that sends VXLAN to a node's port, directly or masqueraded, gets nothing into a network."""
    c1 = box("node1", "c1", "demo")
    dropped = {h.name: h.info()["ForeignVxlanDropped"] for h in lab}
    with c1.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for node in lab:
            for _ in range(5):
                s.sendto(bytes.fromhex("0800000010000000") + bytes(60), (node.ip, 4789))
    wait_for(lambda: lab["node1"].info()["ForeignVxlanDropped"] >= dropped["node1"] + 10, "counted where they entered the host")
    assert lab["node2"].info()["ForeignVxlanDropped"] == dropped["node2"]


def test_internal_has_no_way_out(lab, outside, box):
    c1, c2 = box("node1", "c1", "inner"), box("node2", "c2", "inner")
    assert links(c1) == ["eth0", "lo"]
    assert json.loads(c1.run("ip", "-j", "route", "show", "default").stdout or "[]") == []
    c1.reaches(c2.ip4("inner"))
    c1.cut_from(outside.ip)


def test_ipv6_goes_out_where_the_network_has_it(outside, box):
    c = box("node1", "c", "six")
    with Greeter(outside, 7103, family=socket.AF_INET6):
        assert greeting(c, "fd05::99", 7103) == ("outside", "fd05::1"), "NAT66"
    d = box("node1", "d", "demo")
    done = d.run("ip", "-6", "route", "show", "default")
    assert done.stdout == ""


def test_a_bridge_comes_before_it(lab, box):
    """Who has a local network that leads out needs no egress interface; it comes and goes as networks do."""
    c = box("node1", "c", "bridge", "demo")
    assert links(c) == ["eth0", "eth1", "lo"]
    routes = json.loads(c.run("ip", "-j", "route", "show", "default").stdout)
    assert [r["dev"] for r in routes] == ["eth0"]
    c.disconnect("bridge")
    wait_for(lambda: [r["dev"] for r in json.loads(c.run("ip", "-j", "route", "show", "default").stdout or "[]")] not in ([], ["eth0"]),
             "the egress interface has come")
    assert c.ping(lab["node1"].ip, check=False).returncode == 0
    c.connect("bridge")
    # The name eth0 may be taken or free: the default route is the bridge's again.
    gw = lab["node1"].inspect("bridge")["IPAM"]["Config"][0]["Gateway"]
    wait_for(lambda: [r["gateway"] for r in json.loads(c.run("ip", "-j", "route", "show", "default").stdout or "[]")] == [gw],
             "the bridge leads out again")


def test_the_last_interface_whatever_the_networks(lab, box, nets):
    host = lab["node1"]
    host.ctl("run", "-d", "--name", "e-run", "--network", "demo", "--network", "six", "--network", "inner", "--", "sleep", "1000")
    try:
        routes = json.loads(host.ctl("exec", "e-run", "ip", "-j", "route", "show", "default").stdout)
        assert [r["dev"] for r in routes] == ["eth3"]
        shown = host.get("/containers/e-run/json")["NetworkSettings"]["Networks"]
        assert [shown[n]["IfName"] for n in ("demo", "six", "inner")] == ["eth0", "eth1", "eth2"]
    finally:
        host.ctl("stop", "-t", "0", "e-run")


def test_it_goes_with_the_last_that_needs_it(lab, box):
    """The interface in the container, that is; the bridge stays, as docker_gwbridge does."""
    c = box("node1", "c", "demo", "six")
    c.disconnect("demo")
    way_out = [r["dev"] for r in json.loads(c.run("ip", "-j", "route", "show", "default").stdout)]
    assert len(way_out) == 1 and address(c, *way_out)
    c.disconnect("six")
    wait_for(lambda: links(c) == ["lo"], "nothing of ovl is left in it")
    wait_for(lambda: lab["node1"].get("/endpoints") == [], "no endpoint is left")
    assert lab["node1"].link("ovl-gw")["operstate"] == "UP"


def test_the_host_forwards_and_says_so(lab, box):
    box("node2", "c", "demo")
    host = lab["node2"]
    assert host.run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip() == "1"
    assert "ip_forward" in open(host.log, encoding="utf-8").read()


def test_what_is_altered_is_repaired(lab, outside, box):
    c, host = box("node1", "c", "demo"), lab["node1"]
    egress = next(e for e in host.get("/endpoints") if e["Network"] == "egress")
    with Greeter(outside, 7104):
        for where, alter in ((host, ["ip", "link", "set", "ovl-gw", "down"]),
                             (host, ["ip", "link", "del", "ovl-gw"]),
                             (host, ["ip", "addr", "flush", "dev", "ovl-gw"]),
                             (host, ["nft", "flush", "ruleset"]),
                             (host, ["sysctl", "-qw", "net.ipv4.ip_forward=0"]),
                             (host, ["sysctl", "-qw", "net.ipv4.conf.ovl-gw.forwarding=0"]),
                             (None, ["ip", "link", "set", "gw-up", "nomaster"]),
                             (None, ["ip", "link", "set", egress["Port"], "type", "bridge_slave", "isolated", "off"]),
                             (None, ["ip", "link", "del", "gw"])):
            before = host.info()["Reconcile"]["DriftRepaired"]
            (host.run if where else host.overlay_run)(*alter)
            wait_for(lambda: host.info()["Reconcile"]["DriftRepaired"] > before, f"{alter}: noticed", 5)
            wait_for(lambda: greeting(c, outside.ip, 7104, timeout=0.5) == ("outside", host.ip), f"{alter}: whole again", 5)


def test_ipv6_forwarding_switched_off_is_repaired(lab, box):
    box("node1", "c", "six")
    host, name = lab["node1"], "net.ipv6.conf.all.forwarding"
    before = host.info()["Reconcile"]["DriftRepaired"]
    for times in (1, 2, 3):
        host.run("sysctl", "-qw", f"{name}=0")
        # Each time once: what we write ourselves is not taken for another's hand.
        wait_for(lambda: host.info()["Reconcile"]["DriftRepaired"] >= before + times, "counted", 5)
        assert host.info()["Reconcile"]["DriftRepaired"] == before + times
        assert host.run("sysctl", "-n", name).stdout.strip() == "1"
    assert f"sysctl={name}" in open(host.log, encoding="utf-8").read()


def test_the_subnet_is_none_that_the_host_routes(lab):
    """On a host that routes 172.31.0.0/16 and 172.30.0.0/16 elsewhere already, the next one is taken."""
    host = lab["node2"]
    net = host.inspect("egress")["IPAM"]["Config"][0]["Subnet"]
    bridge = host.inspect("bridge")["IPAM"]["Config"][0]["Subnet"]
    assert net != bridge and net.startswith("172.") and bridge.startswith("172.31.")


def test_its_mtu_follows_the_way_out(lab, box):
    host = lab["node2"]
    box("node2", "c", "demo")
    # A way out of its own, so that the underlay keeps its MTU.
    host.run("ip", "link", "add", "up0", "mtu", "1400", "type", "veth", "peer", "name", "up1", "mtu", "1400")
    host.run("ip", "link", "set", "up1", "up")
    host.run("ip", "link", "set", "up0", "up")
    host.run("ip", "addr", "add", "192.168.77.2/24", "dev", "up0")
    assert host.link("ovl-gw")["mtu"] == 1500
    host.run("ip", "route", "add", "default", "via", "192.168.77.1", "dev", "up0")
    try:
        wait_for(lambda: host.link("ovl-gw")["mtu"] == 1400, "ovl-gw has the MTU of the way out", 5)
        assert json.loads(host.overlay_run("ip", "-j", "link", "show", "dev", "gw").stdout)[0]["mtu"] == 1400
        d = box("node2", "d", "demo")
        assert d.link("eth1")["mtu"] == 1400 and d.link("eth0")["mtu"] == 1450
    finally:
        host.run("ip", "route", "del", "default")
        host.run("ip", "link", "del", "up0")
    wait_for(lambda: host.link("ovl-gw")["mtu"] == 1500, "and back", 5)
