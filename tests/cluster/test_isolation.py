# SPDX-License-Identifier: GPL-2.0-or-later
"""Two networks on the same nodes do not reach each other, by no way that a container or a stranger has."""
import json
import socket
from collections import namedtuple

import netns
import packet
import pytest
from names import Message, question
from packet import ETH_P_IP, ETH_P_IPV6, Sniffer
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
MARK = b"ovl-mark-"
Net = namedtuple("Net", "name vni subnet4 gateway4 subnet6 gateway6")


@pytest.fixture(scope="module")
def nets(lab):
    made = {}
    for name in ("red", "blue"):
        lab["node1"].ctl("network", "create", "-d", "overlay", "--ipv6", name)
        lab.everywhere(name)
        shown = lab["node1"].inspect(name)
        v4, v6 = sorted(shown["IPAM"]["Config"], key=lambda c: ":" in c["Subnet"])
        made[name] = Net(name, int(shown["Options"]["vni"]), v4["Subnet"], v4["Gateway"], v6["Subnet"], v6["Gateway"])
    return made


@pytest.fixture(scope="module")
def c(lab, nets):
    """red1, red2, blue1, blue2: by colour and node; red1 has done what it can to get out."""
    made = {}
    for name in nets:
        for i in (1, 2):
            made[f"{name}{i}"] = box = lab.container(f"node{i}", f"{name}{i}")
            box.connect(name)
    made["red1"].reaches(made["red2"].ip4("red"))
    made["blue1"].reaches(made["blue2"].ip4("blue"))
    return made


def both_ways(c, nets):
    """Routes of red1 towards blue, by its gateway and on the link."""
    yield "gateway", ["via", nets["red"].gateway4], ["via", nets["red"].gateway6]
    yield "link", [], []


def route(box, subnet, how):
    family = "-6" if ":" in subnet else "-4"
    box.run("ip", family, "route", "replace", subnet, *how, "dev", "eth0")


def gateway_mac(lab, net):
    br = f"br{net.vni}"
    return json.loads(lab["node1"].overlay_run("ip", "-j", "link", "show", "dev", br).stdout)[0]["address"]


def blue_targets(c, nets):
    blue = nets["blue"]
    return [c["blue1"].ip4("blue"), c["blue2"].ip4("blue"), blue.gateway4,
            c["blue1"].ip6("blue"), c["blue2"].ip6("blue"), blue.gateway6]


def fence(c):
    """What was sent before has been handled once these are answered: they take the same ways."""
    c["red1"].ping(c["red2"].ip4("red"))
    c["blue2"].ping(c["blue1"].ip4("blue"))
    c["blue1"].ping(c["blue2"].ip4("blue"))


def nothing_arrives(c, names, attack, mark=MARK):
    """Run attack(); no frame with the mark may come in at any of these containers."""
    sniffers = [Sniffer(c[n], "eth0", incoming_only=True) for n in names]
    try:
        attack()
        fence(c)
        for name, sniffer in zip(names, sniffers):
            got = sniffer.frames(lambda f: mark in f)
            assert not got, f"{name} received {got[0].hex()}"
    finally:
        for sniffer in sniffers:
            sniffer.sock.close()


def test_ping_by_every_route(lab, c, nets):
    for _, how4, how6 in both_ways(c, nets):
        route(c["red1"], nets["blue"].subnet4, how4)
        route(c["red1"], nets["blue"].subnet6, how6)
        for target in blue_targets(c, nets):
            c["red1"].cut_from(target, 2)


def test_dns_port_of_the_others_gateway(lab, c, nets):
    blue, red = nets["blue"], nets["red"]
    route(c["red1"], blue.subnet4, ["via", red.gateway4])
    route(c["red1"], blue.subnet6, ["via", red.gateway6])
    ask = question("blue1")
    for family, gateway in ((socket.AF_INET, blue.gateway4), (socket.AF_INET6, blue.gateway6)):
        with c["red1"].socket(family, socket.SOCK_DGRAM) as red1, c["blue1"].socket(family, socket.SOCK_DGRAM) as blue1:
            red1.sendto(ask, (gateway, 53))
            blue1.sendto(ask, (gateway, 53))
            blue1.settimeout(5)
            # Blue's own way is open, and of red, which asked before, nothing has come through.
            assert Message(blue1.recv(2000)).id == Message(ask).id
            red1.setblocking(False)
            with pytest.raises(BlockingIOError):
                red1.recv(2000)
        with c["red1"].socket(family) as red1, c["blue1"].socket(family) as blue1:
            blue1.settimeout(5)
            blue1.connect((gateway, 53))
            red1.settimeout(1)
            with pytest.raises(OSError):
                red1.connect((gateway, 53))


