# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenario A with real dockerds: `docker network create -d ovl` on one host, containers on both talk; what ends, ends everywhere."""
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from docker import IMAGE, OVL
from procs import wait_for

DOCKERS = dict(hosts=2)
MANY = 10  # containers on each host


def dump(lab, kind):
    return lab.etcd.get(kind + "/")


def empty(lab):
    """Nothing that a network brought is left in etcd."""
    wait_for(lambda: not any(dump(lab, kind) for kind in ("network", "endpoint", "address", "pool", "binding")), "nothing left in etcd", 10)


def test_the_lab(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    assert "demo" not in a.networks()
    net = a.create("demo")
    assert len(net) == 64
    there = b.knows("demo")
    for shown in (a.network("demo"), there):
        assert shown["Scope"] == "local" and shown["Driver"] == "ovl" and not shown["EnableIPv6"] and not shown["Internal"]
        assert shown["IPAM"]["Config"] == [{"Subnet": "10.0.0.0/24", "Gateway": "10.0.0.1"}]
        assert shown["Containers"] == {}
    # One network of the cluster, with the id of the Docker that made it.
    (record,) = dump(lab, "network").values()
    assert record["name"] == "demo" and f"network/{net}" in dump(lab, "network")
    assert not dump(lab, "pool")
    bound = dump(lab, "binding")
    assert {v["docker"] for v in bound.values()} == {net, there["Id"]}
    a.run("c1", "--network", "demo", "--hostname", "host-of-c1")
    b.run("c2", "--network", "demo", "--network-alias", "web")
    assert a.ip4("c1", "demo") == "10.0.0.2" and b.ip4("c2", "demo") == "10.0.0.3"
    a.ping("c1", b.ip4("c2", "demo"))
    b.ping("c2", a.ip4("c1", "demo"))
    for d, c, names in ((a, "c1", ("c2", "web", "c2.demo")), (b, "c2", ("c1", "host-of-c1"))):
        for name in names:
            d.reaches(c, name)
    wait_for(lambda: {e["name"] for e in dump(lab, "endpoint").values()} == {"c1", "c2"}, "names of the endpoints", 10)
    # The way out and published ports are Docker's own.
    assert "docker_gwbridge" in a.cli("network", "ls").stdout
    a.ping("c1", lab["node2"].ip)
    shown = {n["Name"]: n for n in (h.inspect("demo") for h in lab)}["demo"]
    assert {x["Id"] for x in shown["DockerBindings"]} == {net, there["Id"]}
    a.cli("rm", "-f", "c1")
    b.cli("rm", "-f", "c2")
    wait_for(lambda: not dump(lab, "endpoint") and not dump(lab, "address"), "addresses given back", 10)
    b.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def test_one_made_by_ovlctl(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.77.0.0/24", "--internal", "ours")
    dockers.everywhere("ours")
    assert b.network("ours")["Internal"]
    # docker(1) is newer than the daemon, and refuses --mac-address.
    made = b.must("POST", "/containers/create?name=c1", {"Image": IMAGE, "Cmd": ["sleep", "1000"], "StopSignal": "KILL", "MacAddress": "02:42:de:ad:be:ef", "HostConfig": {
        "NetworkMode": "ours"}, "NetworkingConfig": {"EndpointsConfig": {"ours": {"IPAMConfig": {"IPv4Address": "10.77.0.9"}}}}})
    b.must("POST", f"/containers/{made['Id']}/start")
    assert b.endpoint("c1", "ours")["MacAddress"] == "02:42:de:ad:be:ef"
    box = lab.container("node1", "box")
    box.connect("ours")
    box.reaches("10.77.0.9")
    box.disconnect("ours")
    b.cli("rm", "-f", "c1")
    lab["node1"].ctl("network", "rm", "ours")
    dockers.nowhere("ours")
    empty(lab)


def test_left_while_others_use_it(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    net = a.create("demo")
    b.knows("demo")
    b.run("c2", "--network", "demo")
    a.cli("network", "rm", "demo")
    wait_for(lambda: lab["node1"].inspect("demo").get("Left"), "left on node1")
    assert "docker network rm" in lab.tail(lab["node1"].log) or "others use it" in lab.tail(lab["node1"].log)
    a.forgets("demo")
    # A restart of the agent brings it back no more than the comparison does.
    lab["node1"].stop()
    lab["node1"].start()
    assert lab["node1"].inspect("demo")["Left"]
    assert "demo" not in a.networks()
    # Asked for again.
    again = a.create("demo", "--ipam-opt", "ovl.network=demo", "-o", "ovl.network=" + net)
    assert again != net
    wait_for(lambda: not lab["node1"].inspect("demo").get("Left"), "not left any more")
    a.run("c1", "--network", "demo")
    a.reaches("c1", b.ip4("c2", "demo"))
    a.cli("rm", "-f", "c1")
    a.cli("network", "rm", "demo")
    b.cli("rm", "-f", "c2")
    b.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def test_words_of_refusal(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]

    def refused(*args):
        done = a.cli("network", "create", "-d", "ovl", *args, check=False)
        assert done.returncode != 0
        return done.stderr

    assert "use --ipam-driver ovl" in refused("x")
    ovl = ("--ipam-driver", "ovl")
    assert "not found" in refused(*ovl, "--ipam-opt", "ovl.network=nosuch", "-o", "ovl.network=nosuch", "x")
    assert "nonsense" in refused(*ovl, "-o", "nonsense=1", "x")
    a.create("demo", "--subnet", "10.50.0.0/24", "--gateway", "10.50.0.254", "--aux-address", "router=10.50.0.1", "--ip-range", "10.50.0.128/25",
             "-o", "com.docker.network.driver.mtu=1400", "-o", "vni=4242")
    b.knows("demo")
    shown = lab["node2"].inspect("demo")
    assert shown["IPAM"]["Config"][0] == {"Subnet": "10.50.0.0/24", "IPRange": "10.50.0.128/25", "Gateway": "10.50.0.254",
                                          "AuxiliaryAddresses": {"router": "10.50.0.1"}}
    assert "--ipam-opt ovl.network=demo" in refused(*ovl, "--subnet", "10.50.0.0/24", "x")
    assert "in this Docker already" in refused(*ovl, "--ipam-opt", "ovl.network=demo", "-o", "ovl.network=demo", "x")
    b.run("c1", "--network", "demo")
    assert b.ip4("c1", "demo").startswith("10.50.0.1")
    assert "1400" in b.exec("c1", "ip", "link", "show", "eth0").stdout
    b.cli("rm", "-f", "c1")
    a.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def test_a_name_that_is_taken(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    a.create("demo")
    b.knows("demo")
    # Docker of node 1 knows no network of its own by that name: only the cluster does.
    lab["node1"].ctl("network", "create", "-d", "bridge", "mine")
    net = a.create("mine")
    wait_for(lambda: "cannot have its name" in lab.tail(lab["node1"].log), "the conflict is told", 10)
    a.run("c1", "--network", "mine")
    assert a.ip4("c1", "mine")
    assert dump(lab, "network")[f"network/{net}"]["name"] == "docker-" + net[:12]
    assert "mine" not in b.networks()
    a.cli("rm", "-f", "c1")
    for name in ("mine", "demo"):
        a.cli("network", "rm", name)
    lab["node1"].ctl("network", "rm", "mine")
    dockers.nowhere("demo")
    empty(lab)


def test_etcd_away(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    a.create("demo")
    b.knows("demo")
    a.run("c1", "--network", "demo")
    b.run("c2", "--network", "demo")
    lab.etcd.stop()
    wait_for(lambda: not lab["node1"].info()["Cluster"]["Link"], "etcd is missed", 20)
    done = a.cli("network", "create", "-d", "ovl", "--ipam-driver", "ovl", "other", check=False)
    assert done.returncode != 0 and "etcd cannot be reached" in done.stderr
    a.ping("c1", b.ip4("c2", "demo"))
    # What ends meanwhile is settled afterwards.
    a.cli("rm", "-f", "c1")
    a.cli("network", "rm", "demo", check=False)
    b.cli("rm", "-f", "c2")
    lab.etcd.start()
    wait_for(lambda: lab["node1"].info()["Cluster"]["Link"], "etcd is back", 20)
    dockers.nowhere("demo")
    empty(lab)


def test_the_agent_restarts(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    a.create("demo")
    b.knows("demo")
    a.run("c1", "--network", "demo")
    b.run("c2", "--network", "demo")
    for host in lab:
        host.stop()
        a.ping("c1", b.ip4("c2", "demo"))
        host.start()
    a.ping("c1", b.ip4("c2", "demo"))
    a.run("c3", "--network", "demo")
    a.reaches("c3", "c2")
    # What Docker could not say is found by comparison.
    lab["node1"].stop()
    a.cli("rm", "-f", "c3", timeout=120)
    lab["node1"].start()
    wait_for(lambda: {e["name"] for e in dump(lab, "endpoint").values()} == {"c1", "c2"}, "c3 is missed", 30)
    a.cli("rm", "-f", "c1")
    b.cli("rm", "-f", "c2")
    a.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def test_many_at_once(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    a.create("demo", "--ipv6")
    b.knows("demo")
    names = [(d, f"{d.host.name}-{i}") for d in dockers for i in range(MANY)]
    with ThreadPoolExecutor(2 * MANY) as pool:
        for made in [pool.submit(d.run, name, "--network", "demo") for d, name in names]:
            made.result()
    ips = {d.ip4(name, "demo") for d, name in names}
    assert len(ips) == len(names)
    assert all(d.endpoint(name, "demo")["GlobalIPv6Address"] for d, name in names)
    for ip in ips:
        a.reaches("node1-0", ip)
        b.reaches("node2-0", ip)
    for d in dockers:
        info = d.host.info()["Docker"]
        assert info["Connected"] and info["Late"] == 0 and info["Strange"] == 0, info
    with ThreadPoolExecutor(2 * MANY) as pool:
        for gone in [pool.submit(d.cli, "rm", "-f", name) for d, name in names]:
            gone.result()
    wait_for(lambda: not dump(lab, "endpoint") and not dump(lab, "address"), "addresses given back", 10)
    a.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def agree(lab, dockers, name):
    """Docker of every node has the network that etcd has, or nobody has any."""
    nets = [n["name"] for n in dump(lab, "network").values()]
    listed = [d.networks() for d in dockers]
    if nets == []:
        return not any(listed) and not dump(lab, "binding") and not dump(lab, "pool")
    return nets == [name] and all(list(n) == [name] for n in listed) and len(dump(lab, "binding")) == len(listed)


def test_killed_while_a_network_is_made_and_removed(dockers):
    lab, a = dockers.lab, dockers["node1"]
    host = lab["node1"]
    for delay_ms in (0, 5, 10, 20, 40, 80, 160):
        for verb in (("create", *OVL), ("rm",)):
            if verb == ("rm",) and "demo" not in a.networks():
                continue
            with ThreadPoolExecutor(1) as pool:
                said = pool.submit(a.cli, "network", *verb, "demo", check=False)
                time.sleep(delay_ms / 1000)  # another point each time; which one does not matter
                host.stop(signal.SIGKILL)
                host.start()
                said.result()
            wait_for(lambda: agree(lab, dockers, "demo"), f"Docker and etcd agree after {verb[0]}, {delay_ms} ms", 30)
    if "demo" in a.networks():
        a.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def test_dockerd_is_killed(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    a.create("demo")
    b.knows("demo")
    a.run("c1", "--network", "demo")
    b.run("c2", "--network", "demo")
    a.restart(signal.SIGKILL)
    # What ran is dead, and Docker says so when it is back.
    wait_for(lambda: {e["name"] for e in dump(lab, "endpoint").values()} == {"c2"}, "c1 is missed", 30)
    a.cli("start", "c1")
    a.reaches("c1", "c2")
    a.cli("rm", "-f", "c1")
    b.cli("rm", "-f", "c2")
    b.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)


def test_docker_loses_its_memory(dockers):
    lab, a, b = dockers.lab, dockers["node1"], dockers["node2"]
    net = a.create("demo")
    old = b.knows("demo")["Id"]
    b.stop()
    os.unlink(os.path.join(b.dir, "root/network/files/local-kv.db"))
    b.start()
    # That is no `docker network rm`: it stays in the cluster, and is made again.
    wait_for(lambda: "demo" in b.networks() and b.networks()["demo"]["Id"] != old, "demo is made again", 30)
    wait_for(lambda: {v["docker"] for v in dump(lab, "binding").values()} == {net, b.networks()["demo"]["Id"]}, "bound anew", 10)
    b.run("c2", "--network", "demo")
    b.cli("rm", "-f", "c2")
    a.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    empty(lab)
