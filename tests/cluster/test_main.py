# SPDX-License-Identifier: GPL-2.0-or-later
"""The main job: a network made on one node, containers of both nodes on it, and all of it to be seen in etcd."""
import ipaddress
import json
import re

import pytest
from flows import transfer
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
ID = re.compile(r"[0-9a-f]{64}")


@pytest.fixture(scope="module")
def demo(lab):
    """The id of `demo`, made on node1."""
    node1 = lab["node1"]
    assert "demo" not in node1.ctl("network", "ls").stdout
    made = node1.ctl("network", "create", "-d", "overlay", "demo").stdout.strip()
    assert ID.fullmatch(made)
    lab.everywhere("demo")
    return made


@pytest.fixture(scope="module")
def pair(lab, demo):
    """c1 on node1 and c2 on node2, both on demo."""
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo")
    return c1, c2


def endpoints(host):
    """The names in `ovlctl endpoint ls`, without those of the way out."""
    lines = host.ctl("endpoint", "ls").stdout.splitlines()
    assert lines[0].split()[:3] == ["ENDPOINT", "ID", "NAME"]
    return sorted(line.split()[1] for line in lines[1:] if line.split()[2] != "egress")


def test_the_network_is_the_same_on_the_other_node(lab, demo):
    rows = [line.split() for line in lab["node2"].ctl("network", "ls").stdout.splitlines()]
    assert rows[0] == ["NETWORK", "ID", "NAME", "DRIVER", "SCOPE"]
    assert [demo[:12], "demo", "overlay", "global"] in rows[1:]
    assert lab["node2"].ctl("network", "ls", "-q", "--no-trunc", "-f", "scope=global").stdout.split() == [demo]
    listed = json.loads(lab["node2"].ctl("network", "ls", "-f", "scope=global", "--format", "json").stdout)
    assert [n["Name"] for n in (listed if isinstance(listed, list) else listed["networks"])] == ["demo"]


def test_inspect_says_what_docker_says(lab, demo):
    for host in lab:
        net = host.inspect("demo")
        assert net["Id"] == demo and net["Name"] == "demo"
        assert (net["Scope"], net["Driver"]) == ("global", "overlay")
        assert net["EnableIPv6"] is False and net["Internal"] is False
        assert [(c["Subnet"], c["Gateway"]) for c in net["IPAM"]["Config"]] == [("10.0.0.0/24", "10.0.0.1")]
        assert host.inspect(demo[:12])["Id"] == demo


def test_a_second_network_of_that_name_is_refused(lab, demo):
    refused = lab["node2"].ctl("network", "create", "-d", "overlay", "demo", check=False)
    assert refused.returncode == 1 and "demo" in refused.stderr and refused.stdout == ""


def test_containers_reach_each_other(lab, pair):
    c1, c2 = pair
    a, b = c1.ip4("demo"), c2.ip4("demo")
    assert {a, b} == {"10.0.0.2", "10.0.0.3"}
    c1.reaches(b, 2)
    c1.ping(b, 20)
    c2.ping(a, 20)
    c1.ping("10.0.0.1")
    c2.ping("10.0.0.1")
    assert c1.mac() == "02:42:" + ":".join(f"{int(x):02x}" for x in a.split("."))


def test_the_tunnel_carries_large_transfers(lab, pair):
    c1, c2 = pair
    assert c1.link("eth0")["mtu"] == 1450
    a, b = c1.ip4("demo"), c2.ip4("demo")
    # The largest packet that fits, as one: 1450 less IP and ICMP headers.
    c1.ping(b, 1, 1, "-M", "do", "-s", 1422)
    assert c1.ping(b, 1, 1, "-M", "do", "-s", 1423, check=False).returncode != 0
    transfer(c1, c2, b, 64 << 20)
    transfer(c2, c1, a, 64 << 20)


