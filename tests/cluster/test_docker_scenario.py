# SPDX-License-Identifier: GPL-2.0-or-later
"""The two-host overlay lab with Docker's own commands: `docker network create -d ovl demo` on one host, containers on both."""
import concurrent.futures
import re

import pytest
from agree import agree
from docker import IMAGE, DockerLab
from procs import wait_for

DOCKERS = dict(hosts=3)  # node3 looks on: whatever is made must come there too, and go


@pytest.fixture(autouse=True)
def nothing_left(dockers):
    yield
    for d in dockers:
        d.clear()
    for d in dockers:
        for name in d.networks():
            d.cli("network", "rm", name, check=False)
    lab = dockers.lab
    wait_for(lambda: lab.etcd.keys("network/") == lab.etcd.keys("endpoint/") == lab.etcd.keys("address/") == lab.etcd.keys("binding/") == [],
             "etcd is empty again")
    agree(dockers)


@pytest.fixture(scope="module")
def outside(dockers):
    return dockers.lab.stranger("outside")


def both_ways(d, net, a="c1", b="c2"):
    """By address and by name, a of node1 and b of node2."""
    one, two = d["node1"], d["node2"]
    one.ping(a, two.ip4(b, net))
    two.ping(b, one.ip4(a, net))
    one.reaches(a, b)
    two.reaches(b, a)


def pair(d, net, *args):
    d["node1"].run("c1", "--network", net, *args)
    d["node2"].run("c2", "--network", net, *args)


# ---- the lab, step by step ----

def test_scenario_a(dockers, outside):
    lab, one, two = dockers.lab, dockers["node1"], dockers["node2"]
    net = one.create("demo")
    assert re.fullmatch("[0-9a-f]{64}", net)
    dockers.everywhere("demo")
    shown = [d.network("demo") for d in dockers]
    assert shown[0]["Id"] == net
    for n in shown:
        assert (n["Driver"], n["EnableIPv6"], n["Internal"], n["Containers"], n["IPAM"]["Driver"]) == ("ovl", False, False, {}, "ovl")
        assert n["IPAM"]["Config"] == shown[0]["IPAM"]["Config"] or n is shown[0]
    subnet, gateway = (shown[1]["IPAM"]["Config"][0][k] for k in ("Subnet", "Gateway"))
    assert re.fullmatch(r"10\.0\.\d+\.0/24", subnet) and gateway == subnet.replace("0/24", "1")
    # ovlctl shows the same network, on each node.
    for host in lab:
        host.knows("demo")
        n = host.inspect("demo")
        assert (n["Id"], n["Driver"], n["Scope"]) == (net, "overlay", "global")
        assert n["IPAM"]["Config"][0]["Subnet"] == subnet
    one.run("c1", "--network", "demo", "-p", "8080:80", command=("httpd", "-f", "-p", "80"))
    two.run("c2", "--network", "demo")
    both_ways(dockers, "demo")
    agree(dockers)
    inside = one.network("demo")["Containers"]
    assert [(c["Name"], c["IPv4Address"]) for c in inside.values()] == [("c1", one.ip4("c1", "demo") + "/24")]
    # The way out and the published port are docker_gwbridge's.
    one.ping("c1", outside.ip)
    assert "docker_gwbridge" in one.cli("network", "ls").stdout
    wait_for(lambda: outside.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://{lab['node1'].ip}:8080", check=False).stdout == "404",
             "the published port")
    # What is in etcd.
    nodes = {n["Name"]: n["Id"] for n in lab["node1"].get("/nodes")}
    record = lab.etcd.get("network/")[f"network/{net}"]
    assert record["name"] == "demo" and record["subnets"][0]["subnet"] == subnet and record["subnets"][0]["gateway"] == gateway
    assert lab.etcd.get("binding/") == {f"binding/{net}/{nodes[d.host.name]}": {"docker": d.network("demo")["Id"]} for d in dockers}
    eps = {c: d.endpoint(c, "demo") for d, c in ((one, "c1"), (two, "c2"))}
    assert {k: v["name"] for k, v in lab.etcd.get("endpoint/").items()} == {f"endpoint/{net}/{ep['EndpointID']}": c for c, ep in eps.items()}
    assert {k: v["endpoint"] for k, v in lab.etcd.get("address/").items()} == {f"address/{net}/{ep['IPAddress']}": ep["EndpointID"]
                                                                                  for ep in eps.values()}
    # In use: Docker refuses by itself. Unused, it goes everywhere.
    assert one.cli("network", "rm", "demo", check=False).returncode != 0
    one.cli("rm", "-f", "c1")
    two.cli("rm", "-f", "c2")
    two.cli("network", "rm", "demo")
    dockers.nowhere("demo")
    wait_for(lambda: lab.etcd.keys("network/") == [], "nothing in etcd")