def test_other_ports_of_ones_own_gateway_are_shut(lab, c, nets):
    red = nets["red"]
    with netns.open_socket(lab["node1"].overlay, socket.AF_INET, socket.SOCK_STREAM) as server, \
            c["red1"].socket(socket.AF_INET, socket.SOCK_STREAM) as red1:
        server.bind((red.gateway4, 8080))
        server.listen()
        red1.settimeout(1)
        with pytest.raises(OSError):
            red1.connect((red.gateway4, 8080))


def spoofed(lab, c, nets):
    """Frames of red1 that claim to be blue's, or go to blue by address, or both, to each MAC that might take them."""
    red1, blue1, blue2, red2 = (c[n] for n in ("red1", "blue1", "blue2", "red2"))
    own = red1.mac()
    macs = {gateway_mac(lab, nets["red"]), gateway_mac(lab, nets["blue"]), blue1.mac(), blue2.mac(), packet.BROADCAST}
    for dst_mac in macs:
        for src_mac in (own, blue2.mac()):
            for src, dst in ((blue2.ip4("blue"), blue1.ip4("blue")), (blue1.ip4("blue"), nets["red"].gateway4),
                             (blue2.ip4("blue"), nets["blue"].gateway4), (red1.ip4("red"), blue1.ip4("blue")),
                             (red2.ip4("red"), blue1.ip4("blue"))):
                yield packet.eth(dst_mac, src_mac, ETH_P_IP, packet.udp(src, dst, 53, 53, MARK))
                # The echo goes back to whom it claims to be from.
                yield packet.eth(dst_mac, src_mac, ETH_P_IP, packet.echo_request(src, dst, payload=MARK))
            for src, dst in ((blue2.ip6("blue"), blue1.ip6("blue")), (blue1.ip6("blue"), nets["red"].gateway6),
                             (red1.ip6("red"), blue1.ip6("blue")), (blue2.ip6("blue"), nets["blue"].gateway6)):
                yield packet.eth(dst_mac, src_mac, ETH_P_IPV6, packet.udp(src, dst, 53, 53, MARK))
                yield packet.eth(dst_mac, src_mac, ETH_P_IPV6, packet.echo_request(src, dst, payload=MARK))


def send_all(box, frames):
    for frame in frames:
        packet.send(box, "eth0", frame)


def test_spoofed_sources(lab, c, nets):
    frames = list(spoofed(lab, c, nets))
    nothing_arrives(c, ("blue1", "blue2"), lambda: send_all(c["red1"], frames))


def test_spoofed_sources_with_forwarding_switched_on_by_hand(lab, c, nets):
    node1 = lab["node1"]
    frames = list(spoofed(lab, c, nets))

    def attack():
        node1.overlay_run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        send_all(c["red1"], frames)
        for target in blue_targets(c, nets):
            c["red1"].cut_from(target, 1)

    for _, how4, how6 in both_ways(c, nets):
        route(c["red1"], nets["blue"].subnet4, how4)
        route(c["red1"], nets["blue"].subnet6, how6)
        nothing_arrives(c, ("blue1", "blue2"), attack)


def test_an_address_of_another_container_of_the_same_network(lab, c, nets):
    """Port security: red1 can use neither red2's address nor its MAC towards a third."""
    red1, red2 = c["red1"], c["red2"]
    red3 = c["red3"] = lab.container("node1", "red3")
    red3.connect("red")
    red1.reaches(red3.ip4("red"))
    frames = [packet.eth(red3.mac(), mac, ETH_P_IP, packet.udp(src, red3.ip4("red"), 1, 2, MARK))
              for mac, src in ((red1.mac(), red2.ip4("red")), (red2.mac(), red2.ip4("red")),
                               (red2.mac(), red1.ip4("red")))]
    frames += [packet.eth(red3.mac(), red1.mac(), ETH_P_IPV6, packet.udp(red2.ip6("red"), red3.ip6("red"), 1, 2, MARK)),
               packet.eth(packet.BROADCAST, red1.mac(), packet.ETH_P_ARP,
                          packet.arp(2, red1.mac(), red2.ip4("red"), red3.ip4("red"), red3.mac()) + MARK)]

    def attack():
        send_all(red1, frames)
        red1.ping(red3.ip4("red"))

    nothing_arrives(c, ("red3",), attack)
    # What is its own does arrive.
    with Sniffer(red3, "eth0") as sniffer:
        own = packet.udp(red1.ip4("red"), red3.ip4("red"), 1, 2, MARK)
        packet.send(red1, "eth0", packet.eth(red3.mac(), red1.mac(), ETH_P_IP, own))
        assert sniffer.wait(lambda f: MARK in f)


