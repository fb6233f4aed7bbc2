# SPDX-License-Identifier: GPL-2.0-or-later
"""Many at once: 50 attaches on each of three nodes, the same name made on all of them, a pool that is too small."""
import json
import random
import threading

import netns
import pytest
from lab import Place
from procs import wait_for

LAB = dict(hosts=3, etcd=3)
EACH = 50


def at_once(jobs):
    """Call all of them in threads of their own, at the same moment. Returns their results in order."""
    results = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def call(i, job):
        gate.wait()
        try:
            results[i] = job()
        except OSError as e:
            results[i] = e

    threads = [threading.Thread(target=call, args=(i, job)) for i, job in enumerate(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


class Box(Place):
    """A container's namespace, one of many."""

    def __init__(self, host, name):
        super().__init__(host.lab, name)
        self.host = host

    def connect(self, net):
        return self.host.api("POST", f"/networks/{net}/connect", {
            "Target": "netns:" + self.netns, "EndpointConfig": {"Name": self.name}}, timeout=90)

    def disconnect(self, net):
        return self.host.api("POST", f"/networks/{net}/disconnect", {"Target": "netns:" + self.netns}, timeout=90)


@pytest.fixture(scope="module")
def boxes(lab):
    made = [Box(host, f"b{host.name[-1]}-{i}") for i in range(EACH) for host in lab]
    netns.sh("ip", "-batch", "-", input="".join(f"netns add {b.netns}\n" for b in made))
    return made


def kernel_left(host):
    """What of networks is in the node's overlay namespace and host namespace: links of ours, entries, neighbours."""
    links = [i["ifname"] for i in host.overlay_json("ip", "-j", "link") if i["ifname"] not in ("lo", "gw", "gw-up")]
    fdb = [e["mac"] for e in host.overlay_json("bridge", "-j", "fdb", "show") if e.get("state") != "permanent" and e["ifname"] not in ("gw", "gw-up")]
    neigh = [n["dst"] for n in host.overlay_json("ip", "-j", "neigh", "show", "nud", "all")
             if n.get("dev", "").startswith("br")]
    veth = [i["ifname"] for i in netns_links(host)]
    return links + fdb + neigh + veth


def netns_links(host):
    return [i for i in json.loads(host.run("ip", "-j", "link").stdout) if i["ifname"] not in ("lo", "eth0", "ovl-gw", "ovl0")]


def test_fifty_attaches_on_each_of_three_nodes(lab, boxes):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    results = at_once([lambda b=b: b.connect("demo") for b in boxes])
    failed = [(b.name, r) for b, r in zip(boxes, results) if isinstance(r, OSError) or r[0] != 200]
    assert not failed, f"{len(failed)} of {len(boxes)} failed, the first: {failed[0]}"
    for b, (_, ep) in zip(boxes, results):
        b.ip = ep["IPv4Address"].split("/")[0]
        b.mac_address = ep["MacAddress"]
    assert len({b.ip for b in boxes}) == len({b.mac_address for b in boxes}) == len(boxes)
    assert "10.0.0.1" not in {b.ip for b in boxes}
    net = lab["node1"].inspect("demo")["Id"]
    assert set(lab.etcd.keys("address/")) == {f"address/{net}/{b.ip}" for b in boxes}
    assert len(lab.etcd.keys("endpoint/")) == len(boxes)


def test_every_pair_sampled_is_reachable(lab, boxes):
    rng = random.Random(1)
    for host in lab:
        wait_for(lambda: len(host.inspect("demo")["Containers"]) == len(boxes), f"{host.name} knows all endpoints")
    for _ in range(40):
        a, b = rng.sample(boxes, 2)
        a.reaches(b.ip, 2)
    # And every one from one container of each node.
    for a in boxes[:3]:
        for b in boxes:
            if a is not b:
                assert a.ping(b.ip, 1, 2, check=False).returncode == 0, f"{a.name} does not reach {b.name}"


def test_nothing_is_left_after_all_detach(lab, boxes):
    results = at_once([lambda b=b: b.disconnect("demo") for b in boxes])
    failed = [(b.name, r) for b, r in zip(boxes, results) if isinstance(r, OSError) or r[0] not in (200, 204)]
    assert not failed, f"{len(failed)} failed, the first: {failed[0]}"
    wait_for(lambda: lab.etcd.keys("endpoint/") + lab.etcd.keys("address/") == [], "no key is left")
    for host in lab:
        wait_for(lambda: kernel_left(host) == [], f"{host.name} has nothing left", 10)
        assert host.get("/endpoints") == []


def test_one_wins_a_name(lab):
    for i in range(5):
        name = f"race{i}"
        results = at_once([lambda h=h: h.api("POST", "/networks/create", {"Name": name, "Driver": "overlay"})
                           for h in lab])
        won = [r for r in results if r[0] == 201]
        lost = [r for r in results if r[0] != 201]
        assert len(won) == 1, results
        assert all(r[0] == 409 and name in r[1]["message"] for r in lost), results
        for host in lab:
            host.knows(name)
            assert [n["Id"] for n in host.get("/networks") if n["Name"] == name] == [won[0][1]["Id"]]
    subnets = [c["Subnet"] for n in lab["node1"].get("/networks") for c in n["IPAM"]["Config"]]
    assert len(set(subnets)) == len(subnets)


def test_different_names_at_once_get_different_subnets_and_vnis(lab):
    names = [f"many{i}" for i in range(9)]
    results = at_once([lambda n=n, h=h: h.api("POST", "/networks/create", {"Name": n, "Driver": "overlay"})
                       for n, h in zip(names, list(lab) * 3)])
    assert [r[0] for r in results] == [201] * 9, results
    records = lab.etcd.get("network/").values()
    assert len({r["vni"] for r in records}) == len({r["subnets"][0]["subnet"] for r in records}) == len(records)


def test_a_pool_that_is_too_small(lab, boxes):
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.77.0.0/29", "tiny")
    lab.everywhere("tiny")
    some = boxes[:12]
    results = at_once([lambda b=b: b.connect("tiny") for b in some])
    won = [(b, r[1]["IPv4Address"]) for b, r in zip(some, results) if r[0] == 200]
    lost = [(b, r) for b, r in zip(some, results) if r[0] != 200]
    # .1 is the gateway, .0 and .7 are no hosts'.
    assert sorted(ip for _, ip in won) == [f"10.77.0.{i}/29" for i in range(2, 7)], results
    assert all("tiny" in r[1]["message"] or "10.77.0.0/29" in r[1]["message"] for _, r in lost), lost
    for b, _ in lost:
        assert len(b.run("ip", "-o", "link").stdout.splitlines()) == 1, "a failed attach leaves nothing"
    assert len(lab.etcd.keys("endpoint/")) == len(lab.etcd.keys("address/")) == 5
    for b, _ in won:
        assert b.disconnect("tiny")[0] in (200, 204)
    lab["node2"].ctl("network", "rm", "tiny")
