# SPDX-License-Identifier: GPL-2.0-or-later
"""Names: a DNS client and a scripted upstream server without any library, in any namespace of the lab."""
import base64
import collections
import http.client
import ipaddress
import json
import random
import socket
import struct
import sys
import threading
import time
import uuid

import netns
from procs import wait_for

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "OPT": 41, "DS": 43,
         "RRSIG": 46, "DNSKEY": 48, "HTTPS": 65, "AXFR": 252, "ANY": 255}
TYPE_NAMES = {n: t for t, n in TYPES.items()}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x400, 0x200, 0x100, 0x80, 0x20, 0x10
DO = 0x8000

Record = collections.namedtuple("Record", "name type ttl data")


def upstream_flags(*servers):
    """Flags of ovld: its upstream servers."""
    return [word for s in servers for word in ("--dns-server", s)]


def type_number(qtype):
    return qtype if isinstance(qtype, int) else TYPES[qtype]


def wire_name(text):
    out = b""
    for label in text.strip(".").split(".") if text.strip(".") else []:
        raw = label.encode()
        out += bytes([len(raw)]) + raw
    return out + b"\0"


def question(name, qtype="A", id=None, flags=RD, edns=None, do=False, klass=1):
    """A question as bytes. edns: the size to tell, None: no OPT."""
    id = random.randrange(65536) if id is None else id
    with_opt = edns is not None or do
    pkt = struct.pack("!6H", id, flags, 1, 0, 0, int(with_opt)) + wire_name(name) + struct.pack("!2H", type_number(qtype), klass)
    if with_opt:
        pkt += opt(edns or 1232, do)
    return pkt


def opt(size, do=False):
    return b"\0" + struct.pack("!HHIH", TYPES["OPT"], size, DO if do else 0, 0)


# ---- reading ----

def read_name(pkt, at):
    """(text without the last dot, offset behind it)"""
    labels, end, jumps = [], None, 0
    while True:
        size = pkt[at]
        if size >= 192:
            end = at + 2 if end is None else end
            at = (size & 63) << 8 | pkt[at + 1]
            jumps += 1
            if jumps > 40:
                raise ValueError("compression loop")
            continue
        at += 1
        if not size:
            return ".".join(labels), at if end is None else end
        labels.append(pkt[at:at + size].decode("latin-1"))
        at += size


def _data(pkt, kind, at, size):
    raw = pkt[at:at + size]
    if kind == "A":
        return socket.inet_ntop(socket.AF_INET, raw)
    if kind == "AAAA":
        return socket.inet_ntop(socket.AF_INET6, raw)
    if kind in ("PTR", "CNAME", "NS"):
        return read_name(pkt, at)[0]
    if kind == "SRV":
        return (*struct.unpack("!3H", raw[:6]), read_name(pkt, at + 6)[0])
    if kind == "MX":
        return (*struct.unpack("!H", raw[:2]), read_name(pkt, at + 2)[0])
    if kind == "SOA":
        mname, at = read_name(pkt, at)
        rname, at = read_name(pkt, at)
        return (mname, rname, *struct.unpack("!5I", pkt[at:at + 20]))
    if kind in ("TXT", "HINFO"):
        texts, i = [], 0
        while i < len(raw):
            texts.append(raw[i + 1:i + 1 + raw[i]].decode("latin-1"))
            i += 1 + raw[i]
        return tuple(texts)
    return raw


