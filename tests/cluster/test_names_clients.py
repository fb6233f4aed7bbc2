# SPDX-License-Identifier: GPL-2.0-or-later
"""Real clients ask: glibc, musl, busybox, dig, systemd-resolved. Each as a user runs it, with the resolv.conf that was made for it."""
import ipaddress
import json
import os
import re

import netns
import pytest
from names import Ghosts, Upstream, ask, gateway, inside, resolv_conf, rrsig, server_of, told, upstream_flags
from procs import wait_for

RESOLVER = "192.168.205.53"
LAB = dict(hosts=2, etcd=1, ovld_args=upstream_flags(RESOLVER))
RESOLVED = ("/lib/systemd/systemd-resolved", "/usr/local/lib/ovl-tests/systemd-resolved")  # the latter: deploy/deps --test
MUSL = r"""
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char text[INET6_ADDRSTRLEN];
	int r = argc == 2 ? getaddrinfo(argv[1], NULL, &hints, &list) : EAI_FAIL;
	if (r) {
		printf("error %s\n", r == EAI_NONAME ? "NONAME" : gai_strerror(r));
		return 0;
	}
	for (; list; list = list->ai_next) {
		struct sockaddr_in *a = (void *)list->ai_addr;
		struct sockaddr_in6 *b = (void *)list->ai_addr;
		puts(inet_ntop(list->ai_family, list->ai_family == AF_INET ? (void *)&a->sin_addr : (void *)&b->sin6_addr, text, sizeof text));
	}
}
"""
GLIBC = """
import socket, sys
try:
    for a in sorted({a[4][0] for a in socket.getaddrinfo(sys.argv[1], None)}): print(a)
except socket.gaierror as e:
    print("error", "NONAME" if e.errno in (socket.EAI_NONAME, socket.EAI_NODATA) else e)
"""


@pytest.fixture(scope="module")
def up(lab):
    """The resolver of the lab's world."""
    with Upstream(lab.stranger("resolver", RESOLVER), RESOLVER) as up:
        up.add("www.example", "A", "203.0.113.7")
        up.add("www.example", "AAAA", "2001:db8::7")
        up.add("www.example", "TXT", "as it came")
        up.add("www.example", "MX", (10, "mail.example"))
        up.add("alias.example", "CNAME", "www.example")
        up.signed[("www.example", "A")] = rrsig()
        up.behave["cut.example"] = "truncate"
        up.add("cut.example", "TXT", *(f"part {i} " + "x" * 100 for i in range(12)))
        yield up


@pytest.fixture(scope="module")
def c1(lab, up):
    """c1 on node1 and c2 on node2, both on demo; c2 has an alias and a published port."""
    lab["node1"].ctl("network", "create", "-d", "overlay", "--ipv6", "demo")
    lab.everywhere("demo")
    c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
    c1.connect("demo")
    c2.connect("demo", "--alias", "db", "-p", "18080:80")
    wait_for(lambda: told(c1, server_of(c1), "c2"), "c1 is told of c2")
    c1.peer = c2.endpoint("demo")
    c1.peer["short"] = next(e for e in lab.etcd.get("endpoint/").values() if e["name"] == "c2")["sandbox"][:12]
    return c1


def both(c1):
    return sorted([c1.peer["ip4"], c1.peer["ip6"]])


def names_of(c1):
    return ["c2", "C2", "db", c1.peer["short"], "c2.demo", "c2.demo.ovl", "Db.Demo.OVL", "c2.demo.ovl."]


def dig(c, *args):
    return inside(c, "dig", "+tries=2", "+time=2", *args).stdout


def status(text):
    return re.search(r"status: (\w+)", text)[1]


# ---- files ----

def test_its_resolv_conf(c1):
    gw = json.loads(c1.host.run("ip", "-j", "-4", "addr", "show", "dev", "ovl-gw").stdout)[0]["addr_info"][0]["local"]
    conf = resolv_conf(c1)
    assert conf["nameserver"] == [gw]
    assert "ndots:0" in conf["options"]


