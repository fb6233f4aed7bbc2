# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions that are none, upstreams that lie or are silent, a flood: nobody else notices, and afterwards all is as it was."""
import random
import re
import socket
import struct
import threading
import time

import pytest
from lab import BIN, Lab
from names import (QR, RD, Ghosts, Message, Upstream, ask, attach, becomes, exchange, flood_figures, gateway, opt, question, server_of,
                   start_flood, told, upstream_flags, wire_name)
from procs import wait_for

RESOLVER, SECOND, OTHER = "192.168.205.53", "192.168.205.54", "192.168.205.55"
FLOOD = 100000
PATIENCE = 15  # seconds for what is asked once and has to be answered, however busy the machine is
# What a flood may cost: 1024 questions in flight, their sockets and the answers' buffers. ASan adds red zones and keeps freed memory.
SANITIZED = b"__asan_init" in (BIN / "ovld").read_bytes()
GROWTH_MIB = 96 if SANITIZED else 32


@pytest.fixture(scope="module")
def lab():
    with Lab(hosts=2, etcd=1, start=False, ovld_args=upstream_flags(RESOLVER)) as lab:
        lab.env["ASAN_OPTIONS"] += ":quarantine_size_mb=8"
        lab.etcd.start()
        lab.start()
        yield lab


@pytest.fixture(scope="module")
def outside(lab):
    place = lab.stranger("resolver", RESOLVER)
    for ip in (SECOND, OTHER):
        place.run("ip", "addr", "add", f"{ip}/24", "dev", "eth0")
    return place


@pytest.fixture(scope="module")
def up(outside):
    with Upstream(outside, RESOLVER, other=OTHER) as up:
        up.add("www.example", "A", "203.0.113.7")
        yield up


@pytest.fixture(scope="module")
def boxes(lab, up):
    """bad and good on node1, far on node2, all on demo; mine on a bridge of node1."""
    a = lab["node1"]
    a.ctl("network", "create", "-d", "overlay", "demo")
    a.ctl("network", "create", "-d", "bridge", "mine")
    lab.everywhere("demo")
    made = {name: lab.container(node, name) for name, node in (("bad", "node1"), ("good", "node1"), ("far", "node2"), ("local", "node1"))}
    for name, c in made.items():
        c.connect("mine" if name == "local" else "demo")
    for name in ("bad", "good"):
        becomes(made[name], server_of(made[name]), "far", [made["far"].ip4("demo")])
    return made


@pytest.fixture(autouse=True)
def all_is_well(lab, up, boxes):
    """After each test: names of ours and of others are told, nothing is in flight."""
    yield
    up.default, good = "answer", boxes["good"]
    up.behave.clear()
    becomes(good, server_of(good), "far", [boxes["far"].ip4("demo")])
    becomes(good, server_of(good), "www.example", ["203.0.113.7"])
    wait_for(lambda: dns(lab["node1"])["InFlight"] == 0, "nothing is in flight")


def dns(host):
    return host.info()["Dns"]


def rss_mib(host):
    with open(f"/proc/{host.ovld.pid}/status", encoding="ascii") as f:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", f.read(), re.M)[1]) / 1024


# ---- questions that are none ----