def test_endpoints_are_shown_on_both_nodes(lab, demo, pair):
    c1, c2 = pair
    for host in lab:
        shown = wait_for(lambda: len(host.inspect("demo")["Containers"]) == 2 and host.inspect("demo")["Containers"],
                         f"{host.name} shows both")
        by_name = {c["Name"]: c for c in shown.values()}
        for c in (c1, c2):
            assert by_name[c.name]["IPv4Address"] == f"{c.ip4('demo')}/24"
            assert by_name[c.name]["MacAddress"] == c.mac()
            assert by_name[c.name]["Node"] == c.host.name
            assert by_name[c.name]["EndpointID"] == c.endpoint("demo")["Id"]
    assert endpoints(lab["node1"]) == ["c1", "c2"]
    nodes = lab["node1"].ctl("node", "ls").stdout
    assert "192.168.205.10" in nodes and "192.168.205.11" in nodes


def test_etcd_holds_readable_records(lab, demo, pair):
    records = lab.etcd.get()
    kinds = {}
    for key, value in records.items():
        kinds.setdefault(key.split("/")[0], {})[key] = value
        assert isinstance(value, dict), f"{key}: {value}"
    assert {n["vtep"] for n in kinds["node"].values()} == {h.ip for h in lab}
    assert {n["name"] for n in kinds["node"].values()} == {"node1", "node2"}
    assert len(kinds["alive"]) == 2 and len(kinds["cluster"]) == 1
    assert list(kinds["network"]) == [f"network/{demo}"]
    net = kinds["network"][f"network/{demo}"]
    assert net["name"] == "demo" and net["subnets"][0]["subnet"] == "10.0.0.0/24"
    assert {e["name"] for e in kinds["endpoint"].values()} == {"c1", "c2"}
    assert set(kinds["address"]) == {f"address/{demo}/10.0.0.2", f"address/{demo}/10.0.0.3"}
    # Under their node's lease, so that a lost node's addresses come back by themselves.
    found = json.loads(lab.etcd.ctl("get", "--prefix", "/ovl/v1/address/", "-w", "json"))["kvs"]
    assert all(kv.get("lease") for kv in found)


def test_the_container_ends_without_detach(lab, demo, pair):
    c3 = lab.container("node2", "c3")
    c3.connect("demo")
    address = f"address/{demo}/{c3.ip4('demo')}"
    assert address in lab.etcd.keys("address/")
    c3.delete()
    wait_for(lambda: address not in lab.etcd.keys("address/"), "the address of a dead namespace is free")
    wait_for(lambda: "c3" not in endpoints(lab["node1"]), "its endpoint is gone")


def test_connect_is_checked_and_idempotent(lab, demo, pair):
    c1, c2 = pair
    before = c1.endpoint("demo")
    again = c1.connect("demo", check=False)
    assert again.returncode == 0, again.stderr
    assert c1.endpoint("demo") == before
    for argument, word in ((("--ip", "10.0.1.9"), "10.0.1.9"), (("--ip", "10.0.0.1"), "10.0.0.1"),
                           (("--ip", c1.ip4("demo")), c1.ip4("demo"))):
        c4 = lab.container("node2", "c4")
        refused = c4.connect("demo", *argument, check=False)
        assert refused.returncode == 1 and word in refused.stderr, refused
        assert [i["ifname"] for i in json.loads(c4.run("ip", "-j", "link").stdout)] == ["lo"]
        c4.delete()
    gone = lab["node1"].ctl("network", "connect", "demo", "netns:nothing-here", check=False)
    assert gone.returncode == 1 and "nothing-here" in gone.stderr
    absent = c1.connect("nowhere", check=False)
    assert absent.returncode == 1 and "nowhere" in absent.stderr