class Message:
    """A packet, taken apart; ValueError, IndexError or struct.error where it is none."""

    def __init__(self, pkt):
        self.pkt = pkt
        self.id, self.flags, questions, *counts = struct.unpack("!6H", pkt[:12])
        self.rcode = self.flags & 15
        self.aa, self.tc, self.ra = bool(self.flags & AA), bool(self.flags & TC), bool(self.flags & RA)
        self.name = self.type = self.klass = self.edns = None
        self.do = False
        at = 12
        for _ in range(questions):
            self.name, at = read_name(pkt, at)
            number, self.klass = struct.unpack("!2H", pkt[at:at + 4])
            self.type = TYPE_NAMES.get(number, number)
            at += 4
        self.sections = []
        for count in counts:
            records = []
            for _ in range(count):
                at = self._record(at, records)
            self.sections.append(records)
        self.answers, self.authority, self.additional = self.sections
        if at != len(pkt):
            raise ValueError(f"{len(pkt) - at} bytes behind the last record")

    def _record(self, at, records):
        name, at = read_name(self.pkt, at)
        number, klass, ttl, size = struct.unpack("!HHIH", self.pkt[at:at + 10])
        at += 10
        if number == TYPES["OPT"]:
            self.edns, self.do = klass, bool(ttl & DO)
            self.rcode |= ttl >> 24 << 4
        else:
            kind = TYPE_NAMES.get(number, number)
            records.append(Record(name, kind, ttl, _data(self.pkt, kind, at, size)))
        return at + size

    @property
    def rcode_text(self):
        return RCODES[self.rcode] if self.rcode < len(RCODES) else str(self.rcode)

    def data(self, kind=None):
        """What the records of the answer section say, of one type."""
        return [r.data for r in self.answers if kind is None or r.type == kind]

    def __repr__(self):
        return f"<{self.rcode_text} {self.name} {self.type} {self.answers} {self.authority} {self.additional}>"[:600]


# ---- asking ----

def family_of(ip):
    return socket.AF_INET6 if ipaddress.ip_address(ip).version == 6 else socket.AF_INET


def receive_exactly(s, size):
    out = b""
    while len(out) < size:
        more = s.recv(size - len(out))
        if not more:
            raise ConnectionError("closed")
        out += more
    return out