def header(flags=RD, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!6H", 0x4242, flags, qd, an, ns, ar)


TAIL = struct.pack("!2H", 1, 1)
FAR = wire_name("far") + TAIL
WRONG = {  # what, bytes, what may be answered (None: nothing)
    "empty": (b"", [None]),
    "one byte": (b"x", [None]),
    "eleven bytes": (header()[:11], [None]),
    "header alone": (header(), ["FORMERR"]),
    "no question": (header(qd=0), ["FORMERR"]),
    "65535 questions": (header(qd=65535) + FAR, ["FORMERR"]),
    "two questions": (header(qd=2) + FAR + FAR, ["FORMERR"]),
    "no type": (header() + wire_name("far"), ["FORMERR"]),
    "name cut off": (header() + b"\x3ffar", ["FORMERR"]),
    "name without end": (header() + b"\3far", ["FORMERR"]),
    "label of 64": (header() + b"\x40" + b"a" * 64 + b"\0" + TAIL, ["FORMERR"]),
    "label type 0x80": (header() + b"\x83far\0" + TAIL, ["FORMERR"]),
    "name of 300": (header() + b"\x3b" + b"a" * 59 + (b"\x3b" + b"b" * 59) * 4 + b"\0" + TAIL, ["FORMERR"]),
    "pointer at itself": (header() + b"\xc0\x0c" + TAIL, ["FORMERR"]),
    "pointers at each other": (header() + b"\xc0\x0e\xc0\x0c" + TAIL, ["FORMERR"]),
    "pointer at a label before": (header() + b"\3far\xc0\x0c" + TAIL, ["FORMERR"]),
    "pointer out of it": (header() + b"\xff\xff" + TAIL, ["FORMERR"]),
    "pointer into the header": (header() + b"\xc0\x00" + TAIL, ["FORMERR"]),
    "bytes behind": (header() + FAR + b"more", ["FORMERR"]),
    "an answer": (header(flags=QR | RD) + FAR, [None]),
    "status": (header(flags=2 << 11) + FAR, ["NOTIMP"]),
    "notify": (header(flags=4 << 11) + FAR, ["NOTIMP"]),
    "update": (header(flags=5 << 11) + FAR, ["NOTIMP"]),
    "class CH": (question("version.bind", "TXT", klass=3), ["REFUSED"]),
    "AXFR": (question("demo.ovl", "AXFR"), ["REFUSED"]),
    "two OPT": (header(ar=2) + FAR + opt(1232) + opt(1232), ["FORMERR"]),
    "OPT cut off": (header(ar=1) + FAR + opt(1232)[:-3], ["FORMERR"]),
    "OPT longer than it is": (header(ar=1) + FAR + opt(1232)[:-2] + b"\xff\xff", ["FORMERR"]),
    "EDNS 7": (header(ar=1) + FAR + b"\0" + struct.pack("!HHBBHH", 41, 1232, 0, 7, 0, 0), ["16"]),
    "60000 bytes": (header() + FAR + b"x" * 60000, ["FORMERR", None]),
}


def answered(place, server, pkt):
    """The rcode of what comes back before the answer to a right question that is sent after it; None: nothing."""
    with place.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        s.connect((server, 53))
        # Each once: two datagrams fill no queue, so whoever does not answer the second has lost it.
        s.send(pkt)
        s.send(question("far", id=7))
        reply = s.recv(65535)
        if reply[:2] == b"\0\7":
            return None
        m = Message(reply)
        assert m.flags & QR and reply[:2] == pkt[:2], m
        assert len(reply) <= max(len(pkt), 12) + 11, "an error has no more bytes than the question, and an OPT"
        return m.rcode_text


@pytest.mark.parametrize("what", WRONG)
def test_wrong_questions(lab, boxes, what):
    pkt, wanted = WRONG[what]
    for name in ("bad", "local"):
        c = boxes[name]
        for server in {server_of(c), gateway(c.host, "mine" if name == "local" else "demo")}:
            # The marker behind it may overtake nothing: one socket, one order.
            assert answered(c, server, pkt) in wanted, (name, server)
    if pkt and what != "60000 bytes":
        c = boxes["bad"]
        reply = exchange(c, server_of(c), pkt, tcp=True, timeout=0.5)
        assert (None if reply is None else Message(reply).rcode_text) in [*wanted, None]


def test_noise(boxes):
    """Random bytes, and right questions with some bytes altered, by UDP and TCP."""
    chance = random.Random(4)
    bad = boxes["bad"]
    server = server_of(bad)
    right = question("far.demo.ovl", do=True)
    with bad.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((server, 53))
        s.setblocking(False)
        for i in range(3000):
            pkt = bytearray(right if i % 2 else chance.randbytes(chance.randrange(200)))
            for _ in range(chance.randrange(1, 4)):
                if pkt:
                    pkt[chance.randrange(len(pkt))] = chance.randrange(256)
            try:
                s.send(pkt)
                s.recv(65535)
            except OSError:
                pass
    for i in range(100):
        with bad.socket() as s:
            s.settimeout(PATIENCE)
            s.connect((server, 53))
            try:
                s.send(chance.randbytes(chance.randrange(1, 400)) if i % 2 else b"\xff\xff" + right)
            except OSError:
                pass
    # The 3000 may fill the socket's queue still: a datagram then is lost, as anywhere.
    patient(boxes["good"], server, "far", [boxes["far"].ip4("demo")])


def test_tcp_hogs(boxes):
    """One holds as many connections as it gets, silent or half-way in a question: others are served."""
    bad, good = boxes["bad"], boxes["good"]
    server, far = server_of(bad), boxes["far"].ip4("demo")
    held = []
    try:
        for i in range(400):
            s = bad.socket()
            s.settimeout(2)
            held.append(s)
            try:
                s.connect((server, 53))
                s.send(b"\0" if i % 2 else b"\0\x40abc")
            except OSError:
                pass
        for _ in range(5):
            assert told(good, server, "far", tcp=True, timeout=PATIENCE) == [far]
            assert told(good, server, "far", timeout=PATIENCE) == [far]
            assert told(bad, server, "far", timeout=PATIENCE) == [far]
    finally:
        for s in held:
            s.close()
    wait_for(lambda: told(bad, server, "far", tcp=True, timeout=0.5) == [far], "its own are served again", 15)


# ---- who asks ----

def udp4(source, port, destination, payload):
    """An IPv4 packet by hand, for a raw socket (the kernel fills the checksum; UDP's is left out)."""
    udp = struct.pack("!4H", port, 53, 8 + len(payload), 0) + payload
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination)) + udp


