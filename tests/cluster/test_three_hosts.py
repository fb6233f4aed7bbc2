# SPDX-License-Identifier: GPL-2.0-or-later
"""Three hosts and a three-member etcd: two networks at once, every pair."""
import itertools
import json

import pytest
from flows import transfer
from procs import wait_for

LAB = dict(hosts=3, etcd=3)
NETS = ("red", "blue")


@pytest.fixture(scope="module")
def containers(lab):
    for host, net in zip(lab, NETS):
        host.ctl("network", "create", "-d", "overlay", net)
    for net in NETS:
        lab.everywhere(net)
    made = []
    for host in lab:
        c = lab.container(host, "c-" + host.name)
        for net in NETS:
            c.connect(net)
        made.append(c)
    return made


def test_the_networks_differ(lab, containers):
    subnets = {net: lab["node3"].inspect(net)["IPAM"]["Config"][0]["Subnet"] for net in NETS}
    assert subnets == {"red": "10.0.0.0/24", "blue": "10.0.1.0/24"}
    records = [lab.etcd.get(f"network/{lab['node1'].inspect(n)['Id']}") for n in NETS]
    assert len({list(r.values())[0]["vni"] for r in records}) == 2


def test_interfaces_in_the_order_of_the_networks(containers):
    for c in containers:
        names = [i["ifname"] for i in json.loads(c.run("ip", "-j", "link").stdout)]
        assert sorted(names) == ["eth0", "eth1", "eth2", "lo"]
        # The way out came with the first of them.
        assert [c.endpoint(net)["IfName"] for net in ("red", "egress", "blue")] == ["eth0", "eth1", "eth2"]


@pytest.mark.parametrize("net", NETS)
def test_all_pairs(containers, net):
    for a, b in itertools.permutations(containers, 2):
        a.reaches(b.ip4(net), 2)
        a.ping(b.ip4(net), 3)


def test_transfers_between_all(containers):
    for a, b in itertools.permutations(containers, 2):
        transfer(a, b, b.ip4("blue"), 8 << 20)


def test_every_node_knows_every_node(lab):
    for host in lab:
        nodes = host.get("/nodes")
        assert {(n["Name"], n["Vtep"], n["State"]) for n in nodes} == {(h.name, h.ip, "up") for h in lab}
        health = host.info()["Etcd"]
        assert len(health) == 3


def test_one_interface_leaves_and_the_other_stays(lab, containers):
    a, b, _ = containers
    b.disconnect("red")
    a.cut_from("10.0.0.3" if b.ip4("blue") == "10.0.1.3" else "10.0.0.2", 1)
    a.ping(b.ip4("blue"))
    b.connect("red")
    assert b.endpoint("red")["IfName"] == "eth0"
    a.reaches(b.ip4("red"), 2)


def test_a_new_node_sees_what_there_is(lab, containers):
    """node3 starts again from nothing but its state: the same id, the same networks."""
    node3 = lab["node3"]
    before = node3.info()["Node"]["Id"]
    node3.stop()
    node3.start()
    assert node3.info()["Node"]["Id"] == before
    wait_for(lambda: set(NETS) <= {n["Name"] for n in node3.get("/networks")}, "its networks")
    containers[2].ping(containers[0].ip4("red"))
