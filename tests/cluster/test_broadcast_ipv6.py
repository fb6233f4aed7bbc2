# SPDX-License-Identifier: GPL-2.0-or-later
"""Broadcast and multicast between hosts, and without them; IPv6."""
import socket
import struct

import packet
import pytest
from flows import transfer
from packet import Sniffer
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
GROUP = "239.1.2.3"


@pytest.fixture(scope="module")
def c(lab):
    """near and far, with a third beside near: on `loud`, on `quiet` (flood off) and on `six` (IPv6)."""
    lab["node1"].ctl("network", "create", "-d", "overlay", "loud")
    lab["node1"].ctl("network", "create", "-d", "overlay", "-o", "flood=off", "quiet")
    lab["node1"].ctl("network", "create", "-d", "overlay", "--ipv6", "six")
    made = {}
    for name, host in (("near", "node1"), ("beside", "node1"), ("far", "node2")):
        made[name] = lab.container(host, name)
        for net in ("loud", "quiet", "six"):
            lab[host].knows(net)
            made[name].connect(net)
    for net in ("loud", "quiet", "six"):
        made["near"].reaches(made["far"].ip4(net))
        made["near"].reaches(made["beside"].ip4(net))
    return made


def listener(box, net, group=None):
    s = box.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", 6000))
    if group:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     socket.inet_aton(group) + socket.inet_aton(box.ip4(net)))
    s.settimeout(5)
    return s


def shout(box, net, to, text):
    with box.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(box.ip4(net)))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, box.endpoint(net)["IfName"].encode())
        s.sendto(text, (to, 6000))


def subnet_broadcast(box, net):
    return ".".join(box.ip4(net).split(".")[:3]) + ".255"


@pytest.mark.parametrize("how", ["limited", "subnet", "multicast"])
def test_crosses_hosts(c, how):
    to = {"limited": "255.255.255.255", "subnet": subnet_broadcast(c["near"], "loud"), "multicast": GROUP}[how]
    group = GROUP if how == "multicast" else None
    for sender, others in (("near", ("beside", "far")), ("far", ("near", "beside"))):
        ears = [listener(c[n], "loud", group) for n in others]
        try:
            shout(c[sender], "loud", to, how.encode())
            for ear in ears:
                text, (source, _) = ear.recvfrom(100)
                assert text == how.encode() and source == c[sender].ip4("loud")
        finally:
            for ear in ears:
                ear.close()


@pytest.mark.parametrize("how", ["limited", "multicast"])
def test_arrives_once(c, how):
    """No copy comes twice, and none comes back to the sender's node."""
    to = {"limited": "255.255.255.255", "multicast": GROUP}[how]
    text = b"only once " + how.encode()
    ifname = {n: c[n].endpoint("loud")["IfName"] for n in c}
    sniffers = {n: Sniffer(c[n], ifname[n], incoming_only=True) for n in c}
    try:
        shout(c["near"], "loud", to, text)
        for n in ("beside", "far"):
            assert sniffers[n].wait(lambda f: text in f)
        c["near"].ping(c["far"].ip4("loud"), 3)
        counts = {n: len(sniffers[n].frames(lambda f: text in f)) for n in c}
        assert counts == {"near": 0, "beside": 1, "far": 1}
    finally:
        for s in sniffers.values():
            s.sock.close()


def test_flood_off_sends_none_to_other_hosts(lab, c):
    text = b"not over the tunnel"
    with Sniffer(c["far"], c["far"].endpoint("quiet")["IfName"], incoming_only=True) as far, \
            Sniffer(c["beside"], c["beside"].endpoint("quiet")["IfName"], incoming_only=True) as beside, \
            Sniffer(lab["node1"], "eth0") as wire:
        for to in ("255.255.255.255", subnet_broadcast(c["near"], "quiet"), GROUP):
            shout(c["near"], "quiet", to, text)
        c["near"].cut_from(".".join(c["near"].ip4("quiet").split(".")[:3]) + ".200", 1)
        c["near"].ping(c["far"].ip4("quiet"))  # unicast goes on, and comes after what was sent before
        assert len(beside.frames(lambda f: text in f)) == 3
        assert far.frames(lambda f: text in f) == []
        vni = int(lab["node1"].inspect("quiet")["Options"]["vni"])
        assert [u for u in wire.inner(lambda f: text in f or f[0] & 1) if u[2] == vni] == []


def test_ipv6_between_hosts(c):
    a, b = c["near"].ip6("six"), c["far"].ip6("six")
    assert a.startswith("fd") and b.startswith("fd") and a != b
    c["near"].reaches(b, 2)
    c["near"].ping(b, 5)
    c["far"].ping(a, 5)
    c["near"].ping(c["beside"].ip6("six"), 2)
    transfer(c["near"], c["far"], b, 16 << 20)
    transfer(c["far"], c["near"], a, 16 << 20)


def test_ipv6_gateway_answers(lab, c):
    gateway = next(n["Gateway"] for n in lab["node2"].inspect("six")["IPAM"]["Config"] if ":" in n["Subnet"])
    for box in c.values():
        box.ping(gateway, 2)


def solicitation(frame):
    """ICMPv6 135 inside an ethernet frame."""
    return packet.ethertype(frame) == packet.ETH_P_IPV6 and frame[20] == 58 and frame[54] == 135


def test_neighbour_discovery_is_answered_locally(lab, c):
    near = c["near"]
    ifname = near.endpoint("six")["IfName"]
    with Sniffer(lab["node1"], "eth0") as wire, Sniffer(near, ifname) as own:
        for name in ("far", "beside"):
            target = c[name].ip6("six")
            near.run("ip", "-6", "neigh", "flush", "dev", ifname)
            near.ping(target)
            assert own.wait(lambda f: solicitation(f) and f[62:78] == packet.ip_bytes(target)), "it did ask"
            shown = near.run("ip", "-6", "neigh", "show", target, "dev", ifname).stdout
            assert c[name].mac(c[name].endpoint("six")["IfName"]) in shown
        known = [packet.ip_bytes(c[n].ip6("six")) for n in c]
        assert wire.inner(lambda f: solicitation(f) and f[62:78] in known) == []
        # An address that nobody has is asked for everywhere.
        unknown = c["far"].ip6("six").rsplit(":", 1)[0] + ":dead"
        near.cut_from(unknown, 1)
        assert wire.inner(lambda f: solicitation(f) and f[62:78] == packet.ip_bytes(unknown))


def test_duplicate_address_detection_is_not_in_the_way(c):
    """No address waits for DAD, and none has failed it, though every node's gateway is the same."""
    for box in c.values():
        shown = box.run("ip", "-6", "-o", "addr", "show", "dev", box.endpoint("six")["IfName"]).stdout
        assert "dadfailed" not in shown and not [x for x in shown.splitlines() if "tentative" in x and "global" in x]


def test_multicast_ipv6(c):
    group = "ff15::42"
    far, near = c["far"], c["near"]
    index = {b: struct.pack("@I", b.link(b.endpoint("six")["IfName"])["ifindex"]) for b in (far, near)}
    with far.socket(socket.AF_INET6, socket.SOCK_DGRAM) as ear, \
            near.socket(socket.AF_INET6, socket.SOCK_DGRAM) as mouth:
        ear.bind(("::", 6001))
        ear.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packet.ip_bytes(group) + index[far])
        ear.settimeout(0.3)
        mouth.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index[near])

        def heard():
            mouth.sendto(b"six", (group, 6001))
            return ear.recv(100) == b"six"

        wait_for(heard, "IPv6 multicast crosses hosts")