@pytest.mark.parametrize("name, net", [("bad", "demo"), ("local", "mine")])
def test_a_forged_source_is_not_answered(boxes, outside, name, net):
    """Neither a machine outside nor a container of another network gets answers that others asked for."""
    bad = boxes[name]
    victim = outside.socket(socket.AF_INET, socket.SOCK_DGRAM)
    victim.bind((OTHER, 4444))
    victim.settimeout(PATIENCE)
    with victim, bad.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for server in {server_of(bad), gateway(bad.host, net)}:
            for asked in ("far", "local", "www.example"):
                for _ in range(10):
                    raw.sendto(udp4(OTHER, 4444, server, question(asked)), (server, 0))
            # Behind them in the same queue: when this is answered, those have been read.
            assert ask(bad, server, name, timeout=PATIENCE)
        with bad.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            marker.sendto(b"marker", (OTHER, 4444))
        assert victim.recv(2048) == b"marker"


def test_strangers_are_not_answered(lab, boxes, outside):
    host = lab["node1"]
    subnet = host.inspect("mine")["IPAM"]["Config"][0]["Subnet"]
    outside.run("ip", "route", "replace", subnet, "via", host.ip)
    for server in (gateway(host, "mine"), server_of(boxes["bad"]), host.ip):
        assert exchange(outside, server, question("local"), timeout=0.5) is None, server
        assert exchange(outside, server, question("local"), timeout=0.5, tcp=True) is None, server


# ---- upstreams ----

def all_at_once(calls):
    results = [None] * len(calls)

    def work(i):
        results[i] = calls[i]()
    crew = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for t in crew:
        t.start()
    for t in crew:
        t.join()
    return results