def test_connect_with_everything(lab, demo):
    lab["node1"].ctl("network", "create", "--subnet", "10.30.0.0/16", "--gateway", "10.30.9.9",
                     "--ip-range", "10.30.5.0/24", "--label", "a=b", "-o", "mtu=1400", "full")
    lab.everywhere("full")
    c5 = lab.container("node2", "c5")
    ep = c5.connect("full", "--ip", "10.30.7.7", "--mac", "02:00:00:00:00:77", "--ifname", "wan", "--alias", "web")
    assert (ep["ip4"], ep["MacAddress"], ep["IfName"]) == ("10.30.7.7", "02:00:00:00:00:77", "wan")
    assert "web" in ep["Aliases"]
    link = c5.link("wan")
    assert (link["mtu"], link["address"]) == (1400, "02:00:00:00:00:77")
    c6 = lab.container("node1", "c6")
    c6.connect("full")
    assert ipaddress.ip_address(c6.ip4("full")) in ipaddress.ip_network("10.30.5.0/24")
    c6.reaches("10.30.7.7", 2)
    c6.ping("10.30.9.9")
    c5.disconnect("full")
    c6.disconnect("full")
    lab["node2"].ctl("network", "rm", "full")
    wait_for(lambda: "full" not in lab["node1"].ctl("network", "ls").stdout, "gone on node1")


def test_run_puts_a_process_on_the_network(lab, demo, pair):
    node1, node2 = lab["node1"], lab["node2"]
    c1, _ = pair
    assert node1.ctl("run", "-d", "--name", "r1", "--network", "demo", "--", "sleep", "1000").stdout.split() == ["r1"]
    node2.ctl("run", "-d", "--name", "r2", "--network", "demo", "--", "sh", "-c", "echo hello; exec sleep 1000")
    assert "r1" in node1.ctl("ps").stdout and "r2" not in node1.ctl("ps").stdout
    assert node2.ctl("ps", "-q").stdout.split() == ["r2"]
    r2 = json.loads(node2.ctl("exec", "r2", "--", "ip", "-j", "-4", "addr", "show", "eth0").stdout)
    address = r2[0]["addr_info"][0]["local"]
    node1.ctl("exec", "r1", "--", "ping", "-c", "1", "-W", "2", address)
    c1.ping(address)
    wait_for(lambda: node2.ctl("logs", "r2").stdout == "hello\n", "its output is kept")
    assert node1.ctl("exec", "r1", "--", "sh", "-c", "exit 7", check=False).returncode == 7
    taken = node1.ctl("run", "-d", "--name", "r1", "--network", "demo", "--", "sleep", "1", check=False)
    assert taken.returncode != 0 and "r1" in taken.stderr
    node1.ctl("stop", "r1")
    node2.ctl("stop", "-t", "1", "r2")
    assert node1.ctl("ps", "-q").stdout == "" and node2.ctl("ps", "-q").stdout == ""
    wait_for(lambda: len(lab.etcd.keys("address/")) == 2, "their addresses are free")


def test_run_in_the_foreground_passes_the_status_on(lab, demo):
    done = lab["node1"].ctl("run", "--network", "demo", "--", "sh", "-c", "ip -4 -o addr show eth0; exit 5",
                            check=False)
    assert done.returncode == 5 and "10.0.0." in done.stdout, done


def test_a_network_in_use_is_not_removed(lab, demo, pair):
    c1, c2 = pair
    refused = lab["node1"].ctl("network", "rm", "demo", check=False)
    assert refused.returncode == 1 and "c2" in refused.stderr and "c1" in refused.stderr, refused.stderr
    c1.disconnect("demo")
    c2.disconnect("demo")
    wait_for(lambda: [i["ifname"] for i in json.loads(c1.run("ip", "-j", "link").stdout)] == ["lo"], "eth0 is gone", 2)
    lab["node2"].ctl("network", "rm", "demo")
    wait_for(lambda: lab["node1"].ctl("network", "ls", "-q", "-f", "scope=global").stdout == "", "gone on node1")
    assert lab["node1"].ctl("network", "rm", "demo", check=False).returncode == 1
    lab["node1"].ctl("network", "rm", "-f", "demo")
    assert {k.split("/")[0] for k in lab.etcd.keys()} == {"cluster", "node", "alive"}


def test_nothing_of_it_is_left_in_the_kernel(lab):
    for host in lab:
        wait_for(lambda: not [i for i in host.overlay_json("ip", "-j", "link")
                              if i["ifname"].startswith(("br", "vx", "veth", "ov"))], f"{host.name} is clean")
