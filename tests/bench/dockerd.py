#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ovl as Docker's driver beside Docker's own overlay with etcd: connect, run, the other host, many containers; node1 and 2 have ovl, 3 and 4 Docker's."""
import concurrent.futures
import http.client
import json
import os
import re
import socket
import sys
import threading
import time

from bench import Table, arguments, make_lab, median, memory, netns, quantile, quiet_python, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from docker import CLI, IMAGE, Docker, Inside, _Unix  # noqa: E402
from etcd import Etcd  # noqa: E402
from first_packet import Pinger  # noqa: E402


class Relay:
    """Between dockerd and ovld's plugin: notes how long each call takes. What it costs itself is seen by calling it."""

    def __init__(self, path, target):
        self.target, self.calls = target, []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.bind(path)
        self.sock.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            conn, _ = self.sock.accept()
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        file = conn.makefile("rb")
        there = _Unix(self.target, 30)
        while line := file.readline():
            path, headers = line.split()[1].decode(), http.client.parse_headers(file)
            body = file.read(int(headers.get("Content-Length", 0)))
            begin = time.perf_counter()
            there.request("POST", path, body)
            reply = there.getresponse()
            text = reply.read()
            self.calls.append((path, (time.perf_counter() - begin) * 1e3))
            conn.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (reply.status, len(text)) + text)


class Engine:
    """A dockerd's API on a connection that stays open."""

    def __init__(self, docker):
        self.docker = docker
        self.conn = _Unix(docker.socket_path, 300)

    def must(self, method, path, body=None):
        """milliseconds"""
        data = None if body is None else json.dumps(body)
        begin = time.perf_counter()
        self.conn.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        reply = self.conn.getresponse()
        text = reply.read()
        took = (time.perf_counter() - begin) * 1e3
        assert reply.status < 300, f"{method} {path}: {reply.status} {text}"
        return took

    def start(self, name, net="bridge"):
        self.must("POST", "/containers/create?name=" + name, {"Image": IMAGE, "Cmd": ["sleep", "100000"], "HostConfig": {"NetworkMode": net}})
        return self.must("POST", f"/containers/{name}/start")

    def connect(self, net, name):
        return self.must("POST", f"/networks/{net}/connect", {"Container": name})

    def disconnect(self, net, name):
        return self.must("POST", f"/networks/{net}/disconnect", {"Container": name, "Force": False})


class Side:
    """One way to have an overlay: two hosts, a network, a driver."""

    def __init__(self, name, near, far, etcd_host, net="demo", relay=None):
        self.name, self.near, self.far, self.net, self.relay = name, near, far, net, relay
        self.etcd_host = etcd_host
        self.engine, self.far_engine = Engine(near), Engine(far)

    def requests(self):
        """Requests that etcd was asked, of v2 and of v3."""
        text = netns.run(self.etcd_host.netns, "curl", "-s", "http://127.0.0.1:2379/metrics").stdout
        v2 = sum(float(n) for n in re.findall(r"^etcd_http_received_total\{[^}]*\} (\S+)", text, re.M))
        v3 = sum(float(n) for n in re.findall(r'^grpc_server_started_total\{[^}]*grpc_service="etcdserverpb\.(?:KV|Lease)",grpc_type="unary"\} (\S+)', text, re.M))
        return v2 + v3


def pairs(side, net, names, n):
    up, down = [], []
    with quiet_python():
        for i in range(n):
            c = names[i % len(names)]
            up.append(side.engine.connect(net, c))
            down.append(side.engine.disconnect(net, c))
    return up, down


class Report:
    def __init__(self, title):
        self.table = Table(title, "p50", "p99", "n", "x Docker")
        self.reference = {}

    def line(self, side, what, values):
        """Docker's own first: the others are told against it."""
        p50 = median(values)
        if side.name == "Docker":
            self.reference[what] = p50
        ratio = p50 / self.reference[what] if what in self.reference else None
        self.table.line(f"{side.name}: {what}", p50, quantile(values, .99), len(values), f"{ratio:.2f}" if ratio else None)


