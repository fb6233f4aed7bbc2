#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Ten thousand endpoints of another node in one network: how long until the kernel has them, and what the agent weighs."""
import base64
import json
import signal
import time
import uuid

from bench import Client, EtcdHTTP, Table, arguments, cpu_seconds, make_lab, memory, netns, put, wait_for

BATCH = 100  # puts in one transaction (etcd allows 128)
ADDRESS_LEASE_S = 3600


def new_id():
    return (uuid.uuid4().hex + uuid.uuid4().hex)


class Cluster:
    """Records of a node that is not there, as its ovld would have put them."""

    def __init__(self, lab):
        self.lab, self.root = lab, lab.etcd_prefix
        self.etcd = EtcdHTTP(lab["node1"])
        self.lease = int(self.etcd.post("/v3/lease/grant", {"TTL": ADDRESS_LEASE_S})[1]["ID"])
        self.node = new_id()
        self.etcd.puts([(f"{self.root}/node/{self.node}", json.dumps(
            {"name": "far", "vtep": "192.168.205.77", "mtu": 1500, "lease": f"{self.lease:x}", "format": 1}))])

    def endpoints(self, network, first, count):
        """Addresses 10.32.0.0 + first and on. Returns the seconds it took etcd to store them."""
        pairs = []
        for i in range(first, first + count):
            a = [10, 32 + (i >> 16), i >> 8 & 255, i & 255]
            pairs.append((f"{self.root}/endpoint/{network}/{new_id()}", json.dumps({
                "name": f"far-{i}", "mac": "02:42:" + ":".join(f"{b:02x}" for b in a), "addresses": [".".join(map(str, a))],
                "node": self.node, "created": "2026-01-01T00:00:00Z"})))
        begin = time.perf_counter()
        for i in range(0, count, BATCH):
            self.etcd.puts(pairs[i:i + BATCH], self.lease)
        return time.perf_counter() - begin

    def read_all(self, network):
        """Seconds for one bare read of all endpoints from etcd's gateway: nothing that lists them is quicker."""
        key = f"{self.root}/endpoint/{network}/"
        return self.etcd.post("/v3/kv/range", {"key": base64.b64encode(key.encode()).decode(),
                                               "range_end": base64.b64encode(key[:-1].encode() + b"0").decode()})[0] / 1e3


def entries(host, vni):
    """FDB entries of the VXLAN device that have a destination, as the kernel tells them."""
    lines = host.overlay_run("bridge", "fdb", "show", "dev", f"vx{vni}").stdout.splitlines()
    return sum(" dst " in line and not line.startswith("00:00:00:00:00:00") for line in lines)


def neighbours(host, vni):
    return len(host.overlay_run("ip", "neigh", "show", "dev", f"br{vni}", "nud", "all").stdout.splitlines())


def in_sync(host, endpoints):
    """What the agent itself says, in one request."""
    info = host.info()
    rec = info["Reconcile"]
    return (info["Cluster"]["State"] == "synced" and info["Endpoints"] >= endpoints and rec["Ready"] and not rec["Dirty"]
            and not rec["BackingOff"])


def until(host, endpoints, vni, count, deadline=60):
    """Wait until it is in sync. Returns when that was."""
    wait_for(lambda: in_sync(host, endpoints), "in sync", deadline, 0.01)
    then = time.perf_counter()
    got = entries(host, vni), neighbours(host, vni)
    # What it says is believed only if the kernel agrees at once.
    assert got[0] == count and got[1] >= count, f"in sync, it says, with {got} of {count} entries"
    return then


class Runs:
    def __init__(self, lab, count):
        self.count, self.host = count, lab["node1"]
        self.cluster = Cluster(lab)
        client = Client(self.host)
        client.create("big", "10.32.0.0/15")
        net = self.host.inspect("big")
        self.network, self.vni = net["Id"], int(net["Options"]["vni"])
        client.attach("big", lab.container(self.host, "c1"), IPAMConfig={"IPv4Address": "10.33.255.250"})
        client.close()
        self.table = Table(f"{count} endpoints of another node in one network, one of ours", "seconds", "CPU s", "RSS MiB", "anon MiB",
                           "writes")

    def line(self, what, seconds, cpu=None):
        pid = self.host.ovld.pid
        self.table.line(what, seconds, cpu_seconds(pid) if cpu is None else cpu, *memory(pid), self.host.info()["Reconcile"]["Writes"])

    def live(self):
        """They appear while the agent runs."""
        pid = self.host.ovld.pid
        self.line("one endpoint, for comparison", None)
        before = cpu_seconds(pid)
        stored = self.cluster.endpoints(self.network, 2, self.count)
        begin = time.perf_counter()
        took = until(self.host, self.count + 1, self.vni, self.count) - begin
        self.line(f"put into etcd ({stored:.2f} s): in sync after", took, cpu_seconds(pid) - before)
        self.table.line("one bare read of all from etcd", self.cluster.read_all(self.network))

    def restart(self, what, empty):
        self.host.stop(signal.SIGTERM)
        if empty:
            netns.delete(self.host.overlay)
        begin = time.perf_counter()
        self.host.start(wait=False)
        wait_for(lambda: self.host.api("GET", "/_ping")[0] == 200, "it answers", 20, 0.005)
        then = until(self.host, self.count + 1, self.vni, self.count)
        self.line(what, then - begin)


def main():
    args = arguments(__doc__, endpoints={"type": int, "default": 10000})
    repeat = 1 if args.quick else 3
    with make_lab(1) as lab:
        runs = Runs(lab, args.endpoints)
        runs.live()
        for _ in range(repeat):
            runs.restart("agent starts, kernel empty", True)
        for _ in range(repeat):
            runs.restart("agent starts, kernel as it was left", False)


if __name__ == "__main__":
    main()
