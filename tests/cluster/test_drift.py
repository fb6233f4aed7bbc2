# SPDX-License-Identifier: GPL-2.0-or-later
"""Each kind of object deleted or altered by hand is back within a second, traffic included."""

import netns
import pytest
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
SOON = 1.5  # seconds; the sanitized build on two cores shares them with everything else here


@pytest.fixture(scope="module")
def pair(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "--ipv6", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    c1.reaches(c2.ip4("demo"))
    return c1, c2


@pytest.fixture()
def names(lab, pair):
    links = [l["ifname"] for l in lab["node1"].overlay_json("ip", "-j", "link")]
    return dict(br=next(l for l in links if l.startswith("br")), vx=next(l for l in links if l.startswith("vx")),
                ve=next(l for l in links if l.startswith("ve")))


def whole(host):
    """Everything ours in the overlay namespace, without counters, indexes and ages; flags of entries stick (facts §5) and do not count."""
    links = {l["ifname"]: (l["mtu"], "UP" in l["flags"], l.get("master"), l["address"] if l["ifname"][:2] == "br" else "")
             for l in host.overlay_json("ip", "-j", "-d", "link") if l["ifname"] != "lo"}
    fdb = sorted((f["mac"], f.get("ifname", ""), f.get("dst", ""), f.get("master", ""))
                 for f in host.overlay_json("bridge", "-j", "fdb")
                 if f["mac"].startswith("02:42:0a") or f["mac"] == "00:00:00:00:00:00")
    neigh = sorted((n["dst"], n["lladdr"]) for n in host.overlay_json("ip", "-j", "neigh") if "NOARP" in n["state"])
    flags = {l["ifname"]: (l.get("learning"), l.get("neigh_suppress"), l.get("locked"))
             for l in host.overlay_json("bridge", "-j", "-d", "link")}
    addrs = sorted((a["ifname"], i["local"]) for a in host.overlay_json("ip", "-j", "addr")
                   for i in a["addr_info"] if i["scope"] == "global")
    rules = [host.overlay_run("nft", "-s", "list", "ruleset").stdout, host.run("nft", "-s", "list", "table", "inet", "ovl").stdout]
    return links, fdb, neigh, flags, addrs, [sorted(r.split()) for r in rules]


def back(host, before, what):
    """Wait until all is as before; a failure names what is not."""
    try:
        wait_for(lambda: whole(host) == before, f"{what}: all as before", SOON)
    except AssertionError as e:
        now = whole(host)
        raise AssertionError(f"{e}\n" + "\n".join(f"was {b}\nis  {n}" for b, n in zip(before, now) if b != n)) from e


ALTERATIONS = {
    "fdb entry of the device": "bridge fdb del {mac2} dev {vx} dst {vtep2} self",
    "fdb entry of the bridge": "bridge fdb del {mac2} dev {vx} master",
    "fdb entry to another node": "bridge fdb replace {mac2} dev {vx} dst 192.168.205.77 self",
    "flood entry": "bridge fdb del 00:00:00:00:00:00 dev {vx} dst {vtep2} self",
    "neighbour": "ip neigh del {ip2} dev {br}",
    "neighbour with another MAC": "ip neigh replace {ip2} lladdr 02:42:99:99:99:99 nud noarp extern_learn dev {br}",
    "IPv6 neighbour": "ip -6 neigh del {ip62} dev {br}",
    "local fdb entry": "bridge fdb del {mac1} dev {ve} master",
    "learning on a port": "bridge link set dev {ve} learning on",
    "unlocked port": "bridge link set dev {ve} locked off",
    "no suppression": "bridge link set dev {vx} neigh_suppress off",
    "port off its bridge": "ip link set {ve} nomaster",
    "port down": "ip link set {ve} down",
    "port deleted": "ip link del {ve}",
    "VXLAN device deleted": "ip link del {vx}",
    "VXLAN device down": "ip link set {vx} down",
    "VXLAN device off its bridge": "ip link set {vx} nomaster",
    "bridge deleted": "ip link del {br}",
    "bridge down": "ip link set {br} down",
    "bridge with another MAC": "ip link set {br} address 02:00:00:00:00:01",
    "MTU of the device": "ip link set {vx} mtu 1000",
    "MTU of the bridge": "ip link set {br} mtu 1000",
    "MTU of a port": "ip link set {ve} mtu 1000",
    "gateway address": "ip addr flush dev {br}",
    "rules of the overlay namespace": "nft flush ruleset",
    "one table": "nft delete table bridge ovl",
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_repaired(lab, pair, names, what):
    c1, c2 = pair
    node1, other = lab["node1"], c2.endpoint("demo")
    before = whole(node1)
    words = dict(names, mac1=c1.mac(), mac2=other["MacAddress"], ip2=other["ip4"], ip62=other["ip6"], vtep2=lab["node2"].ip)
    # Done and seen as done before the repair can be waited for: the repair counter says that it was noticed.
    repaired = node1.info()["Reconcile"]["DriftRepaired"]
    node1.overlay_run(*ALTERATIONS[what].format(**words).split())
    wait_for(lambda: node1.info()["Reconcile"]["DriftRepaired"] > repaired, f"{what}: noticed", SOON)
    back(node1, before, what)
    c1.reaches(other["ip4"], 3)
    c2.reaches(c1.ip4("demo"), 3)
    c1.reaches(other["ip6"], 3)


def test_rules_of_the_host(lab, pair):
    c1, c2 = pair
    node1 = lab["node1"]
    before = whole(node1)
    node1.run("nft", "flush", "ruleset")
    back(node1, before, "rules of the host")
    c2.reaches(c1.ip4("demo"), 3)


def test_sysctl(lab, pair):
    """Nothing tells of a sysctl: the audit finds it."""
    node1 = lab["node1"]
    node1.overlay_run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    wait_for(lambda: node1.overlay_run("sysctl", "-n", "net.ipv4.ip_forward").stdout.strip() == "0", "ip_forward off again", 75)


def test_the_whole_namespace(lab, pair):
    c1, c2 = pair
    node1 = lab["node1"]
    before = whole(node1)
    netns.delete(node1.overlay)
    wait_for(lambda: node1.overlay_run("true", check=False).returncode == 0, "the namespace is back by name", SOON)
    assert whole(node1) == before
    c1.reaches(c2.ip4("demo"), 3)


def test_the_namespace_while_the_agent_is_away(lab, pair):
    c1, c2 = pair
    node1 = lab["node1"]
    before = whole(node1)
    node1.stop()
    netns.delete(node1.overlay)
    node1.start()
    c1.reaches(c2.ip4("demo"), 5)
    c2.reaches(c1.ip4("demo"), 5)

    back(node1, before, "namespace made anew")


@pytest.mark.parametrize("what", ["another address", "another address instead of its own", "any MAC's"])
def test_port_security_of_a_bridge_of_the_host(lab, what):
    """Elements that nothing in the kernel contradicts: what the port shall have decides."""
    host = lab["node1"]
    c = lab.container(host, "guarded")
    try:
        ep = c.connect("bridge")
        key = f"{ep['Port']} . {ep['MacAddress']} . {ep['ip4']}"
        listed = lambda: host.run("nft", "list", "table", "bridge", "ovl").stdout  # noqa: E731
        wait_for(lambda: key in listed().replace('"', ""), "its own element stands")
        before = sorted(listed().split())
        repaired = host.info()["Reconcile"]["DriftRepaired"]
        other = key.replace(ep["ip4"], "198.51.100.7")
        if what == "any MAC's":
            host.run("nft", f"add element bridge ovl free {{ {ep['Port']} }}")
        else:
            host.run("nft", f"add element bridge ovl guard4 {{ {other} }}"
                            + (f"; delete element bridge ovl guard4 {{ {key} }}" if "instead" in what else ""))
        wait_for(lambda: host.info()["Reconcile"]["DriftRepaired"] > repaired, "noticed", SOON)
        wait_for(lambda: sorted(listed().split()) == before, "as before", SOON)
        host.reaches(ep["ip4"], 3)
    finally:
        c.disconnect("bridge", check=False)
        c.delete()
