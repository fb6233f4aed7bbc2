# SPDX-License-Identifier: GPL-2.0-or-later
"""Published ports, of containers on a local bridge and on an overlay network (through ovl-gw): everybody who may reach them, and as whom."""
import json
import signal
import socket

import netns
import pytest
from greet import Greeter, greeting
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
NETS = ["bridge", "demo"]


@pytest.fixture(scope="module")
def host(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "demo")
    lab.everywhere("demo")
    lab["node1"].ctl("network", "create", "-d", "overlay", "--internal", "inner")
    for node in lab:
        node.run("ip", "addr", "add", f"fd05::{node.name[-1]}/64", "dev", "eth0", "nodad")
    return lab["node1"]


@pytest.fixture(scope="module")
def outside(lab, host):
    place = lab.stranger("outside")
    place.run("ip", "addr", "add", "fd05::99/64", "dev", "eth0", "nodad")
    return place


@pytest.fixture(autouse=True)
def nothing_left(lab, host):
    yield
    for node in lab:
        for ep in node.get("/endpoints"):
            if ep["Local"]:
                node.ctl("network", "disconnect", "-f", ep["Network"], ep["Name"], check=False)
    for name in netns.names(lab.prefix + "p-"):
        netns.delete(name)
    wait_for(lambda: all(n.get("/endpoints") == [] for n in lab), "no endpoint is left")


@pytest.fixture
def box(lab, host):
    def make(name, net, *publish, node=None, **kw):
        c = lab.container(node or host, "p-" + name)
        c.result = c.connect(net, *[a for p in publish for a in ("-p", p)], **kw)
        return c
    return make


def ports(host, name):
    return host.ctl("port", name).stdout.splitlines()


@pytest.mark.parametrize("net", NETS)
def test_everybody_reaches_it(lab, host, outside, box, net):
    web = box("web", net, "8080:80")
    peer = box("peer", net)
    with Greeter(web, 80, name="web"):
        # From another machine, and another node: with their own addresses.
        assert greeting(outside, host.ip, 8080) == ("web", outside.ip)
        assert greeting(lab["node2"], host.ip, 8080) == ("web", lab["node2"].ip)
        # From the host: by its address and by 127.0.0.1.
        assert greeting(host, host.ip, 8080)[0] == "web"
        assert greeting(host, "127.0.0.1", 8080)[0] == "web"
        # IPv6, of a container that has IPv4 only: relayed.
        assert greeting(host, "::1", 8080)[0] == "web"
        assert greeting(outside, "fd05::1", 8080)[0] == "web"
        # Hairpin: a sibling, and itself.
        assert greeting(peer, host.ip, 8080)[0] == "web"
        assert greeting(web, host.ip, 8080)[0] == "web"
    assert greeting(outside, host.ip, 80, timeout=0.5) is None


@pytest.mark.parametrize("net", NETS)
def test_udp_is_answered_from_the_right_address(lab, host, outside, box, net):
    dns = box("dns", net, "5353:53/udp")
    peer = box("peer", net)
    with Greeter(dns, 53, socket.SOCK_DGRAM, name="dns"):
        for who in (outside, lab["node2"]):
            assert greeting(who, host.ip, 5353, socket.SOCK_DGRAM) == ("dns", who.ip)  # connected: only that address is heard
        for where in (host.ip, "127.0.0.1", "::1"):
            assert greeting(host, where, 5353, socket.SOCK_DGRAM)[0] == "dns", where
        assert greeting(peer, host.ip, 5353, socket.SOCK_DGRAM)[0] == "dns"


