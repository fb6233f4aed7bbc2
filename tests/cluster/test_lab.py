# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness itself: without ovld."""
import os
import signal
import socket

import netns
import packet
import pytest
from flows import Ping, Stream, transfer
from lab import Lab
from procs import marked, wait_for

LAB = dict(hosts=3, etcd=3, start=False)


def test_hosts_reach_each_other(lab):
    stranger = lab.stranger()
    for host in lab:
        host.ping(stranger.ip)
        stranger.ping(host.ip)
    lab.cut(lab["node2"])
    stranger.cut_from(lab["node2"].ip, 1)
    lab.cut(lab["node2"], up=True)
    stranger.reaches(lab["node2"].ip)


def test_traffic(lab):
    a, b = lab["node1"], lab["node2"]
    transfer(a, b, b.ip, 4 << 20)
    with Ping(a, b.ip) as ping, Stream(a, b, b.ip) as stream:
        stream.flows()
    assert ping.sent > 1 and ping.lost == 0 and stream.received > 0


def test_sniffer_sees_frames_made_by_hand(lab):
    a, b = lab["node1"], lab["node2"]
    inner = packet.eth(packet.BROADCAST, "02:00:00:00:00:01", packet.ETH_P_ARP,
                       packet.arp(1, "02:00:00:00:00:01", "10.0.0.2", "10.0.0.3"))
    outer = packet.eth(packet.BROADCAST, "02:00:00:00:00:02", packet.ETH_P_IP,
                       packet.udp(a.ip, b.ip, 1234, packet.VXLAN_PORT, packet.vxlan(77, inner)))
    with packet.Sniffer(b, "eth0") as sniffer:
        packet.send(a, "eth0", outer)
        assert sniffer.wait(lambda f: packet.unwrap(f) is not None)
        assert sniffer.inner() == [(a.ip, b.ip, 77, inner)]


@pytest.mark.parametrize("source,target", [("10.0.0.2", "10.0.0.3"), ("fd00::2", "fd00::3")])
def test_checksums_are_what_the_kernel_wants(lab, source, target):
    a, b = lab["node1"], lab["node2"]
    kind = packet.ETH_P_IP if "." in source else packet.ETH_P_IPV6
    b.run("ip", "addr", "add", target + ("/24" if "." in source else "/64"), "dev", "eth0",
          *([] if "." in source else ["nodad"]))
    with b.socket(socket.AF_INET if "." in source else socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.bind((target, 5000))
        s.settimeout(5)
        datagram = packet.udp(source, target, 1234, 5000, b"odd")
        packet.send(a, "eth0", packet.eth(b.mac(), "02:00:00:00:00:02", kind, datagram))
        assert s.recvfrom(100)[0] == b"odd"


def test_etcd_survives_its_leader_and_comes_back_from_a_snapshot(lab):
    lab.etcd.start()
    lab.etcd.put("network/a", '{"name":"a"}')
    assert lab.etcd.get("network/") == {"network/a": {"name": "a"}}
    lab.etcd.snapshot(os.path.join(lab.dir, "snapshot"))
    old = lab.etcd.leader()
    lab.etcd.stop(old, sig=signal.SIGKILL)
    wait_for(lambda: lab.etcd.leader() != old and lab.etcd.healthy(), "another leader")
    lab.etcd.put("network/b", "{}")
    lab.etcd.start(old)
    wait_for(lambda: lab.etcd.keys() == ["network/a", "network/b"], "the old member has it all")
    lab.etcd.restore(os.path.join(lab.dir, "snapshot"))
    assert lab.etcd.keys() == ["network/a"]
    lab.etcd.wipe()
    assert lab.etcd.keys() == []


def test_nothing_is_left():
    with Lab(hosts=1, etcd=1, start=False) as other:
        other.etcd.start()
        other["node1"].spawn("setsid", "sleep", "1000")
        other.container("node1", "c1")
        assert len(netns.names(other.prefix)) == 3
        # etcd, and sleep before and after setsid(1) has forked
        wait_for(lambda: len(marked(other.prefix)) >= 2, "both are there")
    assert not os.path.exists(other.dir)
    assert netns.names(other.prefix) == [] and marked(other.prefix) == []
