# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that come twice, in any order, all at once: what is shown, what etcd has and what the kernel has agree."""
import json
import random
import threading
import time

import netns
import pytest
from procs import wait_for
from test_concurrency import Box, at_once, kernel_left

LAB = dict(hosts=3, etcd=1)
NETS = ("one", "two", "three")


@pytest.fixture(scope="module", autouse=True)
def networks(lab):
    for net in NETS:
        lab["node1"].ctl("network", "create", net)
    for net in NETS:
        lab.everywhere(net)


@pytest.fixture(autouse=True)
def nothing_left(lab):
    """After each test: every namespace is deleted, and by that alone all is withdrawn."""
    yield
    for name in netns.names(lab.prefix + "b"):
        netns.delete(name)
    wait_for(lambda: lab.etcd.keys("endpoint/") + lab.etcd.keys("address/") == [], "every key is gone", 20)
    for host in lab:
        wait_for(lambda: kernel_left(host) == [], f"{host.name} has nothing left", 20)
        wait_for(lambda: host.get("/endpoints") == [], f"{host.name} shows nothing")


def boxes(lab, per_host):
    made = [Box(host, f"b{host.name[-1]}-{i}") for i in range(per_host) for host in lab]
    netns.sh("ip", "-batch", "-", input="".join(f"netns add {b.netns}\n" for b in made))
    return made


def interfaces(box):
    return {i["ifname"] for i in json.loads(box.run("ip", "-j", "link").stdout)} - {"lo"}


def bare(box):
    """The reply to a detach says that address and port are free; the link goes right after."""
    wait_for(lambda: interfaces(box) == set(), f"{box.name} has no interface of ours", 2)


def agree(lab, made):
    """Every endpoint in etcd is shown by every node, has its addresses, interface and port; and there is no other."""
    records = lab.etcd.get("endpoint/")
    addresses = {(v["endpoint"], k.split("/")[-1]) for k, v in lab.etcd.get("address/").items()}
    assert addresses == {(k.split("/")[-1], a) for k, v in records.items() for a in v["addresses"]}
    ids = {k.split("/")[-1] for k in records}
    for host in lab:
        shown = host.get("/endpoints")
        assert {e["Id"] for e in shown if e["Network"] != "egress"} == ids, f"{host.name} shows others than etcd has"
        local = [e for e in shown if e["Local"]]
        assert all(e["State"] == "bound" for e in local), local
        ports = {i["ifname"] for i in host.overlay_json("ip", "-j", "link") if i["ifname"].startswith("ve")}
        assert ports == {e["Port"] for e in local}, host.name
        for box in made:
            if box.host is host:
                mine = {e["IfName"] for e in local if e["Target"] == netns.path(box.netns)}
                assert interfaces(box) == mine, box.name
    return True


def test_the_same_call_many_times_at_once(lab):
    for box in boxes(lab, 1):
        results = at_once([lambda: box.connect("one") for _ in range(12)])
        good = [r for r in results if r[0] == 200]
        assert good and len({r[1]["Id"] for r in good}) == 1, results
        # What was not answered with the endpoint is told that it is under way; asking again finds it.
        assert all(r[0] in (200, 409) for r in results), results
        assert box.connect("one")[1]["Id"] == good[0][1]["Id"]
        assert interfaces(box) == {"eth0", "eth1"}  # the network, and the way out
        results = at_once([lambda: box.disconnect("one") for _ in range(12)])
        assert any(r[0] == 204 for r in results) and all(r[0] in (204, 404, 409) for r in results), results
        bare(box)


def test_one_container_joins_several_networks_at_once(lab):
    made = boxes(lab, 1)
    results = at_once([lambda b=b, n=n: b.connect(n) for b in made for n in NETS])
    assert [r[0] for r in results] == [200] * 9, results
    for box in made:
        assert interfaces(box) == {"eth0", "eth1", "eth2", "eth3"}
    wait_for(lambda: agree(lab, made), "all agree")
    results = at_once([lambda b=b, n=n: b.disconnect(n) for b in made for n in NETS])
    assert [r[0] for r in results] == [204] * 9, results
    for box in made:
        bare(box)


def test_any_order(lab):
    """Each thread drives its own container by chance; at the end all agree with what the replies said."""
    made = boxes(lab, 6)
    end = time.monotonic() + 6
    odd = []

    def drive(box, rng):
        box.joined = set()
        while time.monotonic() < end:
            net = rng.choice(NETS)
            if net in box.joined:
                status, reply = box.disconnect(net)
                box.joined.discard(net)
            else:
                status, reply = box.connect(net)
                box.joined.add(net)
            if status not in (200, 204):
                odd.append((box.name, net, status, reply))

    threads = [threading.Thread(target=drive, args=(b, random.Random(i))) for i, b in enumerate(made)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not odd, odd[:3]
    wait_for(lambda: agree(lab, made), "all agree")
    for box in made:
        assert len(interfaces(box)) == len(box.joined) + bool(box.joined)
    # And they work: each reaches another of its network.
    for net in NETS:
        members = [b for b in made if net in b.joined]
        shown = [e for e in lab["node1"].get("/endpoints") if e["Network"] == net]
        by_name = {e["Name"]: e["IPv4Address"].split("/")[0] for e in shown}
        for a, b in zip(members, members[1:]):
            a.reaches(by_name[b.name], 2)


def test_namespaces_die_while_they_are_connected(lab):
    made = boxes(lab, 8)

    def connect(box):
        return box.connect("one")

    def die(box):
        netns.delete(box.netns)
        return (0, None)

    results = at_once([lambda b=b: connect(b) for b in made] + [lambda b=b: die(b) for b in made[::2]])
    alive = [b for b in made if b not in made[::2]]
    for box, (status, reply) in zip(made, results):
        assert status == 200 or box not in alive, (box.name, status, reply)
        # 400: between its unmounting and the end of its file it is no namespace.
        assert status in (200, 400, 404, 409, 500), (box.name, status, reply)
    wait_for(lambda: len(lab.etcd.keys("endpoint/")) == len(alive), "the dead are withdrawn", 20)
    wait_for(lambda: agree(lab, alive), "all agree")


def test_a_network_is_removed_while_it_is_joined(lab):
    """Either the join or the removal fails, never neither."""
    made = boxes(lab, 1)
    for i in range(6):
        net = f"brief{i}"
        lab["node1"].ctl("network", "create", net)
        lab.everywhere(net)
        remove = [lambda: lab["node2"].api("DELETE", f"/networks/{net}")]
        results = at_once([lambda b=b: b.connect(net) for b in made] + remove)
        removed = results[-1][0] == 204
        joined = [b for b, r in zip(made, results) if r[0] == 200]
        assert removed != bool(joined), results
        for box in joined:
            assert box.disconnect(net)[0] == 204
        if not removed:
            assert lab["node3"].api("DELETE", f"/networks/{net}")[0] == 204
        for box in made:
            bare(box)
