# SPDX-License-Identifier: GPL-2.0-or-later
"""ovld without Docker's API: a network made on one host is joined by hand on the others."""
from procs import wait_for

DOCKERS = dict(hosts=2, api=False, ovld_args=["--liveness-ttl", "2"])


def test_joined_by_hand(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    net = a.create("demo", "--subnet", "10.60.0.0/24")
    # Nobody tells its name: it has one made of its id, and is there at once.
    wait_for(lambda: f"network/{net}" in lab.etcd.get("network/"), "the network")
    name = "docker-" + net[:12]
    lab["node2"].knows(name)
    assert not lab["node2"].inspect(name).get("Pending")
    refused = b.create("demo", "--subnet", "10.60.0.0/24", check=False)
    assert refused.returncode != 0 and f"ovl.network={name}" in refused.stderr
    b.create("demo", "--ipam-opt", "ovl.network=" + net, "-o", "ovl.network=" + net)
    a.run("c1", "--network", "demo")
    b.run("c2", "--network", "demo")
    a.reaches("c1", b.ip4("c2", "demo"))
    lab["node1"].ctl("network", "create", "-d", "overlay", "ours")
    a.create("ours", "--ipam-opt", "ovl.network=ours", "-o", "ovl.network=ours")
    a.cli("network", "connect", "ours", "c1")
    assert a.ip4("c1", "ours")
    a.cli("network", "disconnect", "ours", "c1")
    a.cli("network", "rm", "ours")
    a.cli("rm", "-f", "c1")
    b.cli("rm", "-f", "c2")
    # The first takes it from the cluster; the other's Docker has a name for nothing, and forgets it when told.
    a.cli("network", "rm", "demo")
    wait_for(lambda: not lab.etcd.get("network/"), "the network is gone")
    failed = b.cli("run", "--rm", "--network", "demo", "busybox", "true", check=False)
    assert failed.returncode != 0
    b.cli("network", "rm", "demo")
    wait_for(lambda: not any(lab.etcd.get(k + "/") for k in ("network", "endpoint", "address", "pool", "binding")), "nothing left in etcd", 10)


def test_bindings_of_a_node_that_is_removed(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    net = a.create("demo")
    wait_for(lambda: f"network/{net}" in lab.etcd.get("network/"), "the network")
    lab["node2"].knows("docker-" + net[:12])
    b.create("demo", "--ipam-opt", "ovl.network=" + net, "-o", "ovl.network=" + net)
    assert len(lab.etcd.get("binding/")) == 2
    lab["node2"].stop()
    wait_for(lambda: any(n["Name"] == "node2" and n["State"] != "up" for n in lab["node1"].get("/nodes")), "node2 is down", 20)
    lab["node1"].ctl("node", "rm", "node2")
    (bound,) = lab.etcd.get("binding/").values()
    assert bound["docker"] == net
    a.cli("network", "rm", "demo")
    wait_for(lambda: not lab.etcd.get("network/") and not lab.etcd.get("binding/"), "nothing left in etcd", 10)
    lab["node2"].start()
    b.cli("network", "rm", "demo")


def test_etcd_is_wiped_and_adopted(dockers):
    """Networks come back by a person's word, and with them what each Docker calls them: without its API nobody else could say it."""
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    net = a.create("demo")
    wait_for(lambda: f"network/{net}" in lab.etcd.get("network/"), "the network")
    lab["node2"].knows("docker-" + net[:12])
    b.create("demo", "--ipam-opt", "ovl.network=" + net, "-o", "ovl.network=" + net)
    bound = lab.etcd.get("binding/")
    assert len(bound) == 2
    a.run("c1", "--network", "demo")
    b.run("c2", "--network", "demo")
    b.reaches("c2", a.ip4("c1", "demo"))
    lab.etcd.wipe()
    wait_for(lambda: [h.info()["Cluster"]["State"] for h in lab] == ["frozen"] * 2, "both nodes guard what they know", 20)
    lab["node1"].ctl("cluster", "adopt")
    wait_for(lambda: [h.info()["Cluster"]["State"] for h in lab] == ["synced"] * 2, "all nodes take etcd's word again", 30)
    assert lab.etcd.get("binding/") == bound
    wait_for(lambda: len(lab.etcd.get("endpoint/")) == 2, "own endpoints put again", 10)
    b.reaches("c2", a.ip4("c1", "demo"))
    for d, c in ((a, "c3"), (b, "c4")):
        d.run(c, "--network", "demo")
    b.reaches("c4", a.ip4("c3", "demo"))
    for d, pair in ((a, ("c1", "c3")), (b, ("c2", "c4"))):
        d.cli("rm", "-f", *pair)
    for d in (b, a):
        d.cli("network", "rm", "demo")
    wait_for(lambda: not any(lab.etcd.get(k + "/") for k in ("network", "endpoint", "address", "pool", "binding")), "nothing left in etcd", 10)
