# SPDX-License-Identifier: GPL-2.0-or-later
"""Every container finds every other of its networks by name, on every node, and nobody else."""
import json
import os
import re
import signal
import socket
import subprocess

import netns
import pytest
from procs import wait_for

LAB = dict(hosts=3, etcd=1)


@pytest.fixture(scope="module")
def demo(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    return "demo"


def own(host):
    return [ep for ep in host.get("/endpoints") if ep["Local"]]


@pytest.fixture(autouse=True)
def nothing_left(lab):
    yield
    for host in lab:
        if not host.ovld.alive():
            continue
        names = host.ctl("ps", "-q").stdout.split()
        if names:
            host.ctl("stop", "-t", "0", *names)
        for ep in own(host):
            host.api("POST", f"/networks/{ep['NetworkId']}/disconnect", {"Target": ep["Name"], "Force": True})
        wait_for(lambda: own(host) == [], "no endpoint is left")


def run(host, name, *args, check=True):
    return host.ctl("run", "-d", "--name", name, *args, "--", "sleep", "1000", check=check)


def inside(host, name, *command, check=True, timeout=40):
    return host.ctl("exec", name, "--", *command, check=check, timeout=timeout)


def pings(host, name, whom):
    """ping by name, as users do: the resolver of the C library and the container's own resolv.conf."""
    inside(host, name, "ping", "-c1", "-W2", whom)


def finds(host, name, whom):
    """getent ahosts: the addresses of a name, in order; [] where there is none."""
    done = inside(host, name, "getent", "ahostsv4", whom, check=False)
    return [line.split()[0] for line in done.stdout.splitlines() if "STREAM" in line]


def dig(place, server, *question):
    """dig in a place's namespace. Returns (status, flags, [(name, type, data)])."""
    out = place.run("dig", "@" + server, "+tries=1", "+time=3", "+nostats", *question).stdout
    status = re.search(r"status: (\w+)", out).group(1)
    flags = re.search(r"flags: ([a-z ]*);", out).group(1).split()
    answers = re.search(r"ANSWER SECTION:\n(.*?)\n\n", out + "\n\n", re.S)
    records = []
    for line in answers.group(1).splitlines() if answers else []:
        name, _, _, kind, data = line.split(None, 4)
        records.append((name, kind, data))
    return status, flags, records


def gateway(host, net):
    return host.inspect(net)["IPAM"]["Config"][0]["Gateway"]


# ---- B.7: the classic ----

def test_across_nodes_and_on_one(lab, demo):
    one, two = lab["node1"], lab["node2"]
    run(one, "c1", "--network", demo)
    run(two, "c2", "--network", demo)
    run(one, "c3", "--network", demo)
    for host, name, others in ((one, "c1", ("c2", "c3")), (two, "c2", ("c1", "c3")), (one, "c3", ("c1", "c2"))):
        for other in others:
            pings(host, name, other)
            pings(host, name, f"{other}.demo")
            pings(host, name, f"{other}.demo.ovl")
            pings(host, name, other.upper())
    # The name goes with the container.
    two.ctl("stop", "-t", "0", "c2")
    wait_for(lambda: finds(one, "c1", "c2") == [], "c2 is forgotten on node1")


def test_user_defined_bridge(lab):
    host = lab["node1"]
    host.ctl("network", "create", "-d", "bridge", "front")
    run(host, "c1", "--network", "front")
    run(host, "c2", "--network", "front")
    pings(host, "c1", "c2")
    pings(host, "c2", "c1")
    host.ctl("stop", "-t", "0", "c1", "c2")
    host.ctl("network", "rm", "front")


def test_default_bridge_knows_links_only(lab):
    host = lab["node1"]
    run(host, "test1")
    run(host, "test2", "--link", "test1", "--link", "test1:db")
    run(host, "test3")
    pings(host, "test2", "test1")
    pings(host, "test2", "db")
    assert finds(host, "test1", "test2") == []  # one way
    assert finds(host, "test3", "test1") == [] and finds(host, "test3", "db") == []


def test_a_link_is_private(lab, demo):
    one, two = lab["node1"], lab["node2"]
    run(one, "redis1", "--network", demo)
    run(two, "web", "--network", demo, "--link", "redis1:db", "--link", "later:soon")
    run(two, "other", "--network", demo)
    pings(two, "web", "db")
    assert finds(two, "other", "db") == [] and finds(one, "redis1", "db") == []
    assert finds(two, "web", "soon") == []
    run(one, "later", "--network", demo)
    wait_for(lambda: finds(two, "web", "soon"), "a link to one that came later")


def test_a_second_network_at_once(lab, demo):
    one, two = lab["node1"], lab["node2"]
    one.ctl("network", "create", "-d", "overlay", "second")
    lab.everywhere("second")
    run(one, "c1", "--network", demo)
    run(two, "c2", "--network", "second")
    assert finds(two, "c2", "c1") == [] and finds(one, "c1", "c2") == []
    one.ctl("network", "connect", "second", "c1")
    assert finds(one, "c1", "c2")  # it asks its own node, which knew before it replied
    wait_for(lambda: finds(two, "c2", "c1"), "c1 is known on the other network")
    pings(one, "c1", "c2")
    pings(two, "c2", "c1")
    one.ctl("network", "disconnect", "second", "c1")
    assert finds(one, "c1", "c2") == []
    wait_for(lambda: finds(two, "c2", "c1") == [], "c1 is forgotten on the other network")
    two.ctl("stop", "-t", "0", "c2")
    one.ctl("network", "rm", "second")


# ---- what names there are ----

def test_aliases_hostname_short_id(lab, demo):
    one, two = lab["node1"], lab["node2"]
    run(one, "c1", "--network", demo)
    run(two, "a", "--network", f"name={demo},alias=web,alias=www", "--hostname", "first.example")
    run(two, "b", "--network", f"name={demo},alias=web")
    ip = {c: two.get(f"/containers/{c}/json")["NetworkSettings"]["Networks"][demo]["IPAddress"] for c in "ab"}
    assert finds(one, "c1", "first.example") == [ip["a"]] == finds(one, "c1", "www")
    assert inside(two, "a", "hostname").stdout.strip() == "first.example"
    sandbox = next(e for e in two.get("/endpoints") if e["Name"] == "a" and e["Network"] == demo)["Sandbox"]
    assert finds(one, "c1", sandbox[:12]) == [ip["a"]]
    # All of an alias, and not always the same first.
    seen = {inside(one, "c1", "dig", "+short", "web").stdout for _ in range(8)}
    assert {frozenset(s.split()) for s in seen} == {frozenset(ip.values())}
    assert len(seen) == 2


def test_types(lab, demo):
    one, two = lab["node1"], lab["node2"]
    c1 = lab.container(one, "t1")
    c1.connect(demo)
    run(two, "shop", "--network", demo, "-p", "8080:80", "--expose", "5353/udp")
    gw = gateway(one, demo)
    ip = two.get("/containers/shop/json")["NetworkSettings"]["Networks"][demo]["IPAddress"]
    wait_for(lambda: dig(c1, gw, "shop")[0] == "NOERROR", "shop is known on node1")
    status, flags, records = dig(c1, gw, "ShOp", "A")
    assert records == [("ShOp.", "A", ip)] and "aa" in flags and "ra" in flags
    assert dig(c1, gw, "shop", "AAAA")[::2] == ("NOERROR", [])
    assert dig(c1, gw, "shop", "TXT")[::2] == ("NOERROR", [])
    assert dig(c1, gw, "-x", ip)[2][0][1:] == ("PTR", "shop.demo.ovl.")
    assert dig(c1, gw, "_80._tcp.shop", "SRV")[2][0][1:] == ("SRV", "0 0 80 shop.demo.ovl.")
    assert dig(c1, gw, "_5353._udp.shop.demo", "SRV")[2][0][1:] == ("SRV", "0 0 5353 shop.demo.ovl.")
    assert dig(c1, gw, "_81._tcp.shop", "SRV")[0] == "NXDOMAIN"
    assert dig(c1, gw, "shop", "ANY")[2][0][1] == "HINFO"
    assert dig(c1, gw, "nobody.demo.ovl")[0] == "NXDOMAIN"
    assert dig(c1, gw, "-x", gw.rsplit(".", 1)[0] + ".254")[0] == "NXDOMAIN"
    for how in ("+tcp", "+bufsize=512", "+noedns", "+dnssec"):
        assert dig(c1, gw, how, "shop", "A")[2] == [("shop.", "A", ip)], how
    c1.delete()


def test_ipv6(lab):
    one, two = lab["node1"], lab["node2"]
    one.ctl("network", "create", "-d", "overlay", "--ipv6", "six")
    lab.everywhere("six")
    run(one, "c1", "--network", "six")
    run(two, "c2", "--network", "six")
    wait_for(lambda: inside(one, "c1", "getent", "ahostsv6", "c2", check=False).returncode == 0, "c2 has an AAAA")
    inside(one, "c1", "ping", "-6", "-c1", "-W2", "c2")
    ip6 = two.get("/containers/c2/json")["NetworkSettings"]["Networks"]["six"]["GlobalIPv6Address"]
    # By IPv6, too, and backwards.
    gw6 = next(c["Gateway"] for c in one.inspect("six")["IPAM"]["Config"] if ":" in c["Gateway"])
    assert inside(one, "c1", "dig", "@" + gw6, "+short", "-x", ip6).stdout.strip() == "c2.six.ovl."
    for host, name in ((one, "c1"), (two, "c2")):
        host.ctl("stop", "-t", "0", name)
    one.ctl("network", "rm", "six")


def test_no_names_of_other_networks(lab, demo):
    one, two = lab["node1"], lab["node2"]
    one.ctl("network", "create", "-d", "overlay", "--internal", "secret")
    lab.everywhere("secret")
    run(two, "vault", "--network", "secret")
    run(one, "c1", "--network", demo)
    c2 = lab.container(one, "s2")
    c2.connect("secret")
    gw = gateway(one, "secret")
    wait_for(lambda: dig(c2, gw, "vault")[2], "vault is known on its own network")
    ip = dig(c2, gw, "vault")[2][0][2]
    for name in ("vault", "vault.secret", "vault.secret.ovl"):
        assert finds(one, "c1", name) == []
    assert inside(one, "c1", "getent", "hosts", ip, check=False).returncode != 0
    # Never forwarded from there.
    assert dig(c2, gw, "example.org")[0] == "REFUSED"
    c2.disconnect("secret")
    two.ctl("stop", "-t", "0", "vault")
    one.ctl("network", "rm", "secret")


# ---- files ----

def test_files_of_a_container(lab, demo):
    host = lab["node1"]
    run(host, "c1", "--network", demo, "--dns-search", "corp.example", "--dns-option", "timeout:1", "--add-host", "db:192.0.2.7",
        "--add-host", "me:host-gateway", "--hostname", "box")
    text = inside(host, "c1", "cat", "/etc/resolv.conf").stdout
    server = re.search(r"^nameserver (\S+)$", text, re.M).group(1)
    egress = json.loads(host.run("ip", "-j", "-4", "addr", "show", "dev", "ovl-gw").stdout)[0]["addr_info"][0]["local"]
    assert server == egress
    assert re.search(r"^search corp\.example$", text, re.M) and "timeout:1" in text and "ndots:0" in text
    hosts = inside(host, "c1", "cat", "/etc/hosts").stdout
    ip = host.get("/containers/c1/json")["NetworkSettings"]["Networks"][demo]["IPAddress"]
    assert re.search(rf"^{ip}\s+box\b", hosts, re.M) and "192.0.2.7" in hosts and "localhost" in hosts
    assert finds(host, "c1", "db") == ["192.0.2.7"] and finds(host, "c1", "me") == [egress]
    # The host's own are as they were.
    assert "box" not in open("/etc/hosts", encoding="utf-8").read()
    assert server not in open("/etc/resolv.conf", encoding="utf-8").read()
    state = os.path.join(host.dir, "state", "run")
    assert "c1.etc" in os.listdir(state)
    host.ctl("stop", "-t", "0", "c1")
    wait_for(lambda: "c1.etc" not in os.listdir(state), "its files are gone")


def test_files_follow_the_networks(lab, demo):
    host = lab["node1"]
    host.ctl("network", "create", "-d", "bridge", "--internal", "inner")
    run(host, "c1", "--network", "inner")
    before = inside(host, "c1", "cat", "/etc/resolv.conf").stdout
    assert gateway(host, "inner") in before
    host.ctl("network", "connect", demo, "c1")
    after = inside(host, "c1", "cat", "/etc/resolv.conf").stdout
    assert gateway(host, "inner") not in after
    host.ctl("network", "disconnect", demo, "c1")
    assert inside(host, "c1", "cat", "/etc/resolv.conf").stdout == before
    # What the user writes there is the user's.
    inside(host, "c1", "sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf")
    host.ctl("network", "connect", demo, "c1")
    assert inside(host, "c1", "cat", "/etc/resolv.conf").stdout == "nameserver 192.0.2.1\n"
    host.ctl("stop", "-t", "0", "c1")
    host.ctl("network", "rm", "inner")


def test_namespaces(lab, demo):
    one, two = lab["node1"], lab["node2"]
    n1, n2 = lab.container(one, "n1"), lab.container(two, "n2")
    n1.connect(demo)
    n2.connect(demo)
    where = "/etc/netns/" + n1.netns
    assert sorted(os.listdir(where)) == ["hosts", "resolv.conf"]
    netns.sh("ip", "netns", "exec", n1.netns, "ping", "-c1", "-W2", "n2")
    netns.sh("ip", "netns", "exec", n2.netns, "ping", "-c1", "-W2", "n1.demo")
    n1.disconnect(demo)
    assert not os.path.exists(where)
    # Somebody's own file is left alone.
    os.makedirs(where)
    try:
        with open(where + "/resolv.conf", "w", encoding="utf-8") as f:
            f.write("nameserver 192.0.2.1\n")
        n1.connect(demo)
        assert open(where + "/resolv.conf", encoding="utf-8").read() == "nameserver 192.0.2.1\n"
        n1.disconnect(demo)
        assert os.listdir(where) == ["resolv.conf"]
    finally:
        os.unlink(where + "/resolv.conf")
        os.rmdir(where)


def test_bad_input(lab, demo):
    host = lab["node1"]
    for flags, words in ((["--dns", "300.1.1.1"], "300.1.1.1"), (["--dns-search", "a..b"], "a..b"), (["--add-host", "db"], "db"),
                         (["--link", ":x"], ":x"), (["--expose", "70000"], "70000"), (["--hostname", "-x"], "-x")):
        done = run(host, "bad", "--network", demo, *flags, check=False)
        assert done.returncode != 0 and words in done.stderr, (flags, done.stderr)
    assert own(host) == [] and host.ctl("ps", "-q").stdout == ""


# ---- trouble ----

def test_a_node_that_is_down(lab, demo):
    one, three = lab["node1"], lab["node3"]
    run(one, "c1", "--network", demo)
    run(three, "c3", "--network", demo)
    wait_for(lambda: finds(one, "c1", "c3"), "c3 is known")
    three.stop(signal.SIGKILL)
    wait_for(lambda: one.info()["NodesUp"] == 2, "node3 is down", 30)
    assert finds(one, "c1", "c3")
    pings(one, "c1", "c3")
    three.start()
    assert finds(one, "c1", "c3")
    pings(three, "c3", "c1")


def test_without_etcd(lab, demo):
    one, two = lab["node1"], lab["node2"]
    run(one, "c1", "--network", demo)
    run(two, "c2", "--network", demo)
    wait_for(lambda: finds(one, "c1", "c2"), "c2 is known")
    wait_for(lambda: finds(two, "c2", "c1"), "c1 is known")
    lab.etcd.stop()
    try:
        pings(one, "c1", "c2")
        one.stop()
        one.start(wait=False)
        wait_for(lambda: os.path.exists(one.socket_path) and one.info()["Reconcile"]["Ready"], "node1 runs from its snapshot")
        wait_for(lambda: finds(one, "c1", "c2"), "names from the snapshot")
        pings(one, "c1", "c2")
        pings(two, "c2", "c1")
    finally:
        lab.etcd.start()
    one.wait_ready()
    pings(one, "c1", "c2")


def test_a_bridge_made_again(lab):
    host = lab["node1"]
    host.ctl("network", "create", "-d", "bridge", "-o", "bridge.name=tbr0", "front")
    run(host, "c1", "--network", "front")
    run(host, "c2", "--network", "front")
    pings(host, "c1", "c2")
    host.run("ip", "link", "del", "tbr0")
    wait_for(lambda: inside(host, "c1", "ping", "-c1", "-W1", "c2", check=False).returncode == 0, "names again", 10)
    host.ctl("stop", "-t", "0", "c1", "c2")
    host.ctl("network", "rm", "front")


def test_port_53_is_taken(lab):
    host = lab["node3"]
    host.stop()
    other = host.socket(kind=socket.SOCK_DGRAM)
    tcp = host.socket()
    try:
        for s in (other, tcp):
            s.bind(("0.0.0.0", 53))
        tcp.listen()
        host.start()
        info = host.info()["Dns"]
        assert any("53" in p for p in info["Problems"]), info
        assert "held by" in host.ctl("info").stdout
    finally:
        other.close()
        tcp.close()
    wait_for(lambda: host.info()["Dns"].get("Problems", []) == [], "port 53 is served once it is free", 10)
    run(host, "test1")
    run(host, "test2", "--link", "test1")
    pings(host, "test2", "test1")
