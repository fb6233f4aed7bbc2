# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts as network namespaces on one bridge, a real etcd and an ovld on each: see README.md."""
import http.client
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import netns
from etcd import Etcd
from procs import MARK, Proc, kill_exact, marked, wait_for, wait_gone

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = (ROOT / os.environ.get("OVL_BUILD", "build/dev")) / "bin"
UNDERLAY = "192.168.205."
_numbers = itertools.count(1)


class _UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("ovld", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Place:
    """Something with a network namespace: a host, a container, a machine that is no node."""

    def __init__(self, lab, name):
        self.lab = lab
        self.name = name
        self.netns = lab.prefix + name

    def run(self, *argv, **kw):
        """Run a command inside; raises netns.CommandFailed unless check=False."""
        return netns.run(self.netns, *argv, **kw)

    def spawn(self, *argv, log=None):
        """Start a command inside; ended with the lab at the latest."""
        proc = Proc(netns.argv(self.netns, *argv), log or os.path.join(self.lab.dir, f"{self.name}.out"),
                    self.lab.env)
        self.lab.procs.append(proc)
        return proc

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        return netns.open_socket(self.netns, family, kind, proto)

    def link(self, ifname):
        """ip -j link of one interface, as a dict (/sys would show the tester's own namespace)."""
        return json.loads(self.run("ip", "-j", "-d", "link", "show", "dev", ifname).stdout)[0]

    def mac(self, ifname="eth0"):
        return self.link(ifname)["address"]

    def ping(self, ip, count=1, wait=1.0, *args, check=True):
        """ping(8). With check=False the result's returncode tells: 0 when anything answered."""
        return self.run("ping", "-n", "-q", "-c", count, "-i", "0.1", "-W", wait, *args, ip, check=check)

    def reaches(self, ip, deadline=10.0):
        """Wait until one ping is answered. Returns the seconds it took."""
        begin = time.monotonic()
        wait_for(lambda: self.ping(ip, 1, 0.3, check=False).returncode == 0, f"{self.name} reaches {ip}", deadline)
        return time.monotonic() - begin

    def cut_from(self, ip, count=3):
        """Assert that no ping of several is answered."""
        done = self.ping(ip, count, 0.5, check=False)
        # 2 with "unreachable": no route there at all.
        cut = done.returncode == 1 or "unreachable" in done.stderr
        assert cut, f"{self.name} reaches {ip}:\n{done.stdout}{done.stderr}"


class Container(Place):
    """A network namespace on a host, to be connected to networks."""

    def __init__(self, host, name):
        super().__init__(host.lab, name)
        self.host = host
        netns.add(self.netns)

    def connect(self, net, *args, check=True):
        """ovlctl network connect. Returns the endpoint as the API shows it."""
        done = self.host.ctl("network", "connect", "--name", self.name, *args, net, "netns:" + self.netns, check=check)
        return self.endpoint(net) if check else done

    def disconnect(self, net, *args, check=True):
        return self.host.ctl("network", "disconnect", *args, net, "netns:" + self.netns, check=check)

    def endpoint(self, net):
        """This container's endpoint in net, as the API shows it, plus ip4 and ip6 without the length."""
        for ep in self.host.get("/endpoints"):
            if ep.get("Target") == "/run/netns/" + self.netns and net in (ep["Network"], ep["NetworkId"]):
                ep["ip4"] = ep["IPv4Address"].split("/")[0]
                ep["ip6"] = ep["IPv6Address"].split("/")[0]
                return ep
        raise AssertionError(f"{self.name} has no endpoint in {net} on {self.host.name}")

    def ip4(self, net):
        return self.endpoint(net)["ip4"]

    def ip6(self, net):
        return self.endpoint(net)["ip6"]

    def delete(self):
        netns.delete(self.netns)


class Host(Place):
    """A node: namespace, address on the underlay, ovld."""

    def __init__(self, lab, number):
        super().__init__(lab, f"node{number}")
        self.ip = UNDERLAY + str(9 + number)
        self.overlay = f"{lab.prefix}ovl{number}"  # name of the overlay namespace
        self.dir = os.path.join(lab.dir, self.name)
        self.socket_path = os.path.join(self.dir, "s")
        self.log = os.path.join(self.dir, "ovld.log")
        self.ovld = None
        self.args = []  # further flags of ovld, for this host alone
        self.wrapper = []  # a command that starts ovld, in front of it
        os.mkdir(self.dir)

    def argv(self, *args):
        lab = self.lab
        etcd = ["--etcd", ",".join(lab.etcd.urls)] if lab.etcd else []
        # Not the machine's own Docker.
        if not {"--docker-plugin", "--config"} & {str(a) for a in [*lab.ovld_args, *self.args, *args]}:
            etcd += ["--docker-plugin", "none"]
        return [*self.wrapper, BIN / "ovld", "--name", self.name, *etcd, "--etcd-prefix", lab.etcd_prefix,
                "--socket", self.socket_path, "--state-dir", os.path.join(self.dir, "state"),
                "--overlay-netns", netns.path(self.overlay), *lab.ovld_args, *self.args, *args]

    def start(self, *args, wait=True):
        """Start ovld (flags: lab.ovld_args, host.args, args) and wait until it is in sync with etcd (or, without one, has read the kernel)."""
        assert not (self.ovld and self.ovld.alive()), f"{self.name}: ovld runs already"
        self.ovld = Proc(netns.argv(self.netns, *self.argv(*args)), self.log, self.lab.env)
        if wait:
            self.wait_ready()

    def wait_ready(self, deadline=20):
        wait_for(self.ready, f"ovld of {self.name} in sync", deadline)

    def ready(self):
        if not self.ovld.alive():
            raise RuntimeError(f"{self.name}: ovld ended with {self.ovld.wait()}:\n{self.lab.tail(self.log)}")
        info = self.info()
        if not self.lab.etcd:
            return info["Cluster"]["State"] == "standalone" and info["Reconcile"]["Ready"]
        return (info["Cluster"]["State"] == "synced" and info["Reconcile"]["Ready"] and info["Node"].get("Vtep")
                and any(n["Self"] and n["State"] == "up" for n in self.get("/nodes")))

    def stop(self, sig=signal.SIGTERM):
        """End ovld. By SIGTERM its exit status must be 0 (the sanitizers make it another one)."""
        self.ovld.kill(sig)
        self.ended(sig)

    def ended(self, sig=signal.SIGTERM):
        """Wait for the end of an ovld that was sent the signal; check its exit status as stop() does."""
        status = self.ovld.finish(30)
        assert sig != signal.SIGTERM or status == 0, f"{self.name}: ovld ended with {status}\n{self.lab.tail(self.log)}"

    def ctl_argv(self, *args):
        return netns.argv(self.netns, BIN / "ovlctl", "-H", self.socket_path, *args)

    def ctl(self, *args, check=True, timeout=40, input=None):
        """ovlctl on this host, to its end. Returns CompletedProcess; raises CommandFailed unless check=False."""
        return netns.sh(*self.ctl_argv(*args), check=check, timeout=timeout, input=input, env=self.lab.env)

    def ctl_spawn(self, *args, log=None):
        """ovlctl in the background (events, run in the foreground, ...). Its output is in proc.log."""
        proc = Proc(self.ctl_argv(*args), log or os.path.join(self.dir, f"ctl{next(_numbers)}.out"), self.lab.env)
        self.lab.procs.append(proc)
        return proc

    def api(self, method, path, body=None, timeout=40, raw=None):
        """One request at ovld's socket, without ovlctl. Returns (status, JSON or text)."""
        conn = _UnixHTTP(self.socket_path, timeout)
        try:
            data = raw if raw is not None else None if body is None else json.dumps(body)
            conn.request(method, path, data, {"Content-Type": "application/json"} if data is not None else {})
            reply = conn.getresponse()
            text = reply.read()
            is_json = (reply.getheader("Content-Type") or "").startswith("application/json")
            return reply.status, json.loads(text) if is_json and text else text.decode(errors="replace")
        finally:
            conn.close()

    def get(self, path):
        status, value = self.api("GET", path)
        assert status == 200, f"{self.name}: GET {path}: {status} {value}"
        return value

    def info(self):
        return self.get("/info")

    def doctor(self, deadline=10):
        """Assert that ovlctl doctor finds nothing; what was done just now may take until the deadline to be told everywhere (Docker's lists)."""
        end = time.monotonic() + deadline
        while True:
            done = self.ctl("doctor", check=False)
            if done.returncode == 0:
                return done.stdout
            assert time.monotonic() < end, f"{self.name}: ovlctl doctor: {done.returncode}\n{done.stdout}{done.stderr}"

    def findings(self):
        """What ovlctl doctor finds: [(area, what, cure)]; the exit status fits."""
        done = self.ctl("doctor", "--json", check=False)
        found = [(f["Area"], f["What"], f["Cure"]) for f in json.loads(done.stdout)["Findings"]]
        assert done.returncode == (1 if found else 0), done.stderr
        return found

    def inspect(self, net):
        """ovlctl network inspect, parsed: one network."""
        return json.loads(self.ctl("network", "inspect", net).stdout)[0]

    def knows(self, net, deadline=5):
        """Wait until this node lists the network."""
        wait_for(lambda: net in [n["Name"] for n in self.get("/networks")], f"{self.name} lists {net}", deadline)

    def overlay_run(self, *argv, **kw):
        """Run a command in this node's overlay namespace."""
        return netns.run(self.overlay, *argv, **kw)

    def overlay_json(self, *argv):
        """ip -j / bridge -j in the overlay namespace, parsed."""
        return json.loads(self.overlay_run(*argv).stdout or "[]")


class Lab:
    """with Lab(hosts=3, etcd=3) as lab: ... Everything is removed at the end, after failures as well."""
    active = []

    def __init__(self, hosts=2, etcd=1, start=True, ovld_args=(), etcd_args=(), **etcd_more):
        """etcd: number of members (on node1, node2, ...; 0: none). start: bring up etcd and every ovld."""
        self.prefix = f"oc{os.getpid()}{chr(96 + next(_numbers) % 26)}-"
        self.dir = tempfile.mkdtemp(prefix=self.prefix, dir="/tmp")
        self.etcd_prefix = "/ovl/v1"
        self.ovld_args = list(ovld_args)
        self.procs = []
        self.places = []
        self.hosts = {}
        self.etcd = None
        self.leftovers = []
        self.more_logs = []  # (what, file): shown with a failed test
        san = f"log_path={self.dir}/sanitizer"
        self.env = dict(os.environ, **{
            MARK: self.prefix,
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1") + ":" + san,
            "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1") + ":" + san})
        self.want = (hosts, etcd, start, list(etcd_args), etcd_more)

    def __enter__(self):
        Lab.active.append(self)
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _make(self):
        hosts, etcd, start, etcd_args, etcd_more = self.want
        netns.add(self.prefix + "net")
        netns.run(self.prefix + "net", "ip", "link", "add", "br0", "type", "bridge", "stp_state", "0")
        netns.run(self.prefix + "net", "ip", "link", "set", "br0", "up")
        for i in range(1, hosts + 1):
            host = Host(self, i)
            self.hosts[host.name] = host
            self._plug(host, host.ip)
        if etcd:
            self.etcd = Etcd(self, list(self.hosts)[:etcd], args=etcd_args, **etcd_more)
        if start:
            if self.etcd:
                self.etcd.start()
            self.start()

    def start(self):
        """Start ovld on every host; wait until each sees all of them."""
        for host in self:
            host.start(wait=False)
        for host in self:
            host.wait_ready()
        for host in self if self.etcd else []:
            wait_for(lambda: host.info()["NodesUp"] == len(self.hosts), f"{host.name} sees every node")

    def _plug(self, place, ip, mtu=1500):
        netns.add(place.netns)
        port = f"p{len(self.places)}"
        self.places.append(place)
        net = self.prefix + "net"
        netns.sh("ip", "-n", net, "link", "add", port, "mtu", mtu, "type", "veth", "peer", "name", "eth0", "mtu", mtu,
                 "netns", place.netns)
        netns.sh("ip", "-n", net, "link", "set", port, "master", "br0", "up")
        netns.sh("ip", "-n", place.netns, "addr", "add", f"{ip}/24", "dev", "eth0")
        netns.sh("ip", "-n", place.netns, "link", "set", "eth0", "up")
        place.ip = ip
        place.port = port  # of the underlay's bridge, in the namespace <prefix>net

    def __getitem__(self, name):
        return self.hosts[name]

    def __iter__(self):
        return iter(list(self.hosts.values()))

    def stranger(self, name="stranger", ip=UNDERLAY + "99"):
        """A machine on the underlay that is no node."""
        place = Place(self, name)
        self._plug(place, ip)
        return place

    def container(self, host, name):
        """A namespace for a container on a host (its name or itself), with only lo."""
        return Container(self.hosts[host] if isinstance(host, str) else host, name)

    def cut(self, host, up=False):
        """Pull (or plug, up=True) the cable of a host."""
        netns.sh("ip", "-n", self.prefix + "net", "link", "set", host.port, "up" if up else "down")

    def everywhere(self, net):
        """Wait until every node lists the network."""
        for host in self:
            host.knows(net)

    # ---- the end ----

    def __exit__(self, *exc):
        problems = []
        for step in (self._stop_containers, self._stop_ovld, self._stop_rest, self._remove, self._check):
            try:
                step()
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                problems.append(f"{step.__name__}: {e}")
        problems += self.sanitizer_reports()
        Lab.active.remove(self)
        self.final_logs = None if not problems else self.logs()
        shutil.rmtree(self.dir, ignore_errors=True)
        if problems and exc[0] is None:
            raise AssertionError("\n".join(problems) + "\n" + "\n".join(f"--- {n}\n{t}" for n, t in self.final_logs))

    def _stop_containers(self):
        """Commands and supervisors of `ovlctl run`, background commands: everything marked but ovld and etcd."""
        kept = {h.ovld.pid for h in self if h.ovld}
        if self.etcd:
            kept |= {p.pid for p in self.etcd.procs.values()}
        for pid, start, _ in marked(self.prefix):
            if pid not in kept:
                kill_exact(pid, start)
        for proc in self.procs:
            proc.stop(signal.SIGKILL)

    def _stop_ovld(self):
        running = [h for h in self if h.ovld and h.ovld.alive()]
        for host in running:
            host.ovld.kill(signal.SIGTERM)
        for host in running:
            host.ended()

    def _stop_rest(self):
        if self.etcd:
            self.etcd.stop(sig=signal.SIGKILL)
        for pid, start, _ in marked(self.prefix):
            kill_exact(pid, start)
        wait_gone(self.prefix)

    def _remove(self):
        for name in netns.names(self.prefix):
            netns.delete(name)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)  # of those that had networks when ovld ended

    def _check(self):
        left = [f"process {pid}: {line}" for pid, _, line in marked(self.prefix)]
        left += [f"namespace {n}" for n in netns.names(self.prefix)]
        left += [f"/etc/netns/{n}" for n in os.listdir("/etc/netns") if n.startswith(self.prefix)] if os.path.isdir("/etc/netns") else []
        with open("/proc/self/mounts", encoding="utf-8") as f:
            left += [f"mount {line.split()[1]}" for line in f if self.prefix in line or self.dir in line]
        assert not left, "left behind: " + "; ".join(left)

    # ---- what went wrong ----

    def sanitizer_reports(self):
        reports = []
        for name in sorted(os.listdir(self.dir)):
            if name.startswith("sanitizer."):
                reports.append(self.tail(os.path.join(self.dir, name), 6000))
        return reports

    @staticmethod
    def tail(path, size=4000):
        try:
            with open(path, "rb") as f:
                f.seek(max(0, os.path.getsize(path) - size))
                return f.read().decode(errors="replace")
        except OSError as e:
            return str(e)

    def logs(self):
        """(name, last part of it) of every log, for a failed test's report."""
        out = [(f"{h.name}: ovld", self.tail(h.log)) for h in self]
        if self.etcd:
            out += [(f"{n}: etcd", self.tail(self.etcd.log(n), 1500)) for n in self.etcd.names]
        out += [(what, self.tail(file)) for what, file in self.more_logs]
        return out + [("sanitizer", r) for r in self.sanitizer_reports()]