def test_forms(host, outside, box):
    c = box("c", "bridge", "9000-9002:7000-7002", "127.0.0.1:9100:7000", f"{host.ip}:9101:7001", "7002", "[::1]:9102:7000")
    lines = ports(host, "p-c")
    for line in ("7000/tcp -> 0.0.0.0:9000", "7000/tcp -> [::]:9000", "7002/tcp -> 0.0.0.0:9002", "7000/tcp -> 127.0.0.1:9100",
                 f"7001/tcp -> {host.ip}:9101", "7000/tcp -> [::1]:9102"):
        assert line in lines, (line, lines)
    chosen = {line.rsplit(":", 1)[1] for line in lines if line.startswith("7002/tcp")} - {"9002"}
    assert len(chosen) == 1 and int(*chosen) > 1024, lines
    with Greeter(c, 7000, name="c"), Greeter(c, 7001, name="c1"), Greeter(c, 7002, name="c2"):
        assert greeting(outside, host.ip, 9001)[0] == "c1"
        assert greeting(outside, host.ip, int(*chosen))[0] == "c2"
        assert greeting(host, "127.0.0.1", 9100)[0] == "c"
        assert greeting(outside, host.ip, 9100, timeout=0.5) is None
        assert greeting(outside, host.ip, 9101)[0] == "c1"
        assert greeting(host, "::1", 9102)[0] == "c"


def test_host_binding(host, outside, box):
    host.ctl("network", "create", "-d", "bridge", "-o", "host-binding-ipv4=127.0.0.1", "bound")
    c = box("c", "bound", "8081:80")
    with Greeter(c, 80, name="c"):
        assert greeting(host, "127.0.0.1", 8081)[0] == "c"
        assert greeting(outside, host.ip, 8081, timeout=0.5) is None
    c.disconnect("bound")
    host.ctl("network", "rm", "bound")


def test_routed(host, outside, box):
    """gateway-mode=routed: no translation; published ports, and only they, by the container's own address."""
    host.ctl("network", "create", "-d", "bridge", "--subnet", "172.28.3.0/24", "-o", "gateway-mode=routed", "plain")
    c = box("c", "plain", "8082:80")
    outside.run("ip", "route", "replace", "172.28.3.0/24", "via", host.ip)
    with Greeter(c, 80, name="c"), Greeter(c, 81, name="c"):
        assert greeting(outside, c.ip4("plain"), 80) == ("c", outside.ip)
        assert greeting(outside, c.ip4("plain"), 81, timeout=0.5) is None
    with Greeter(outside, 7200):
        assert greeting(c, outside.ip, 7200) == ("outside", c.ip4("plain"))
    c.disconnect("plain")
    host.ctl("network", "rm", "plain")


def test_icc_off_lets_published_ports_through(host, box):
    host.ctl("network", "create", "-d", "bridge", "-o", "icc=false", "quiet")
    web, peer = box("web", "quiet", "8083:80"), box("peer", "quiet")
    with Greeter(web, 80, name="web"):
        assert greeting(peer, web.ip4("quiet"), 80, timeout=0.5) is None
        assert greeting(peer, host.ip, 8083)[0] == "web"
    for c in (web, peer):
        c.disconnect("quiet")
    host.ctl("network", "rm", "quiet")


def test_a_port_that_is_taken(host, box):
    box("first", "bridge", "8084:80")
    done = box("second", "bridge", "8084:80", check=False).result
    assert done.returncode == 1 and "8084" in done.stderr and "p-first" in done.stderr, done
    with host.socket() as holder:
        holder.bind(("0.0.0.0", 8085))
        holder.listen(1)
        done = box("third", "bridge", "8085:80", check=False).result
        assert done.returncode == 1 and "8085" in done.stderr and "pid" in done.stderr, done
    # Nothing is left of those refused, and what was free stays free.
    assert [e["Name"] for e in host.get("/endpoints")] == ["p-first"]
    box("fourth", "bridge", "8085:80")
    # And nobody else takes a published one.
    with host.socket() as late:
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            late.bind(("0.0.0.0", 8084))
            late.listen(1)


def test_no_way_in_where_none_leads_out(host, box):
    done = box("c", "inner", "8086:80", check=False).result
    assert done.returncode == 1 and "internal" in done.stderr, done
    assert host.get("/endpoints") == []


@pytest.mark.parametrize("text, word", [("0:80", "0"), ("65536:80", "65536"), ("9010-9000:80-90", "9010"), ("9000-9001:80-90", "range"),
                                        ("80:80/icmp", "icmp"), ("1.2.3.400:80:80", "1.2.3.400"), ("80:", "port"), ("203.0.113.9:80:80", "203.0.113.9")])
def test_bad_input(host, box, text, word):
    done = box("c", "bridge", text, check=False).result
    assert done.returncode in (1, 2) and word in done.stderr, done
    assert host.get("/endpoints") == []