def test_network_of_ovlctl(dockers):
    """Appears in Docker; its containers and Docker's find each other."""
    lab, one, two = dockers.lab, dockers["node1"], dockers["node2"]
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.254", "--label", "team=net", "made")
    for d in dockers:
        n = d.knows("made")
        assert n["IPAM"]["Config"] == [{"Subnet": "10.77.0.0/24", "Gateway": "10.77.0.254"}]
        assert n["Labels"]["team"] == "net"
    c = lab.container("node2", "bare")
    c.connect("made")
    one.run("c1", "--network", "made")
    one.ping("c1", c.ip4("made"))
    one.reaches("c1", "bare")
    c.reaches(one.ip4("c1", "made"))
    c.disconnect("made")
    one.cli("rm", "-f", "c1")
    lab["node2"].ctl("network", "rm", "made")
    dockers.nowhere("made")
    # And the other way about: made here, gone there.
    lab["node1"].ctl("network", "create", "-d", "overlay", "made")
    dockers.everywhere("made")
    two.cli("network", "rm", "made")
    dockers.nowhere("made")
    wait_for(lambda: not lab.etcd.keys("network/") and not lab.etcd.keys("binding/"), "nothing in etcd")


@pytest.mark.parametrize("node", ["node1", "node3"])
def test_removed_on_any_node(dockers, node):
    net = dockers["node1"].create("gone")
    dockers.everywhere("gone")
    dockers[node].cli("network", "rm", "gone")
    dockers.nowhere("gone")
    wait_for(lambda: f"network/{net}" not in dockers.lab.etcd.keys("network/"), "the network is gone")


def test_removed_while_others_use_it(dockers):
    """Docker cannot be refused: gone on this node only, until it is asked for again or the others have gone."""
    lab, one, two = dockers.lab, dockers["node1"], dockers["node2"]
    net = one.create("used")
    dockers.everywhere("used")
    two.run("c2", "--network", "used")
    one.cli("network", "rm", "used")
    node = next(n["Id"] for n in lab["node1"].get("/nodes") if n["Self"])
    wait_for(lambda: f"binding/{net}/{node}" not in lab.etcd.keys("binding/"), "the binding has gone")
    assert f"network/{net}" in lab.etcd.keys("network/")
    # Shown, and not made again: neither by what happens to the network nor at the next start.
    lab["node1"].knows("used")
    wait_for(lambda: lab["node1"].inspect("used")["Left"] is True, "inspect tells that it is left")
    assert "used" in lab.tail(lab["node1"].log, 20000)
    two.run("c3", "--network", "used")
    lab["node1"].stop()
    lab["node1"].start()
    assert "used" not in one.networks()
    # Asked for again.
    one.create("used", "-o", "ovl.network=used", "--ipam-opt", "ovl.network=used")
    one.run("c1", "--network", "used")
    both_ways(dockers, "used")
    agree(dockers)
    # Left again; it goes when the last binding goes.
    one.cli("rm", "-f", "c1")
    one.cli("network", "rm", "used")
    two.clear()
    two.cli("network", "rm", "used")
    wait_for(lambda: lab.etcd.keys("network/") == [], "the network is gone")
    dockers.nowhere("used")


def test_name_taken(dockers):
    """The same name made on two nodes at once: one is the cluster's, the other stays where it is and is told of."""
    lab = dockers.lab
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        makers = list(dockers)[:2]
        ids = list(pool.map(lambda d: d.create("same"), makers))
    assert len(set(ids)) == 2

    def settled():
        names = {k.split("/")[1]: v["name"] for k, v in lab.etcd.get("network/").items()}
        return sorted(names.values()).count("same") == 1 and names
    names = wait_for(settled, "one of them is the cluster's", 10)
    loser = next(i for i in ids if names.get(i) != "same")
    assert names[loser] == "docker-" + loser[:12]
    d = makers[ids.index(loser)]
    wait_for(lambda: loser[:12] in lab.tail(d.host.log, 20000) and "same" in lab.tail(d.host.log, 20000), "it is told of")
    # Both work, each where it is; nothing is mixed up.
    for maker in makers:
        for c in ("c1", "c2"):
            maker.run(c, "--network", "same")
        maker.ping("c1", maker.ip4("c2", "same"))
    subnets = [maker.network("same")["IPAM"]["Config"][0]["Subnet"] for maker in makers]
    assert subnets[0] != subnets[1]
    # Once it has gone the winner's takes its place.
    d.clear()
    d.cli("network", "rm", loser)
    winner = next(i for i in ids if i != loser)
    wait_for(lambda: d.network("same")["Options"].get("ovl.network") == winner, "the other one instead", 10)


# ---- what `docker network create` can be told ----