def control(sides, n):
    report = Report("network connect and disconnect of a running container (ms, Docker's API)")
    for side in sides:
        for i in range(3):
            side.engine.start(f"p{i}")
        names = [f"p{i}" for i in range(3)]
        report.line(side, "connect, first of its network on the host", pairs(side, side.net, names, max(3, n // 4))[0])
        side.engine.start("keep", side.net)
        before = side.requests()
        up, down = pairs(side, side.net, names, n)
        used = (side.requests() - before) / n
        report.line(side, "connect", up)
        report.line(side, "disconnect", down)
        print(f"    etcd requests per connect and disconnect: {used:.1f}")
    return report


def split(side, report, n):
    """Where a connect's time goes: the plugin's calls, the rest is Docker's; and a bridge of Docker's own."""
    for i in range(3):
        side.far_engine.start(f"p{i}")
    side.far_engine.start("far", side.net)
    ours, docker, by_call = [], [], {}
    with quiet_python():
        for i in range(n):
            begin = len(side.relay.calls)
            total = side.far_engine.connect(side.net, f"p{i % 3}")
            calls = side.relay.calls[begin:]
            ours.append(sum(ms for _, ms in calls))
            docker.append(total - ours[-1])
            for path, ms in calls:
                by_call.setdefault(path, []).append(ms)
            side.far_engine.disconnect(side.net, f"p{i % 3}")
    report.line(side, "  ovld's part of a connect", ours)
    report.line(side, "  Docker's part of it", docker)
    for path, values in by_call.items():
        report.line(side, "    " + path, values)
    side.near.cli("network", "create", "plain")
    report.line(side, "connect to a bridge of Docker's", pairs(side, "plain", ["p0", "p1", "p2"], n)[0])


def runs(sides, n):
    report = Report("docker run -d, from the command's start to its end (ms)")

    def run(side, net):
        out = []
        for i in range(n):
            begin = time.perf_counter()
            netns.sh(CLI, "-H", f"unix://{side.near.socket_path}", "run", "-d", "--name", f"r{i}", "--network", net, IMAGE, "sleep", "1000")
            out.append((time.perf_counter() - begin) * 1e3)
        for i in range(n):
            side.engine.must("DELETE", f"/containers/r{i}?force=1")
        return out

    for side in sides:
        report.line(side, "on the overlay", run(side, side.net))
        report.line(side, "on a bridge", run(side, "bridge"))


def convergence(sides, n):
    report = Report("from a connect's reply to the first answer across hosts (ms; a packet each ms)")
    for side in sides:
        if side.name == "Docker":
            side.far_engine.start("far", side.net)  # no name twice: Docker's endpoints have one in the cluster
        far, far_ip = Pinger(Inside(side.far, "far")), side.far.ip4("far", side.net)
        near = [Pinger(Inside(side.near, f"p{i}")) for i in range(3)]
        asked, asks = [], []
        for i in range(n):
            c = f"p{i % 3}"
            side.engine.connect(side.net, c)
            begin = time.perf_counter()
            ip = side.near.ip4(c, side.net)
            lost = (time.perf_counter() - begin) * 1e3
            asked.append(far.first(ip)[0] + lost)
            side.engine.disconnect(side.net, c)
            side.engine.connect(side.net, c)
            asks.append(near[i % 3].first(far_ip)[0])
            side.engine.disconnect(side.net, c)
        report.line(side, "the other host asks", asked)
        report.line(side, "the one that was connected asks", asks)


def crowd(sides, count):
    report = Report(f"{count} containers on one network of one host: connect of each in turn (ms)")
    for side in sides:
        names = [f"m{i}" for i in range(count)]
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda c: Engine(side.near).start(c), names))
        before, requests = memory(side.near.proc.pid)[0], side.requests()
        begin = time.perf_counter()
        with quiet_python():
            up = [side.engine.connect(side.net, c) for c in names]
        took = time.perf_counter() - begin
        report.line(side, "connect", up)
        report.line(side, "  the last 25", up[-25:])
        rss = f"dockerd {before:.0f} -> {memory(side.near.proc.pid)[0]:.0f} MiB"
        if side.relay:
            rss += f", ovld {memory(side.near.host.ovld.pid)[0]:.0f} MiB"
        print(f"    {took:.1f} s in all; {(side.requests() - requests) / count:.1f} etcd requests each; {rss}")
        report.line(side, "disconnect", [side.engine.disconnect(side.net, c) for c in names])
        side.near.clear()


def main():
    quick = arguments(__doc__).quick
    n, many = (8, 30) if quick else (30, 200)
    with make_lab(4, start=False) as lab:
        lab.etcd.start()
        theirs = Etcd(lab, ["node3"], args=["--enable-v2"], unsafe_no_fsync=False)
        theirs.start()
        store = [f"--cluster-store=etcd://{lab['node3'].ip}:2379"]
        ours = [Docker(lab, lab["node1"]), Docker(lab, lab["node2"], plugin=os.path.join(lab.dir, "ovl.sock"))]
        docker = [Docker(lab, lab[h], plugin=False, args=[*store, f"--cluster-advertise={lab[h].ip}:2375"]) for h in ("node3", "node4")]
        for host in (lab["node1"], lab["node2"]):
            host.start()
        os.makedirs(os.path.dirname(ours[1].plugin_path), exist_ok=True)
        relay = Relay(ours[1].plugin_path, os.path.join(lab.dir, "ovl.sock"))
        dockers = [*docker, *ours]
        try:
            for d in dockers:
                d.__enter__()
            measure(lab, ours, docker, relay, n, many)
        finally:
            for d in dockers:
                d.__exit__(None, None, None)
            theirs.stop()


def measure(lab, ours, docker, relay, n, many):
    ours[0].create("demo", "--subnet", "10.1.0.0/16")
    docker[0].cli("network", "create", "-d", "overlay", "--subnet", "10.1.0.0/16", "demo")
    for d in (*ours, *docker):
        d.knows("demo")
    sides = [Side("Docker", *docker, lab["node3"]), Side("ovl", *ours, lab["node1"], relay=relay)]
    report = control(sides, n)
    split(sides[1], report, n)
    convergence(sides, n)
    runs(sides, max(4, n // 3))
    crowd(sides, many)


if __name__ == "__main__":
    main()