def exchange(place, server, pkt, tcp=False, timeout=2.0, source=None, port=53):
    """Send bytes, return the bytes that come back; None: nothing within the timeout, refused, or closed."""
    with place.socket(family_of(server), socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            if source:
                s.bind((source, 0))
            s.connect((server, port))
            if not tcp:
                s.send(pkt)
                return s.recv(65535)
            s.sendall(struct.pack("!H", len(pkt)) + pkt)
            return receive_exactly(s, struct.unpack("!H", receive_exactly(s, 2))[0])
        except OSError:
            return None


def ask(place, server, name, qtype="A", tcp=False, timeout=2.0, source=None, **more):
    """One question (more: as question()). Returns a Message, None: no answer. Its id and question are checked."""
    pkt = question(name, qtype, **more)
    reply = exchange(place, server, pkt, tcp, timeout, source)
    if reply is None:
        return None
    m = Message(reply)
    assert m.pkt[:2] == pkt[:2] and m.flags & QR, f"not the answer to what was asked: {m}"
    assert m.name is None or m.name == name.strip("."), f"{name} was asked, {m.name} is answered"
    return m


def told(place, server, name, qtype="A", **more):
    """What the answer says: a sorted list (empty: the name is there, nothing of that type), the rcode's name, or None."""
    m = ask(place, server, name, qtype, **more)
    if m is None:
        return None
    return m.rcode_text if m.rcode else sorted(m.data(None if qtype == "ANY" else qtype))


def becomes(place, server, name, wanted, qtype="A", deadline=5.0):
    """Wait until told() says so (a list: in any order)."""
    wanted = sorted(wanted) if isinstance(wanted, list) else wanted
    last = []

    def right():
        last[:] = [told(place, server, name, qtype, timeout=0.5)]
        assert last[0] == wanted, f"it says {last[0]}"
        return True
    wait_for(right, f"{place.name}: {name} {qtype} is {wanted}", deadline, 0.005)


def resolv_conf(container):
    """{"nameserver": [...], "search": [...], "options": [...]} as `ip netns exec` gives it to a named namespace."""
    out = collections.defaultdict(list)
    with open(f"/etc/netns/{container.netns}/resolv.conf", encoding="utf-8") as f:
        for line in f:
            words = line.split("#")[0].split()
            if words:
                out[words[0]] += words[1:]
    return out


def server_of(container, deadline=5.0):
    """The name server its resolv.conf names."""
    return wait_for(lambda: resolv_conf(container)["nameserver"], f"resolv.conf of {container.name}", deadline)[0]


def gateway(host, net, index=0):
    return host.inspect(net)["IPAM"]["Config"][index]["Gateway"]


def attach(container, net, **config):
    """Connect by the API with an EndpointConfig: Hostname, ExposedPorts, Links, Dns, ... Returns the endpoint, as connect() does."""
    status, value = container.host.api("POST", f"/networks/{net}/connect",
                                       {"Target": "netns:" + container.netns, "EndpointConfig": {"Name": container.name, **config}})
    assert status == 200, f"connect {container.name} to {net}: {status} {value}"
    return container.endpoint(net)


def inside(container, *argv, **kw):
    """Run a command in a named namespace with its own /etc/resolv.conf and /etc/hosts, as a user does."""
    return netns.sh("ip", "netns", "exec", container.netns, *argv, **kw)


# ---- an upstream server ----

def _encode(kind, data):
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(data).packed
    if kind in ("PTR", "CNAME", "NS"):
        return wire_name(data)
    if kind == "TXT":
        return b"".join(bytes([len(t)]) + t.encode() for t in ([data] if isinstance(data, str) else data))
    if kind == "MX":
        return struct.pack("!H", data[0]) + wire_name(data[1])
    if kind == "SRV":
        return struct.pack("!3H", *data[:3]) + wire_name(data[3])
    if kind == "SOA":
        return wire_name(data[0]) + wire_name(data[1]) + struct.pack("!5I", *data[2:])
    return data  # bytes as they are: RRSIG


def record(name, kind, ttl, data):
    raw = _encode(kind, data)
    return wire_name(name) + struct.pack("!HHIH", type_number(kind), 1, ttl, len(raw)) + raw


SOA = ("ns.example", "root.example", 1, 3600, 600, 86400, 60)
Asked = collections.namedtuple("Asked", "name type tcp id port edns do pkt")


class Upstream:
    """
    A name server in a place's namespace, by a thread of ours: what it knows is a table, how it behaves can be told per name.

    with Upstream(place, ip) as up: up.add("www.example", "A", "203.0.113.7"); up.behave["slow.example"] = "slow"
    Behaviours: answer (default), silent, slow (up.delay seconds), servfail, refused, formerr, truncate (TC by UDP, whole by TCP), garbage, empty,
    wrong-id, wrong-question, wrong-first (a forged answer, wrong in id, before the right one), other-address (from up.other), other-port, loop
    (compression that points at itself), early-end (a record cut off), huge (more than was said to fit). up.default is for all other names.
    up.asked: all that came, in order. RRSIG records of a name and type are sent along where the question has DO.
    """

    def __init__(self, place, ip, port=53, other=None):
        self.place, self.ip, self.port, self.other = place, ip, port, other
        self.table = collections.defaultdict(list)  # (name, type) -> [(ttl, data)]
        self.signed = {}  # (name, type) -> bytes of an RRSIG's data
        self.behave, self.default, self.delay = {}, "answer", 0.3
        self.asked = []
        self.ending = False
        self.udp = place.socket(family_of(ip), socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.tcp = place.socket(family_of(ip), socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for s in (self.udp, self.tcp):
            s.bind((ip, port))
            s.settimeout(0.2)
        self.tcp.listen(64)
        self.timers = []
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self._serve_udp, self._serve_tcp)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.ending = True
        for t in self.threads + self.timers:
            t.join()
        self.udp.close()
        self.tcp.close()

    def add(self, name, kind, *data, ttl=300):
        self.table[(name.lower(), kind)] += [(ttl, d) for d in data]

    def forget(self):
        self.asked.clear()

    def seen(self, name, kind=None):
        """The questions that came for a name, in any case."""
        return [a for a in list(self.asked) if a.name.lower() == name.lower() and kind in (None, a.type)]

    def _serve_udp(self):
        while not self.ending:
            try:
                pkt, peer = self.udp.recvfrom(65535)
            except OSError:
                continue
            q = self._take(pkt, False, peer)
            if q:
                self._udp(q, peer)

    def _serve_tcp(self):
        while not self.ending:
            try:
                conn, peer = self.tcp.accept()
            except OSError:
                continue
            with conn:
                conn.settimeout(2)
                try:
                    pkt = receive_exactly(conn, struct.unpack("!H", receive_exactly(conn, 2))[0])
                    q = self._take(pkt, True, peer)
                    reply = q and self._reply(q, True)
                    if reply:
                        conn.sendall(struct.pack("!H", len(reply)) + reply)
                except (OSError, ConnectionError):
                    continue

    def _take(self, pkt, tcp, peer):
        try:
            m = Message(pkt)
        except (ValueError, IndexError, struct.error):
            return None
        q = Asked(m.name, m.type, tcp, m.id, peer[1], m.edns, m.do, pkt)
        self.asked.append(q)
        return q

    def how(self, name):
        return self.behave.get(name.lower(), self.default)

    def _udp(self, q, peer):
        how = self.how(q.name)
        reply = self._reply(q, False)
        if reply is None:
            return
        if how == "slow":
            timer = threading.Timer(self.delay, self._send, (reply, peer))
            timer.daemon = True
            timer.start()
            self.timers.append(timer)
            return
        if how in ("other-address", "other-port"):
            with self.place.socket(family_of(self.ip), socket.SOCK_DGRAM) as s:
                s.bind((self.other if how == "other-address" else self.ip, 0))
                s.sendto(reply, peer)
            return
        if how == "wrong-first":
            forged = self.build(q, [record(q.name, "A", 300, "198.51.100.66")])
            self._send(struct.pack("!H", q.id ^ 0x5555) + forged[2:], peer)
        self._send(reply, peer)

    def _send(self, reply, peer):
        try:
            self.udp.sendto(reply, peer)
        except OSError:
            pass

    def _reply(self, q, tcp):
        """The bytes to answer with; None: nothing."""
        how = self.how(q.name)
        rcode = {"servfail": 2, "refused": 5, "formerr": 1}.get(how)
        if how == "silent":
            return None
        if rcode:
            return self.build(q, rcode=rcode)
        if how == "truncate" and not tcp:
            return self.build(q, flags=TC)
        if how == "garbage":
            return random.Random(q.id).randbytes(80)
        if how == "empty":
            return b""
        if how == "wrong-id":
            return struct.pack("!H", q.id ^ 1) + self.answer(q)[2:]
        if how == "wrong-question":
            return self.build(q._replace(name="other." + q.name), [record("other." + q.name, "A", 300, "198.51.100.66")])
        if how == "loop":  # a name that is a pointer to itself
            reply = self.build(q, count=1)
            return reply + struct.pack("!BBHHIH", 0xC0 | len(reply) >> 8, len(reply) & 255, 1, 1, 300, 4) + b"\1\2\3\4"
        if how == "early-end":
            return self.answer(q)[:-3]
        if how == "huge":
            return self.build(q, [record(q.name, "TXT", 300, "x" * 250)] * 120)
        return self.answer(q)

    def answer(self, q):
        key = (q.name.lower(), q.type)
        found = [record(q.name, q.type, ttl, d) for ttl, d in self.table.get(key, [])]
        if not found and (cname := self.table.get((key[0], "CNAME"))):
            ttl, target = cname[0]
            found = [record(q.name, "CNAME", ttl, target)]
            found += [record(target, q.type, ttl, d) for ttl, d in self.table.get((target.lower(), q.type), [])]
        if found and q.do and key in self.signed:
            found.append(record(q.name, "RRSIG", 300, self.signed[key]))
        if found:
            return self.build(q, found)
        there = any(name == key[0] for name, _ in list(self.table))
        return self.build(q, rcode=0 if there else 3, authority=[record("example", "SOA", 60, SOA)])

    def build(self, q, records=(), authority=(), rcode=0, flags=0, count=None):
        pkt = struct.pack("!6H", q.id, QR | RD | RA | flags | rcode, 1, len(records) if count is None else count, len(authority),
                          int(q.edns is not None))
        pkt += wire_name(q.name) + struct.pack("!2H", type_number(q.type), 1) + b"".join(records) + b"".join(authority)
        if q.edns is not None:
            pkt += opt(1232, q.do)
        return pkt


def rrsig(signer="example"):
    """The data of an RRSIG over an A: nobody checks the signature here."""
    return struct.pack("!HBBIIIH", 1, 13, 2, 300, 0x70000000, 0x60000000, 12345) + wire_name(signer) + bytes(range(64))


# ---- names of a node that is not there ----

class Ghosts:
    """Records in etcd of a node that is not there, as its ovld would have put them: thousands of names without thousands of containers."""

    BATCH = 100  # puts in one transaction (etcd allows 128)

    def __init__(self, lab, vtep="192.168.205.77"):
        self.lab, self.root = lab, lab.etcd_prefix
        node = lab["node1"]
        self.conn = http.client.HTTPConnection(node.ip, 2379, timeout=30)
        self.conn.sock = netns.open_socket(node.netns, socket.AF_INET, socket.SOCK_STREAM)
        self.conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.conn.sock.connect((node.ip, 2379))
        self.lease = int(self._post("/v3/lease/grant", {"TTL": 3600})["ID"])
        self.node = self._id()
        self._put([(f"node/{self.node}", {"name": "far", "vtep": vtep, "mtu": 1500, "lease": f"{self.lease:x}", "format": 1})])

    @staticmethod
    def _id():
        return uuid.uuid4().hex + uuid.uuid4().hex

    def _post(self, path, body):
        self.conn.request("POST", path, json.dumps(body))
        reply = self.conn.getresponse()
        text = reply.read()
        assert reply.status == 200, text
        return json.loads(text)

    def _key(self, key):
        return base64.b64encode(f"{self.root}/{key}".encode()).decode()

    def _put(self, pairs):
        for i in range(0, len(pairs), self.BATCH):
            self._post("/v3/kv/txn", {"success": [
                {"requestPut": {"key": self._key(k), "value": base64.b64encode(json.dumps(v).encode()).decode(), "lease": str(self.lease)}}
                for k, v in pairs[i:i + self.BATCH]]})

    def record(self, name, address, aliases=(), **more):
        octets = ipaddress.ip_address(address).packed
        return {"name": name, "aliases": list(aliases), "mac": "02:42:" + ":".join(f"{b:02x}" for b in octets),
                "addresses": [address], "node": self.node, "created": "2026-01-01T00:00:00Z", **more}

    def add(self, network, records):
        """network: its id. Returns the endpoints' ids."""
        ids = [self._id() for _ in records]
        self._put([(f"endpoint/{network}/{i}", r) for i, r in zip(ids, records)])
        return ids

    def change(self, network, id, record):
        self._put([(f"endpoint/{network}/{id}", record)])

    def remove(self, network, ids):
        for i in range(0, len(ids), self.BATCH):
            self._post("/v3/kv/txn", {"success": [{"requestDeleteRange": {"key": self._key(f"endpoint/{network}/{e}")}}
                                                  for e in ids[i:i + self.BATCH]]})


# ---- a flood ----

def flood(server, count, rate, suffix):
    """Ask for count names, each another one, from 64 ports; answers are only counted. rate: a second, 0: as quick as it goes. Returns the figures."""
    socks = [socket.socket(family_of(server), socket.SOCK_DGRAM) for _ in range(64)]
    for s in socks:
        s.connect((server, 53))
        s.setblocking(False)
    answers, failed = collections.Counter(), 0
    begin = time.monotonic()
    for i in range(count):
        s = socks[i % 64]
        try:
            s.send(question(f"f{i}.{suffix}", id=i & 0xffff))
        except OSError:
            failed += 1
        try:
            while True:
                answers[s.recv(2048)[3] & 15] += 1
        except OSError:
            pass
        while rate and i > rate * (time.monotonic() - begin):
            time.sleep(0.0005)
    return {"sent": count - failed, "seconds": time.monotonic() - begin, "answers": {RCODES[k]: v for k, v in answers.items()}}


def start_flood(place, server, count, rate=0, suffix="flood.example"):
    """In a process of its own; flood_figures() when it has ended."""
    log = f"{place.lab.dir}/flood-{uuid.uuid4().hex[:8]}.out"
    return place.spawn("/usr/bin/python3", "-B", __file__, server, count, rate, suffix, log=log)


def flood_figures(proc):
    assert proc.wait(60) == 0
    with open(proc.log, encoding="utf-8") as f:
        return json.loads(f.read())


if __name__ == "__main__":
    print(json.dumps(flood(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