def test_options(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("full", "--subnet", "10.88.0.0/16", "--gateway", "10.88.0.254", "--ip-range", "10.88.5.0/24", "--aux-address", "router=10.88.5.1",
               "-o", "com.docker.network.driver.mtu=1300", "-o", "vni=4711")
    n = two.knows("full")
    assert n["IPAM"]["Config"] == [{"Subnet": "10.88.0.0/16", "Gateway": "10.88.0.254", "IPRange": "10.88.5.0/24",
                                    "AuxiliaryAddresses": {"router": "10.88.5.1"}}]
    pair(dockers, "full")
    ips = [d.ip4(c, "full") for d, c in ((one, "c1"), (two, "c2"))]
    assert all(ip.startswith("10.88.5.") and ip != "10.88.5.1" for ip in ips) and len(set(ips)) == 2
    assert "mtu 1300" in one.exec("c1", "ip", "link", "show", "eth0").stdout
    assert dockers.lab["node1"].inspect("full")["Options"]["vni"] == "4711"
    both_ways(dockers, "full")


def test_refused(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("base", "--subnet", "10.89.0.0/24")
    two.knows("base")
    for args, why in ((("--subnet", "10.89.0.0/25"), "10.89.0.0"), (("-o", "vni=frog"), "vni"), (("-o", "ovl.network=nosuch", "--ipam-opt", "ovl.network=nosuch"), "nosuch"),
                      (("-o", "com.docker.network.driver.mtu=17"), "mtu")):
        done = two.create("bad", *args, check=False)
        assert done.returncode != 0 and why in done.stderr, (args, done.stderr)
    done = two.cli("network", "create", "-d", "ovl", "bad", check=False)
    assert done.returncode != 0 and "--ipam-driver ovl" in done.stderr
    wait_for(lambda: len(dockers.lab.etcd.keys("network/")) == 1 and not dockers.lab.etcd.keys("pool/"), "nothing is left of them")


def test_internal(dockers, outside):
    one = dockers["node1"]
    one.create("inner", "--internal")
    n = dockers["node2"].knows("inner")
    assert n["Internal"] is True
    # The only server there is within reach: what Docker does not know itself it asks from inside the container.
    pair(dockers, "inner", "--dns", n["IPAM"]["Config"][0]["Gateway"])
    both_ways(dockers, "inner")
    assert one.ping("c1", outside.ip, check=False).returncode != 0
    assert "docker_gwbridge" not in one.exec("c1", "ip", "route").stdout and "default" not in one.exec("c1", "ip", "route").stdout


def test_ipv6(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("six", "--ipv6", "--subnet", "fd00:61::/64")
    assert two.knows("six")["EnableIPv6"] is True
    pair(dockers, "six")
    ips = [d.endpoint(c, "six")["GlobalIPv6Address"] for d, c in ((one, "c1"), (two, "c2"))]
    assert all(ip.startswith("fd00:61::") for ip in ips)
    one.exec("c1", "ping", "-6", "-c", "1", "-W", "2", ips[1])
    two.exec("c2", "ping", "-6", "-c", "1", "-W", "2", ips[0])
    both_ways(dockers, "six")
    agree(dockers)


def test_ip_and_mac(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("fixed", "--subnet", "10.90.0.0/24")
    two.knows("fixed")
    one.run("c1", "--network", "fixed", "--ip", "10.90.0.77", "--mac-address", "02:42:de:ad:be:ef")
    two.run("c2", "--network", "fixed", "--ip", "10.90.0.78")
    assert "02:42:de:ad:be:ef" in one.exec("c1", "ip", "link", "show", "eth0").stdout
    assert one.ip4("c1", "fixed") == "10.90.0.77"
    both_ways(dockers, "fixed")
    # Taken anywhere is taken; the gateway too.
    for ip in ("10.90.0.77", "10.90.0.1"):
        done = two.cli("run", "-d", "--name", "c3", "--network", "fixed", "--ip", ip, IMAGE, "sleep", "9", check=False)
        assert done.returncode != 0 and ip in done.stderr, done.stderr
        two.cli("rm", "-f", "c3")
    agree(dockers)
    # Stopped and started it has them again.
    one.cli("stop", "c1")
    one.cli("start", "c1")
    assert one.ip4("c1", "fixed") == "10.90.0.77"
    both_ways(dockers, "fixed")


# ---- names ----

def test_aliases(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("names")
    two.knows("names")
    one.run("c1", "--network", "names", "--network-alias", "db", "--network-alias", "store", "--hostname", "hal")
    two.run("c2", "--network", "names")
    for name in ("c1", "db", "store", "hal", "c1.names"):
        two.reaches("c2", name)
    assert two.ping("c2", "nosuch", check=False).returncode != 0
    # Several of one alias: all answers.
    two.run("c3", "--network", "names", "--network-alias", "db")
    one.run("c4", "--network", "names")
    ips = {one.ip4("c1", "names"), two.ip4("c3", "names")}
    wait_for(lambda: all(ip in two.exec("c2", "nslookup", "store", check=False).stdout for ip in [one.ip4("c1", "names")]), "store")
    assert ips  # Docker's own resolver answers for its own containers first: what it does not know is asked across


def test_rename(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("ren")
    two.knows("ren")
    pair(dockers, "ren")
    two.reaches("c2", "c1")
    one.cli("rename", "c1", "fresh")
    two.reaches("c2", "fresh")
    wait_for(lambda: two.ping("c2", "c1", check=False).returncode != 0, "the old name is gone")
    agree(dockers)


def test_link(dockers):
    one = dockers["node1"]
    one.create("linked")
    one.run("db", "--network", "linked")
    one.run("web", "--network", "linked", "--link", "db:store")
    one.reaches("web", "store")
    one.reaches("web", "db")
    assert one.ping("db", "store", check=False).returncode != 0


# ---- connect, disconnect, several networks, pause ----

def test_connect_and_disconnect(dockers):
    one, two = dockers["node1"], dockers["node2"]
    for net in ("na", "nb"):
        one.create(net)
        two.knows(net)
    pair(dockers, "na")
    for d, c in ((one, "c1"), (two, "c2")):
        d.cli("network", "connect", "--alias", c + "-b", "nb", c)
    one.ping("c1", two.ip4("c2", "nb"))
    two.ping("c2", one.ip4("c1", "nb"))
    one.reaches("c1", "c2-b")
    two.reaches("c2", "c1-b")
    agree(dockers)
    # What is left of one network is not touched by the end of the other.
    one.cli("network", "disconnect", "na", "c1")
    wait_for(lambda: two.ping("c2", "c1.na", check=False).returncode != 0, "c1 is in na no more")
    one.ping("c1", two.ip4("c2", "nb"))
    agree(dockers)
    one.cli("network", "connect", "na", "c1")
    both_ways(dockers, "na")
    one.cli("network", "disconnect", "-f", "nb", "c1")
    one.cli("network", "disconnect", "na", "c1")
    agree(dockers)
    # A stopped one is connected when it starts.
    one.cli("stop", "c1")
    one.cli("network", "connect", "nb", "c1")
    agree(dockers)
    one.cli("start", "c1")
    one.ping("c1", two.ip4("c2", "nb"))
    agree(dockers)


def test_networks_are_apart(dockers):
    one, two = dockers["node1"], dockers["node2"]
    for net in ("left", "right"):
        one.create(net)
        two.knows(net)
    one.run("c1", "--network", "left")
    two.run("c2", "--network", "right")
    two.run("c3", "--network", "left")
    assert one.ping("c1", two.ip4("c2", "right"), check=False).returncode != 0
    assert one.ping("c1", "c2", check=False).returncode != 0
    one.reaches("c1", "c3")


def test_pause(dockers):
    one, two = dockers["node1"], dockers["node2"]
    one.create("still")
    two.knows("still")
    pair(dockers, "still")
    both_ways(dockers, "still")
    one.cli("pause", "c1")
    agree(dockers)
    two.reaches("c2", "c1")  # the kernel answers for it
    one.cli("unpause", "c1")
    both_ways(dockers, "still")


# ---- without the API ----

def test_joined_by_hand():
    with DockerLab(hosts=2, api=False) as dockers:
        lab = dockers.lab
        lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
        lab.everywhere("demo")
        net = lab["node1"].inspect("demo")["Id"]
        one, two = dockers["node1"], dockers["node2"]
        one.create("demo", "-o", "ovl.network=demo", "--ipam-opt", "ovl.network=demo")
        two.create("called-so-here", "-o", "ovl.network=" + net, "--ipam-opt", "ovl.network=" + net)
        subnets = {d.network(n)["IPAM"]["Config"][0]["Subnet"] for d, n in ((one, "demo"), (two, "called-so-here"))}
        assert subnets == {lab["node1"].inspect("demo")["IPAM"]["Config"][0]["Subnet"]}
        # Once on each node.
        assert two.create("again", "-o", "ovl.network=demo", "--ipam-opt", "ovl.network=demo", check=False).returncode != 0
        one.run("c1", "--network", "demo")
        two.run("c2", "--network", "called-so-here")
        one.ping("c1", two.ip4("c2", "called-so-here"))
        two.ping("c2", one.ip4("c1", "demo"))
        for d, n in ((one, "demo"), (two, "called-so-here")):
            d.clear()
            d.cli("network", "rm", n)
        wait_for(lambda: not lab.etcd.keys("binding/") and not lab.etcd.keys("endpoint/") and not lab.etcd.keys("address/"), "nothing of Docker's is left")