def test_an_established_flow_ends_with_its_container(host, outside, box):
    """Its conntrack entries are flushed: the next owner of the address and port is not sent the former one's packets."""
    c = box("c", "bridge", "8087:80/udp")
    with Greeter(c, 80, socket.SOCK_DGRAM, name="first"), outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((host.ip, 8087))
        s.send(b"?")
        assert s.recv(100).startswith(b"first")
        c.disconnect("bridge")
        d = box("d", "bridge", "8087:80/udp")
        with Greeter(d, 80, socket.SOCK_DGRAM, name="second"):
            def answered():
                s.send(b"?")  # the same flow
                s.settimeout(0.3)
                try:
                    return s.recv(100).startswith(b"second")
                except (TimeoutError, OSError):
                    return False
            wait_for(answered, "the flow goes to the new owner", 5)


def test_flows_outlive_the_agent(lab, host, outside, box):
    for net in NETS:
        web = box("web" + net, net, "8090:90" if net == "bridge" else "8091:90")
        listener = web.socket()
        listener.bind(("0.0.0.0", 90))
        listener.listen(8)
        client = outside.socket()
        client.settimeout(5)
        client.connect((host.ip, 8090 if net == "bridge" else 8091))
        server, peer = listener.accept()
        assert peer[0] == outside.ip
        for sig in (signal.SIGTERM, signal.SIGKILL):
            host.stop(sig)
            server.sendall(b"x")
            assert client.recv(1) == b"x"
            # New ones, too: nobody is needed for that.
            with outside.socket() as again:
                again.settimeout(2)
                again.connect((host.ip, 8090 if net == "bridge" else 8091))
                listener.accept()[0].close()
            host.start()
            wait_for(lambda: host.info()["Reconcile"]["Dirty"] == 0, "at rest")
            assert host.info()["Reconcile"]["Writes"] == 0
            client.sendall(b"y")
            assert server.recv(1) == b"y"
        for s in (client, server, listener):
            s.close()


def test_a_thousand_ports(host, outside, box):
    c = box("many", "bridge", "20000-20999:10000-10999")
    assert len({line.rsplit(":", 1)[1] for line in ports(host, "p-many")}) == 1000
    with Greeter(c, 10999, name="many"), Greeter(c, 10000, name="one"):
        assert greeting(outside, host.ip, 20999)[0] == "many"
        assert greeting(outside, host.ip, 20000)[0] == "one"
    other = box("other", "bridge", "21000:80")
    with Greeter(other, 80, name="other"):
        assert greeting(outside, host.ip, 21000)[0] == "other"
    # Flushed by another hand: all are back in one go.
    host.run("nft", "flush", "ruleset")
    with Greeter(c, 10500, name="mid"):
        wait_for(lambda: greeting(outside, host.ip, 20500, timeout=0.3) == ("mid", outside.ip), "repaired", 5)
    c.disconnect("bridge")
    assert greeting(outside, host.ip, 20500, timeout=0.5) is None


def test_inspect_shows_them(host, box):
    host.ctl("run", "-d", "--name", "p-run", "--network", "demo", "-p", "8095:80", "--", "sleep", "1000")
    try:
        shown = host.get("/containers/p-run/json")["NetworkSettings"]
        assert {"HostIp": "0.0.0.0", "HostPort": "8095"} in shown["Ports"]["80/tcp"], shown
        assert "80/tcp -> 0.0.0.0:8095" in ports(host, "p-run")
        assert "8095" in host.ctl("ps").stdout
        # eth0 is the overlay, the way out the last.
        links = json.loads(host.ctl("exec", "p-run", "ip", "-j", "link").stdout)
        assert sorted(link["ifname"] for link in links) == ["eth0", "eth1", "lo"]
    finally:
        host.ctl("stop", "-t", "0", "p-run")


def test_sctp_is_translated_and_shown(host, box):
    box("c", "bridge", "8099:80/sctp")
    assert "80/sctp -> 0.0.0.0:8099" in ports(host, "p-c")
    # This kernel has no SCTP sockets to try it with; the element is what nf_tables goes by.
    shown = host.run("nft", "list", "map", "inet", "ovl", "publish4_any").stdout
    assert "sctp . 8099" in shown, shown