LIES = {  # behaviour -> what the client may be told
    "silent": ["SERVFAIL"], "servfail": ["SERVFAIL"], "refused": ["SERVFAIL", "REFUSED"], "formerr": ["SERVFAIL", "FORMERR"],
    "garbage": ["SERVFAIL"], "empty": ["SERVFAIL"], "wrong-id": ["SERVFAIL"], "wrong-question": ["SERVFAIL"],
    "wrong-first": [["203.0.113.8"]], "other-address": ["SERVFAIL"], "other-port": ["SERVFAIL"], "slow": [["203.0.113.8"]],
    "truncate": [["203.0.113.8"]],
}


def test_upstreams_that_lie(boxes, up):
    good = boxes["good"]
    server = server_of(good)
    for how in LIES:
        up.behave[how + ".example"] = how
        up.add(how + ".example", "A", "203.0.113.8")
    got = all_at_once([lambda h=how: told(good, server, h + ".example", timeout=8) for how in LIES])
    wrong = {how: g for how, g in zip(LIES, got) if g not in LIES[how]}
    assert not wrong, wrong
    # Each question left from a port and with an id of its own.
    assert len({a.port for a in up.asked}) > 5 and len({a.id for a in up.asked}) > 5


def test_upstreams_that_send_what_is_no_dns(boxes, up):
    """As bytes they may be passed on; they are not kept, and hurt nobody."""
    good = boxes["good"]
    server = server_of(good)
    for how in ("loop", "early-end", "huge"):
        name = how + ".example"
        up.behave[name] = how
        up.add(name, "A", "203.0.113.9")
        for tcp in (False, True):
            exchange(good, server, question(name, "TXT" if how == "huge" else "A"), tcp, 8)
        if how == "huge":
            m = ask(good, server, name, "TXT", tcp=True, timeout=8)
            assert len(m.answers) == 120
            assert len(exchange(good, server, question(name, "TXT"))) <= 512
        else:
            del up.behave[name]
            becomes(good, server, name, ["203.0.113.9"], deadline=15)


def test_fail_over(lab, boxes, up, outside):
    """The first server of its own (--dns) is silent: the second answers, and from then on at once."""
    c = lab.container("node1", "two")
    with Upstream(outside, SECOND) as second:
        second.add("two.example", "A", "203.0.113.20")
        for i in range(20):
            second.add(f"two{i}.example", "A", "203.0.113.20")
        up.default = "silent"
        up.forget()
        attach(c, "demo", Dns=[RESOLVER, SECOND])
        assert told(c, server_of(c), "two.example", timeout=8) == ["203.0.113.20"]
        assert up.seen("two.example")
        begin = time.monotonic()
        for i in range(20):
            assert told(c, server_of(c), f"two{i}.example", timeout=8) == ["203.0.113.20"]
        assert time.monotonic() - begin < 10, "the silent one is not waited for each time"
    c.delete()


def test_an_upstream_that_is_ourselves(lab, boxes):
    host = lab["node1"]
    for i, server in enumerate((gateway(host, "demo"), gateway(host, "mine"), server_of(boxes["bad"]))):
        c = lab.container(host, f"self{i}")
        attach(c, "demo", Dns=[server])
        before = dns(host)["Questions"]
        assert told(c, server_of(c), "www.example", timeout=8) in ("SERVFAIL", "REFUSED"), server
        assert dns(host)["Questions"] - before < 8, "it went round"
        c.delete()


# ---- a flood ----

