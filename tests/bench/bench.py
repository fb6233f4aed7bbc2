# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benches share: the lab of tests/cluster, a keep-alive client, etcd's counters, the helper probe, the tables."""
import argparse
import base64
import contextlib
import gc
import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cluster"))
os.environ.setdefault("OVL_BUILD", "build/release")
import netns  # noqa: E402
from lab import Lab, _UnixHTTP  # noqa: E402
from procs import wait_for  # noqa: E402

# Docker 20.10.24's overlay with etcd on the machine these benches were first run on: for reading, not for judging. Milliseconds.
DOCKER = {"attach": 84.8, "attach cold": 240.7, "attach 200": 158, "attach 300": 391.6, "detach": 60.2, "detach 300": 176.1,
          "attach 16 p99": 1903, "first": 1013, "first tried": 636, "udp": 11437, "tcp": 488}


def arguments(doc, **more):
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--quick", action="store_true", help="few repetitions: the shape, not the figures")
    for name, kw in more.items():
        parser.add_argument("--" + name, **kw)
    return parser.parse_args()


@contextlib.contextmanager
def quiet_python():
    """No garbage collection within what is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def make_lab(hosts, **kw):
    """etcd fsyncs, as a user's does."""
    return Lab(hosts=hosts, etcd=1, unsafe_no_fsync=False, **kw)


class Client:
    """A connection to ovld that stays open. ask() returns (milliseconds, status, JSON or None)."""

    def __init__(self, host, timeout=60):
        self.conn = _UnixHTTP(host.socket_path, timeout)

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        begin = time.perf_counter()
        self.conn.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        reply = self.conn.getresponse()
        text = reply.read()
        took = (time.perf_counter() - begin) * 1e3
        return took, reply.status, json.loads(text) if text[:1] in (b"{", b"[") else None

    def must(self, method, path, body=None):
        took, status, value = self.ask(method, path, body)
        assert status < 300, f"{method} {path}: {status} {value}"
        return took, value

    def attach(self, net, container, **config):
        body = {"Target": "netns:" + container.netns, "EndpointConfig": config}
        return self.must("POST", f"/networks/{net}/connect", body)

    def detach(self, net, container):
        return self.must("POST", f"/networks/{net}/disconnect", {"Target": "netns:" + container.netns})[0]

    def create(self, net, subnet=None):
        body = {"Name": net}
        if subnet:
            body["IPAM"] = {"Config": [{"Subnet": subnet}]}
        return self.must("POST", "/networks/create", body)[0]

    def close(self):
        self.conn.close()


class EtcdHTTP:
    """etcd's HTTP gateway from a host of the lab, on a connection that stays open."""

    def __init__(self, host):
        self.conn = http.client.HTTPConnection("192.168.205.10", 2379, timeout=30)
        self.conn.sock = netns.open_socket(host.netns, 2, 1)
        self.conn.sock.setsockopt(6, 1, 1)  # TCP_NODELAY
        self.conn.sock.connect(("192.168.205.10", 2379))

    def post(self, path, body):
        """Returns (milliseconds, JSON)."""
        data = json.dumps(body)
        begin = time.perf_counter()
        self.conn.request("POST", path, data)
        reply = self.conn.getresponse()
        text = reply.read()
        took = (time.perf_counter() - begin) * 1e3
        assert reply.status == 200, text
        return took, json.loads(text)

    def puts(self, pairs, lease=0):
        """One transaction of puts."""
        return self.post("/v3/kv/txn", {"success": [put(k, v, lease) for k, v in pairs]})[0]

    def calls(self):
        """grpc method -> how often it was called; "fsync" -> how often the log was synced."""
        self.conn.request("GET", "/metrics")
        text = self.conn.getresponse().read().decode()
        out = {m: int(float(n)) for m, n in re.findall(
            r'grpc_server_started_total\{grpc_method="(\w+)"[^}]*grpc_type="unary"\} (\S+)', text) if float(n)}
        out["fsync"] = int(float(re.search(r"^etcd_disk_wal_fsync_duration_seconds_count (\S+)", text, re.M)[1]))
        return out


def b64(text):
    return base64.b64encode(text.encode()).decode()


def put(key, value, lease=0):
    return {"requestPut": {"key": b64(key), "value": b64(value), "lease": str(lease)}}


def bare_transactions(host, count):
    """One compare and three puts, as an attach's transaction is, with nothing around. Milliseconds each."""
    etcd = EtcdHTTP(host)
    out = []
    for i in range(count):
        key = f"/bench/{i}"
        out.append(etcd.post("/v3/kv/txn", {
            "compare": [{"key": b64(key), "target": "CREATE", "result": "EQUAL", "createRevision": "0"}],
            "success": [put(key, "x" * 200), put(key + "a", "x" * 300), put(key + "b", "x" * 100)]})[0])
    return out


# ---- the helper ----

_built = []


def probe(*args, at=None, timeout=60):
    """Run probe.c's program, built on first use. Returns its output."""
    if not _built:
        out = os.path.join(tempfile.mkdtemp(prefix="ovl-bench-"), "probe")
        netns.sh("cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE=", "-Wall", "-Wextra", HERE / "probe.c", "-lmnl", "-o", out)
        _built.append(out)
    command = [_built[0], *map(str, args)]
    return (netns.run(at, *command, timeout=timeout) if at else netns.sh(*command, timeout=timeout)).stdout


def kernel_floor(lab, count):
    """({attach}, {detach}) milliseconds: a veth born in place by raw netlink, a veth deleted."""
    name = lab.prefix + "floor"
    netns.add(name)
    netns.sh("ip", "-n", name, "link", "add", "br0", "type", "bridge")
    netns.sh("ip", "-n", name, "link", "set", "br0", "up")
    lines = [line.split() for line in probe("floor", count, at=name).splitlines()]
    netns.delete(name)
    return [[float(v) / 1e3 for k, v in lines if k == kind] for kind in "ad"]


# ---- figures ----

def quantile(values, q):
    return sorted(values)[min(len(values) - 1, round(q * (len(values) - 1)))]


def median(values):
    return statistics.median(values)


class Table:
    """Lines of figures, aligned, printed as they come."""

    def __init__(self, title, *columns, first=44):
        self.widths = [first] + [max(len(c), 9) for c in columns]
        print(f"\n{title}")
        self.line("", *columns)

    def line(self, *cells):
        texts = [f"{c:.2f}" if isinstance(c, float) else "-" if c is None else str(c) for c in cells]
        print("  ".join([texts[0].ljust(self.widths[0])] +
                        [t.rjust(w) for t, w in zip(texts[1:], self.widths[1:])]).rstrip(), flush=True)


def memory(pid):
    """(resident MiB, of it anonymous)"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        found = dict(re.findall(r"^(VmRSS|RssAnon):\s+(\d+) kB", f.read(), re.M))
    return int(found["VmRSS"]) / 1024, int(found["RssAnon"]) / 1024


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load():
    """What else ran meanwhile, for the reader of the figures."""
    with open("/proc/loadavg", encoding="ascii") as f:
        return f.read().split()[0]


def commit():
    done = subprocess.run(["git", "-C", str(HERE), "log", "-1", "--format=%h"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"


__all__ = ["Client", "DOCKER", "EtcdHTTP", "Lab", "Table", "arguments", "bare_transactions", "commit", "cpu_seconds", "kernel_floor",
           "load", "make_lab", "median", "memory", "netns", "probe", "put", "quantile", "quiet_python", "wait_for"]