def test_its_own_name_is_in_its_hosts_file(c1):
    with open(f"/etc/netns/{c1.netns}/hosts", encoding="utf-8") as f:
        lines = [line.split() for line in f if not line.startswith("#")]
    assert any(line and line[0] == c1.ip4("demo") and "c1" in line[1:] for line in lines), lines
    assert inside(c1, "getent", "ahostsv4", "c1").stdout.split()[0] == c1.ip4("demo")


# ---- glibc ----

def glibc(c, name):
    return inside(c, "/usr/bin/python3", "-c", GLIBC, name).stdout.split("\n")[:-1]


def test_glibc(c1):
    for name in names_of(c1):
        assert glibc(c1, name) == both(c1), name
    assert glibc(c1, "www.example") == ["2001:db8::7", "203.0.113.7"]
    assert glibc(c1, "alias.example") == ["2001:db8::7", "203.0.113.7"]
    for name in ("c9", "c9.demo", "c9.demo.ovl", "nowhere.example"):
        assert glibc(c1, name) == ["error NONAME"], name
    assert inside(c1, "getent", "hosts", c1.peer["ip4"]).stdout.split() == [c1.peer["ip4"], "c2.demo.ovl"]
    assert inside(c1, "getent", "hosts", c1.peer["ip6"]).stdout.split() == [c1.peer["ip6"], "c2.demo.ovl"]


def test_ping_by_name(c1):
    assert f"({c1.peer['ip4']})" in inside(c1, "ping", "-4", "-c1", "-W2", "c2").stdout
    inside(c1, "ping", "-6", "-c1", "-W2", "c2.demo")


# ---- musl ----

def test_musl(lab, c1):
    source, program = os.path.join(lab.dir, "musl.c"), os.path.join(lab.dir, "musl")
    with open(source, "w", encoding="utf-8") as f:
        f.write(MUSL)
    netns.sh("musl-gcc", "-static", "-O1", "-o", program, source)

    def musl(name):
        return sorted(inside(c1, program, name).stdout.split("\n")[:-1])
    for name in names_of(c1):
        assert musl(name) == both(c1), name
    assert musl("www.example") == ["2001:db8::7", "203.0.113.7"]
    for name in ("c9", "c9.demo.ovl", "nowhere.example"):
        assert musl(name) == ["error NONAME"], name


# ---- busybox ----

def test_busybox(c1):
    server = server_of(c1)
    text = inside(c1, "busybox", "nslookup", "c2").stdout
    assert server in text and {c1.peer["ip4"], c1.peer["ip6"]} <= set(re.findall(r"^Address: (\S+)$", text, re.M)), text
    text = inside(c1, "busybox", "nslookup", c1.peer["ip4"]).stdout
    assert "c2.demo.ovl" in text, text
    assert inside(c1, "busybox", "nslookup", "c9", check=False).returncode != 0
    inside(c1, "busybox", "nslookup", "-type=a", "www.example", server)
    inside(c1, "busybox", "ping", "-c1", "-W2", "c2")


# ---- dig ----

@pytest.mark.parametrize("tcp", ["+notcp", "+tcp"])
def test_dig_all_types(c1, tcp):
    for name in names_of(c1):
        assert dig(c1, tcp, "+short", name, "A").split() == [c1.peer["ip4"]], name
        assert dig(c1, tcp, "+short", name, "AAAA").split() == [c1.peer["ip6"]], name
    for ip in both(c1):
        assert dig(c1, tcp, "+short", "-x", ip).split() == ["c2.demo.ovl."]
    text = dig(c1, tcp, "_80._tcp.c2", "SRV")
    assert re.search(r"^_80\._tcp\.c2\.\s+\d+\s+IN\s+SRV\s+0 0 80 c2\.demo\.ovl\.$", text, re.M), text
    assert re.search(rf"^c2\.demo\.ovl\.\s+\d+\s+IN\s+A\s+{re.escape(c1.peer['ip4'])}$", text, re.M), text
    assert "RFC8482" in dig(c1, tcp, "+short", "c2", "ANY")