class Beside(threading.Thread):
    """What others do meanwhile, again and again until it is ended; work() returns what is kept."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.ending, self.kept, self.error = work, False, [], None
        self.start()

    def run(self):
        try:
            while not self.ending:
                self.kept.append(self.work())
        except (AssertionError, OSError) as e:
            self.error = e

    def end(self):
        self.ending = True
        self.join()
        if self.error:
            raise self.error
        return self.kept


def patient(place, server, name, wanted):
    """Beside a flood, as a resolver with timeout:1 attempts:10 (resolv.conf(5)): again when nothing came. Returns how often."""
    for tries in range(1, 11):
        got = told(place, server, name, timeout=1.0)
        if got is not None:
            assert got == wanted, f"{name}: {got}"
            return tries
    raise AssertionError(f"{name}: nothing in 10 tries")


@pytest.mark.parametrize("rate", [0, 20000], ids=["as quick as it goes", "20,000/s"])
def test_flood(lab, boxes, up, rate):
    """100,000 questions for as many names whose server never answers, from one container."""
    host, bad, good = lab["node1"], boxes["bad"], boxes["good"]
    server, far = server_of(bad), [boxes["far"].ip4("demo")]
    up.default = "silent"
    some = lab.container(host, f"some{rate}")
    low = rss_mib(host)

    def attached():
        some.connect("demo")
        some.disconnect("demo")
        return rss_mib(host)
    asked = Beside(lambda: patient(good, server, "far", far))
    others = Beside(lambda: patient(boxes["local"], server_of(boxes["local"]), "local", [boxes["local"].ip4("mine")]))
    attaches = Beside(attached)
    proc = start_flood(bad, server, FLOOD, rate)
    figures = flood_figures(proc)
    # On until its last question has been given up.
    high = [rss_mib(host)]

    def settled():
        high.append(rss_mib(host))
        return dns(host)["InFlight"] == 0
    wait_for(settled, "every question has been given up", 15)
    tries, more, during = asked.end(), others.end(), attaches.end()
    grown = max(high + during) - low
    lost = sum(t - 1 for t in tries)
    print(f"{figures}; beside it {len(tries)} questions ({lost} asked again), {len(more)} of a bridge, {len(during)} attaches; "
          f"{grown:.1f} MiB more; asked upstream {len(up.asked)}")
    assert figures["sent"] > FLOOD * 0.9
    assert len(tries) >= 5 and len(more) >= 5 and during
    assert grown < GROWTH_MIB, f"{grown:.1f} MiB more than before"
    some.delete()


def test_flood_of_our_own_names(lab, boxes):
    """The same for names that are ours: each is answered, the others' as well."""
    host, bad, good = lab["node1"], boxes["bad"], boxes["good"]
    low = rss_mib(host)
    asked = Beside(lambda: patient(good, server_of(good), "far", [boxes["far"].ip4("demo")]))
    figures = flood_figures(start_flood(bad, server_of(bad), FLOOD, 0, "demo.ovl"))
    assert asked.end()
    assert set(figures["answers"]) == {"NXDOMAIN"}, figures
    assert rss_mib(host) - low < GROWTH_MIB
    assert dns(host)["InFlight"] == 0


def test_many_names_in_etcd(lab, boxes):
    """Names of a record nobody's agent would write: too long, with dots, odd bytes, hundreds. They are found or left out, nothing breaks."""
    host, good = lab["node1"], boxes["good"]
    ghosts, network = Ghosts(lab), host.inspect("demo")["Id"]
    odd = ["a" * 63, "a" * 64, "x" * 250, "dots.in.it", "..", ".", "-", "UPPER", "nul\0byte", "sp ace", "\u00fc", "a..b", "*", "_x"]
    base = ".".join(good.ip4("demo").split(".")[:3])
    ids = ghosts.add(network, [ghosts.record(name, f"{base}.{100 + i}") for i, name in enumerate(odd)] +
                     [ghosts.record("manyalias", f"{base}.200", [f"alias{i}" for i in range(64)]), ghosts.record("last", f"{base}.201")])
    server = server_of(good)
    becomes(good, server, "last", [f"{base}.201"])
    assert told(good, server, "dots.in.it") == [f"{base}.103"]
    assert told(good, server, "upper") == [f"{base}.107"]
    assert told(good, server, "a" * 63) == [f"{base}.100"]
    assert told(good, server, "alias63") == [f"{base}.200"]
    ghosts.remove(network, ids)
    becomes(good, server, "last.demo.ovl", "NXDOMAIN")