def test_router_advertisement(lab, c, nets):
    node1 = lab["node1"]

    def state():
        routes = [(r.get("dst"), r.get("dev"), r.get("gateway")) for r in node1.overlay_json("ip", "-j", "-6", "route")]
        return routes, [a["local"] for i in node1.overlay_json("ip", "-j", "-6", "addr") for a in i["addr_info"]]

    before = state()
    red1 = c["red1"]
    shown = json.loads(red1.run("ip", "-j", "-6", "addr", "show", "dev", "eth0").stdout)
    ll = next(a["local"] for i in shown for a in i["addr_info"] if a["scope"] == "link")
    advert = packet.router_advertisement(ll, red1.mac(), "2001:db8:bad::")
    with Sniffer(red1, "eth0") as sniffer:
        for _ in range(3):
            packet.send(red1, "eth0", packet.eth("33:33:00:00:00:01", red1.mac(), ETH_P_IPV6, advert))
        assert sniffer.wait(lambda f: b"\x20\x01\x0d\xb8\x0b\xad" in f)
    fence(c)
    after = state()
    assert after == before
    assert not any(dst == "default" for dst, _, _ in after[0])


def vxlan_to(c, nets, name, source_mac="02:00:00:00:00:99"):
    """A VXLAN payload that, let in, lands in blue's container."""
    box, blue = c[name], nets["blue"]
    frame = packet.eth(box.mac(), source_mac, ETH_P_IP,
                       packet.udp("10.0.99.99", box.ip4("blue"), 1, 2, MARK + name.encode()))
    return packet.vxlan(blue.vni, frame)


def test_vxlan_made_by_a_node_does_arrive(lab, c, nets):
    """The control of the next two: the same datagram from a node's address gets in."""
    with Sniffer(c["blue1"], "eth0") as sniffer, lab["node2"].socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(vxlan_to(c, nets, "blue1"), (lab["node1"].ip, packet.VXLAN_PORT))
        assert sniffer.wait(lambda f: MARK in f)


def test_vxlan_made_by_a_container(lab, c, nets):
    red1, red = c["red1"], nets["red"]
    red1.run("ip", "route", "replace", "default", "via", red.gateway4, "dev", "eth0")

    def attack():
        for name in ("blue1", "blue2"):
            payload = vxlan_to(c, nets, name)
            for target in (red.gateway4, lab["node1"].ip, lab["node2"].ip, "127.0.0.1", c["red2"].ip4("red")):
                with red1.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                    s.sendto(payload, (target, packet.VXLAN_PORT))
                for source in (red1.ip4("red"), lab["node2"].ip):
                    packet.send(red1, "eth0", packet.eth(gateway_mac(lab, red), red1.mac(), ETH_P_IP,
                                                         packet.udp(source, target, 4789, packet.VXLAN_PORT, payload)))

    nothing_arrives(c, ("blue1", "blue2"), attack)
    red1.run("ip", "route", "del", "default")


def test_vxlan_made_by_a_host_that_is_no_node(lab, c, nets):
    stranger = lab.stranger()
    counted = {h.name: h.info()["ForeignVxlanDropped"] for h in lab}

    def attack():
        with stranger.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for host in lab:
                for name in ("blue1", "blue2"):
                    s.sendto(vxlan_to(c, nets, name), (host.ip, packet.VXLAN_PORT))
        stranger.ping(lab["node1"].ip)
        stranger.ping(lab["node2"].ip)

    nothing_arrives(c, ("blue1", "blue2"), attack)
    for host in lab:
        wait_for(lambda: host.info()["ForeignVxlanDropped"] >= counted[host.name] + 2, f"{host.name} counts them")
