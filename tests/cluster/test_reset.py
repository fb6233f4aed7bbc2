# SPDX-License-Identifier: GPL-2.0-or-later
"""`ovlctl reset` with one of everything: the host is afterwards as it was before ovld."""
import json

import pytest
from greet import Greeter, greeting
from procs import wait_for

from lab import Lab

NOISE = ("nf_conntrack_count", "neigh.default.gc", "inode", "random", "ns_last_pid", "stat", "route.flush")


def links(place):
    return {l["ifname"]: (l.get("linkinfo", {}).get("info_kind"), l["mtu"], l.get("ifalias"), sorted(l["flags"]), l.get("master"))
            for l in json.loads(place.run("ip", "-j", "-d", "link").stdout)}


def addresses(place):
    return sorted((a["ifname"], i["local"]) for a in json.loads(place.run("ip", "-j", "addr").stdout) for i in a["addr_info"])


def sysctls(place):
    lines = place.run("sysctl", "-a", "--pattern", r"^net\.").stdout.splitlines()
    return {line for line in lines if not any(word in line for word in NOISE)}


def seen(host):
    return {"links": links(host), "addresses": addresses(host), "sysctls": sysctls(host),
            "routes": sorted(host.run("ip", "route", "show", "table", "all").stdout.splitlines()),
            "nft": host.run("nft", "list", "ruleset").stdout,
            **{tool: host.run(tool, "-S").stdout for tool in ("iptables", "ip6tables")}}


@pytest.mark.parametrize("policy", ["ACCEPT", "DROP"])
def test_nothing_is_left(policy):
    with Lab(hosts=2, etcd=1, start=False) as lab:
        host, outside = lab["node1"], lab.stranger("outside")
        lab.etcd.start()
        # The admin's own: rules, a bridge, forwarding off.
        host.run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0", "net.ipv6.conf.eth0.accept_ra=1")
        for tool in ("iptables", "ip6tables"):
            host.run(tool, "-A", "INPUT", "-s", "192.0.2.7" if tool == "iptables" else "2001:db8::7", "-j", "DROP")
            host.run(tool, "-P", "FORWARD", policy)
        host.run("nft", "add table inet admin")
        host.run("ip", "link", "add", "admin0", "type", "bridge")
        wait_for(lambda: "tentative" not in host.run("ip", "-6", "addr").stdout, "its own addresses are settled")
        before = seen(host)
        lab.start()
        host.ctl("network", "create", "-d", "overlay", "--ipv6", "demo")
        host.ctl("network", "create", "-d", "bridge", "--ipv6", "-o", "bridge.name=custom0", "--subnet", "172.28.1.0/24", "own")
        host.ctl("network", "create", "-d", "bridge", "-o", "icc=false", "--internal", "quiet")
        host.ctl("network", "create", "-d", "macvlan", "--subnet", "192.168.205.0/24", "--ip-range", "192.168.205.224/28",
                 "-o", "parent=eth0", "seg")
        lab.everywhere("demo")
        boxes = {net: lab.container(host, "r-" + net) for net in ("demo", "bridge", "own", "quiet", "seg")}
        boxes["demo"].connect("demo", "-p", "8081:80")
        boxes["own"].connect("own", "-p", "8080:80")
        for net in ("bridge", "quiet", "seg"):
            boxes[net].connect(net)
        boxes["seg"].connect("own")
        far = lab.container("node2", "r-far")
        far.connect("demo")
        boxes["demo"].reaches(far.ip4("demo"))
        with Greeter(boxes["own"], 80, name="own"):
            wait_for(lambda: greeting(outside, host.ip, 8080, timeout=0.5) == ("own", outside.ip), "published")
        assert host.run("sysctl", "-n", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding").stdout.split() == ["1", "1"]
        assert (host.run("iptables", "-S").stdout != before["iptables"]) == (policy == "DROP")
        host.ctl("reset", "-f")
        host.ended()
        after = seen(host)
        for what, was in before.items():
            assert after[what] == was, what
        for net, box in boxes.items():
            wait_for(lambda box=box: list(links(box)) == ["lo"], f"nothing is left in the container on {net}", 5)
        assert host.overlay not in host.run("ip", "netns", "list").stdout.split()
        # Nothing of its endpoints is left in the cluster either; and the node begins anew, its name taken over from what it was.
        wait_for(lambda: [e["Name"] for e in lab["node2"].get("/endpoints") if not e["Local"]] == [], "its endpoints are gone")
        host.start("--takeover")
        boxes["own"].connect("bridge")
        host.reaches(boxes["own"].ip4("bridge"))