@pytest.mark.parametrize("kind", ["TXT", "MX", "SOA", "NS", "CNAME", "HTTPS", "CAA", "DS", "SRV", "TYPE65280"])
def test_a_type_that_it_has_not_is_nodata_with_soa_and_never_forwarded(c1, up, kind):
    for name in ("c2", "c2.demo.ovl"):
        up.forget()
        text = dig(c1, name, kind)
        assert status(text) == "NOERROR" and "ANSWER: 0, AUTHORITY: 1" in text and re.search(r"IN\s+SOA", text), text
        assert up.seen(name) == []


def test_under_our_domain_and_in_our_subnets_nobody_else_is_asked(c1, up):
    up.forget()
    for name in ("c9.demo.ovl", "x.nowhere.ovl", "ovl.example.ovl"):
        assert status(dig(c1, name)) == "NXDOMAIN", name
    gone = ipaddress.ip_address(c1.peer["ip4"]) + 100
    assert status(dig(c1, "-x", str(gone))) == "NXDOMAIN"
    assert not up.asked


def test_ttl_and_case_of_the_question(c1):
    m = ask(c1, server_of(c1), "c2")
    assert [r.ttl for r in m.answers] == [5] and m.aa and m.ra and not m.tc
    # ask() itself checks that the case of the question is kept.
    assert ask(c1, server_of(c1), "C2.dEmO.oVl").data() == [c1.peer["ip4"]]


def test_asked_at_the_gateways_too(c1):
    for server in (gateway(c1.host, "demo"), gateway(c1.host, "demo", 1)):
        assert told(c1, server, "c2") == [c1.peer["ip4"]], server
        assert told(c1, server, "c2", tcp=True) == [c1.peer["ip4"]], server


# ---- what is not ours ----

def test_dig_what_is_forwarded(c1, up):
    for tcp in ("+notcp", "+tcp"):
        assert dig(c1, tcp, "+short", "www.example").split() == ["203.0.113.7"]
        assert dig(c1, tcp, "+short", "www.example", "AAAA").split() == ["2001:db8::7"]
        assert dig(c1, tcp, "+short", "www.example", "TXT") == '"as it came"\n'
        assert dig(c1, tcp, "+short", "www.example", "MX") == "10 mail.example.\n"
        assert dig(c1, tcp, "+short", "alias.example").split() == ["www.example.", "203.0.113.7"]
        text = dig(c1, tcp, "nowhere.example")
        assert status(text) == "NXDOMAIN" and re.search(r"IN\s+SOA", text), text


def test_dnssec_passes_through(c1, up):
    up.forget()
    text = dig(c1, "+dnssec", "+bufsize=4096", "www.example")
    assert re.search(r"EDNS: version: 0, flags: do", text) and re.search(r"IN\s+RRSIG\s+A 13 2 300 ", text), text
    assert [a.do for a in up.seen("www.example")] == [True]
    # One who did not ask for signatures is not given another's answer out of the cache.
    assert "RRSIG" not in dig(c1, "+noedns", "www.example")
    # Ours are not signed, and say nothing of it.
    text = dig(c1, "+dnssec", "c2")
    assert status(text) == "NOERROR" and "RRSIG" not in text and c1.peer["ip4"] in text


def test_a_truncated_answer_is_asked_for_by_tcp(c1, up):
    up.forget()
    text = dig(c1, "+bufsize=1232", "cut.example", "TXT")
    assert len(re.findall(r"part \d+ x", text)) == 12, text
    assert {a.tcp for a in up.seen("cut.example")} == {True, False}


# ---- sizes ----

def test_sizes(lab, c1):
    """60 and 100 endpoints under one alias: whole where it fits, else with TC and whole by TCP."""
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.77.0.0/16", "wide")
    lab.everywhere("wide")
    c1.connect("wide")
    network = lab["node1"].inspect("wide")["Id"]
    ghosts = Ghosts(lab)
    ids = []
    for alias, first, count in (("sixty", 256, 60), ("hundred", 512, 100)):
        ids += ghosts.add(network, [ghosts.record(f"{alias}-{i}", str(ipaddress.ip_address("10.77.0.0") + first + i), [alias])
                                    for i in range(count)])
    server = server_of(c1)
    wait_for(lambda: len(told(c1, server, "sixty", tcp=True)) == 60 and len(told(c1, server, "hundred", tcp=True)) == 100,
             "all are known", 5)

    def count(*args):
        text = dig(c1, *args)
        flags = re.search(r"flags: ([a-z ]*);", text)[1].split()
        return len(re.findall(r"IN\s+A\s+10\.77\.", text)), "tc" in flags, "(TCP)" in text
    n, truncated, tcp = count("+noedns", "+ignore", "sixty")
    assert 25 <= n < 60 and truncated and not tcp, "512 bytes without EDNS"
    n, truncated, tcp = count("+bufsize=512", "+ignore", "sixty")
    assert 25 <= n < 60 and truncated and not tcp
    assert count("+bufsize=512", "sixty") == (60, False, True)
    assert count("+bufsize=4096", "sixty") == (60, False, False)
    assert count("+bufsize=4096", "hundred") == (100, False, True), "more than DNS_UDP_MAX"
    # Several under one alias: their order turns.
    firsts = {ask(c1, server, "sixty", edns=1232).data()[0] for _ in range(20)}
    assert len(firsts) > 5, firsts
    ghosts.remove(network, ids)
    wait_for(lambda: told(c1, server, "sixty") == "NXDOMAIN" or told(c1, server, "sixty.wide.ovl") == "NXDOMAIN", "they are gone")
    c1.disconnect("wide")
    lab["node1"].ctl("network", "rm", "wide")


# ---- systemd-resolved ----

def test_systemd_resolved(lab, c1, up):
    """In the container's namespace, with mounts of its own: it reads the resolv.conf that we made and serves at 127.0.0.53."""
    program = next((p for p in RESOLVED if os.path.exists(p)), None)
    assert program, "deploy/deps --test unpacks it"
    caps = "+net_bind_service,+net_raw,+setpcap"
    script = (f"set -e; mount --bind /etc/netns/{c1.netns}/resolv.conf /etc/resolv.conf; mount -t tmpfs none /run; "
              # Else it asks by LLMNR for the names of on-link addresses.
              f"mkdir -p /run/systemd/resolve /run/systemd/resolved.conf.d; echo '[Resolve]\nLLMNR=no' >/run/systemd/resolved.conf.d/a.conf; "
              f"chown 65534 /run/systemd/resolve; exec setpriv --reuid 65534 --regid 65534 --clear-groups "
              f"--inh-caps {caps} --ambient-caps {caps} {program}")
    proc = c1.spawn("unshare", "-m", "--propagation", "private", "sh", "-c", script, log=os.path.join(lab.dir, "resolved.out"))
    stub = "127.0.0.53"
    wait_for(lambda: told(c1, stub, "www.example") == ["203.0.113.7"], "systemd-resolved answers", 10)
    # It asks no server for a single label, unless told to; names with a network do.
    for name in ("c2.demo", "c2.demo.ovl"):
        assert told(c1, stub, name) == [c1.peer["ip4"]], name
        assert told(c1, stub, name, "AAAA") == [c1.peer["ip6"]], name
    reverse = ipaddress.ip_address(c1.peer["ip4"]).reverse_pointer
    assert told(c1, stub, reverse, "PTR") == ["c2.demo.ovl"]
    assert told(c1, stub, "c9.demo.ovl") == "NXDOMAIN"
    assert told(c1, stub, "c2.demo.ovl", tcp=True) == [c1.peer["ip4"]]
    proc.stop()
