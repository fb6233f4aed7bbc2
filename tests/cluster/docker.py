# SPDX-License-Identifier: GPL-2.0-or-later
"""Real dockerds of Debian's docker.io, each private to one host of the lab: own root, socket, mounts and cgroup, the host's network."""
import concurrent.futures
import contextlib
import http.client
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import tarfile
import urllib.parse

import netns
from lab import Lab
from procs import Proc, kill_exact, start_time, wait_for

IMAGE = "busybox"
DEBIAN = "debian"  # nothing but names: the machine's own /usr is shared into it, read-only; see SHARED
SHARED = ("-v", "/usr:/usr:ro")
CLI = "/usr/bin/docker"  # Debian's, of the daemon's version
OVL = ("-d", "ovl", "--ipam-driver", "ovl")
APPLETS = ("sh", "sleep", "ping", "ip", "ps", "cat", "ls", "nc", "nslookup", "hostname", "httpd", "wget", "true", "false", "kill", "echo",
           "grep", "ifconfig", "route", "arping")


def _tar(folders, files, links):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for source, name in files:
            tar.add(source, name)
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return out.getvalue()


def image_tar():
    """A file system of nothing but busybox-static, as `docker import` takes it."""
    return _tar(("bin", "etc", "proc", "sys", "tmp", "var"), [(shutil.which("busybox"), "bin/busybox")],
                [("bin/" + applet, "busybox") for applet in APPLETS])


def debian_tar():
    """What is around /usr on a merged-/usr Debian."""
    return _tar(("etc", "proc", "sys", "tmp", "var", "usr", "root", "srv"),
                [(f, f[1:]) for f in ("/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group")],
                [(name, "usr/" + name) for name in ("bin", "sbin", "lib", "lib64")])


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Docker:
    """
    with Docker(lab, host) as d: d.run("c1", "--network", "x"); d.api("GET", "/networks")

    plugin, api: the host's ovld, started after this is made, is its plugin `ovl`, and uses its API. Each may be another path than the true one.
    """

    def __init__(self, lab, host, args=(), plugin=True, api=True, live_restore=False):
        self.lab, self.host = lab, host
        self.args = list(args)
        self.live_restore = live_restore
        self.dir = os.path.join(lab.dir, f"docker-{host.name}")
        self.socket_path = os.path.join(self.dir, "docker.sock")
        self.plugin_path = os.path.join(self.dir, "run/docker/plugins/ovl.sock")  # the daemon's /run/docker/plugins/ovl.sock
        self.log = self.dir + ".log"
        self.cgroup = f"{lab.prefix}{host.name}"
        self.proc = self.holder = None
        os.makedirs(os.path.join(self.dir, "run"), exist_ok=True)
        if plugin:
            host.args += ["--docker-plugin", plugin if isinstance(plugin, str) else self.plugin_path, "--docker-api", api if isinstance(api, str) else self.socket_path if api else "none"]
        lab.more_logs.append((f"{host.name}: dockerd", self.log))

    # ---- life ----

    def __enter__(self):
        try:
            self.start()
            self.load(IMAGE, image_tar())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _hold(self):
        """A process that keeps the mounts of the "machine" over a restart of dockerd. nsenter, not ip netns exec: /sys/fs/cgroup stays."""
        if self.holder:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.dir + "-holder.out")  # of an earlier one: it must not be taken for this one's
        self.holder = Proc(["nsenter", f"--net={netns.path(self.host.netns)}", "unshare", "-m", "-u", "sh", "-c",
                            f"hostname {self.host.name}; mount --make-rprivate /; mount --bind {self.dir}/run /run; "
                            "mkdir -p /run/lock /run/docker/plugins; echo up; exec sleep infinity"],
                           self.dir + "-holder.out", self.lab.env)
        wait_for(lambda: "up" in self.lab.tail(self.dir + "-holder.out"), "the mounts of dockerd")

    def start(self, wait=True):
        self._hold()
        more = ["--live-restore"] if self.live_restore else []
        self.proc = Proc(["nsenter", "-t", str(self.holder.pid), "-m", "-u", "-n", "dockerd", "--data-root", f"{self.dir}/root",
                          "--exec-root", "/run/docker", "-H", f"unix://{self.socket_path}", "-p", f"{self.dir}/pid",
                          "--storage-driver", "vfs", f"--cgroup-parent=/{self.cgroup}", *more, *self.args],
                         self.log, self.lab.env)
        if wait:
            self.wait_ready()

    def wait_ready(self, deadline=60):
        wait_for(self._answers, "dockerd answers", deadline)

    def _answers(self):
        assert self.proc.alive(), self.lab.tail(self.log)
        try:
            return self.api("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def load(self, name, tar):
        self.api("POST", f"/images/create?fromSrc=-&repo={name}&tag=latest", raw=tar, kind="application/x-tar")

    def _containerd(self):
        """(pid, start time) of dockerd's own; (0, None) when it does not run."""
        try:
            with open(f"{self.dir}/run/docker/containerd/containerd.pid", encoding="ascii") as f:
                pid = int(f.read())
        except (OSError, ValueError):
            return 0, None
        return pid, start_time(pid)

    def stop(self, sig=signal.SIGTERM):
        pid, start = self._containerd()
        self.proc.kill(sig)
        self.proc.finish(60)
        # It dies with dockerd, but after it; the next dockerd would take it for its own, and a zombie too.
        wait_for(lambda: start is None or start_time(pid) != start, "containerd's end", 30)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.dir}/run/docker/containerd/containerd.pid")

    def restart(self, sig=signal.SIGTERM):
        self.stop(sig)
        self.start()

    def power_cut(self):
        """What a reboot leaves of the host: its disk. dockerd, containers and ovld are killed; links, rules and /run go; rows of ovld's are of an earlier boot."""
        host = self.host
        host.ovld.kill(signal.SIGKILL)
        host.ended(signal.SIGKILL)
        self.stop(signal.SIGKILL)
        self._kill_rest()
        self.holder.stop(signal.SIGKILL)
        self.holder = None
        shutil.rmtree(os.path.join(self.dir, "run"))
        os.mkdir(os.path.join(self.dir, "run"))
        netns.delete(host.overlay)
        for link in json.loads(host.run("ip", "-j", "link").stdout):
            if link["ifname"] not in ("lo", "eth0"):
                host.run("ip", "link", "del", link["ifname"], check=False)  # an end may have gone with the other one
        for table in ("filter", "nat", "raw", "mangle"):
            host.run("iptables", "-t", table, "-F")
            host.run("iptables", "-t", table, "-X")
        host.run("iptables", "-P", "FORWARD", "ACCEPT")
        host.run("nft", "flush", "ruleset")
        db = sqlite3.connect(os.path.join(host.dir, "state", "state.db"))
        with contextlib.closing(db), db:
            db.execute("UPDATE endpoint SET boot_id = ?", ("00000000-0000-4000-8000-000000000000",))

    def __exit__(self, *exc):
        if self.proc and self.proc.alive():
            try:
                self.clear()
            except (OSError, AssertionError):
                pass
            self.stop()
        self._kill_rest()
        if self.holder:
            self.holder.stop(signal.SIGKILL)
            self.holder = None

    def clear(self):
        """Remove every container."""
        ids = [c["Id"] for c in self.must("GET", "/containers/json?all=1")]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda c: self.api("DELETE", f"/containers/{c}?force=1&v=1"), ids))

    def _cgroups(self):
        roots = ["/sys/fs/cgroup"] + [os.path.join("/sys/fs/cgroup", d) for d in os.listdir("/sys/fs/cgroup")]
        return [path for root in roots if os.path.isdir(path := os.path.join(root, self.cgroup))]

    def _kill_rest(self):
        """Containers whose dockerd is dead, and the cgroups."""
        def procs():
            found = set()
            for top in self._cgroups():
                for folder, _, _ in os.walk(top):
                    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as f:
                        found |= {int(pid) for pid in f}
            return found

        def removed():
            for pid in procs():
                kill_exact(pid, start_time(pid))
            for top in self._cgroups():
                for folder, _, _ in os.walk(top, topdown=False):
                    os.rmdir(folder)
            return not self._cgroups()

        wait_for(removed, f"the end of the cgroup {self.cgroup}", 20)

    # ---- to ask and to do ----

    def api(self, method, path, body=None, raw=None, kind="application/json", timeout=60):
        """(status, JSON or text)"""
        conn = _Unix(self.socket_path, timeout)
        try:
            data = raw if raw is not None else None if body is None else json.dumps(body)
            conn.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            reply = conn.getresponse()
            text = reply.read()
            is_json = (reply.getheader("Content-Type") or "").startswith("application/json")
            try:
                return reply.status, json.loads(text) if is_json and text else text.decode(errors="replace")
            except json.JSONDecodeError:  # several lines of progress
                return reply.status, text.decode(errors="replace")
        finally:
            conn.close()

    def must(self, method, path, body=None):
        status, value = self.api(method, path, body)
        assert status < 300, f"{self.host.name}: docker: {method} {path}: {status} {value}"
        return value

    def cli(self, *args, check=True, timeout=60):
        """docker(1), as the user types it."""
        return netns.sh(CLI, "-H", f"unix://{self.socket_path}", *args, check=check, timeout=timeout, env=self.lab.env)

    def run(self, name, *args, command=("sleep", "1000"), image=IMAGE):
        """docker run -d. It ends at once when it is stopped: the first process of a container ignores SIGTERM."""
        self.cli("run", "-d", "--name", name, "--stop-signal", "KILL", *args, image, *command)
        return self.inspect(name)

    def exec(self, name, *command, check=True, timeout=60):
        return self.cli("exec", name, *command, check=check, timeout=timeout)

    def inspect(self, name):
        return self.must("GET", f"/containers/{urllib.parse.quote(name)}/json")

    # ---- networks ----

    def create(self, name, *args, check=True):
        """docker network create -d ovl --ipam-driver ovl; the id."""
        done = self.cli("network", "create", *OVL, *args, name, check=check)
        return done.stdout.strip() if check else done

    def networks(self):
        """name -> GET /networks/ID of each network of ovl's, with its containers."""
        listed = self.must("GET", "/networks?filters=" + urllib.parse.quote(json.dumps({"driver": ["ovl"]})))
        shown = [self.api("GET", "/networks/" + n["Id"]) for n in listed]
        return {n["Name"]: n for status, n in shown if status != 404}  # gone meanwhile

    def network(self, name):
        return json.loads(self.cli("network", "inspect", name).stdout)[0]

    def knows(self, name, deadline=10):
        """Wait until it lists the network; what it shows of it."""
        wait_for(lambda: name in self.cli("network", "ls", "--format", "{{.Name}}").stdout.split(), f"Docker of {self.host.name} lists {name}", deadline)
        return self.network(name)

    def forgets(self, name, deadline=10):
        wait_for(lambda: name not in self.cli("network", "ls", "--format", "{{.Name}}").stdout.split(),
                 f"Docker of {self.host.name} lists {name} no more", deadline)

    def endpoint(self, container, net):
        """NetworkSettings.Networks[net] of a container."""
        return self.inspect(container)["NetworkSettings"]["Networks"][net]

    def ip4(self, container, net):
        return self.endpoint(container, net)["IPAddress"]

    def ping(self, container, whom, check=True, count=1):
        return self.exec(container, "ping", "-c", str(count), "-W", "2", whom, check=check)

    def reaches(self, container, whom, deadline=10):
        wait_for(lambda: self.exec(container, "ping", "-c", "1", "-W", "1", whom, check=False).returncode == 0,
                 f"{container} of {self.host.name} reaches {whom}", deadline)

    def fetched(self, container, url):
        """What a container is told by http://...; "" for nothing."""
        return self.exec(container, "wget", "-q", "-T", "2", "-O", "-", url, check=False).stdout


class Inside:
    """The network namespace of a container that runs, as flows.py wants a place."""

    def __init__(self, d, container):
        self.lab, self.name = d.lab, f"{d.host.name}-{container}"
        self.pid = d.inspect(container)["State"]["Pid"]
        self.argv = ["nsenter", "-t", str(self.pid), "-n", "--"]

    def run(self, *argv, **kw):
        return netns.sh(*self.argv, *argv, **kw)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        return netns.open_socket(f"/proc/{self.pid}/ns/net", family, kind, proto)

    def spawn(self, *argv, log):
        proc = Proc([*self.argv, *argv], log, self.lab.env)
        self.lab.procs.append(proc)
        return proc


class DockerLab:
    """with DockerLab(hosts=2) as d: d.lab, d["node1"]. A lab with a dockerd on each host, whose ovl is the host's ovld."""

    def __init__(self, hosts=2, etcd=1, images=(), api=True, live_restore=False, docker_args=(), **lab):
        self.lab = Lab(hosts=hosts, etcd=etcd, start=False, **lab)
        self.how = dict(args=docker_args, api=api, live_restore=live_restore)
        self.images = images
        self.dockers = {}

    def __enter__(self):
        self.lab.__enter__()
        try:
            self.lab.etcd.start()
            self.dockers = {h.name: Docker(self.lab, h, **self.how) for h in self.lab}
            self.lab.start()
            self._each(Docker.__enter__)
            for name, tar in self.images:
                self._each(lambda d: d.load(name, tar))
        except BaseException as e:
            self.__exit__(type(e), e, None)
            raise
        return self

    def _each(self, fn):
        with concurrent.futures.ThreadPoolExecutor(len(self.dockers)) as pool:
            return list(pool.map(fn, self.dockers.values()))

    def __exit__(self, *exc):
        try:
            if self.dockers:
                self._each(lambda d: d.__exit__(None, None, None))
        finally:
            self.lab.__exit__(*exc)

    def __getitem__(self, node):
        return self.dockers[node]

    def __iter__(self):
        return iter(list(self.dockers.values()))

    def everywhere(self, net):
        for d in self:
            d.knows(net)

    def nowhere(self, net):
        for d in self:
            d.forgets(net)


__all__ = ["DEBIAN", "IMAGE", "OVL", "SHARED", "Docker", "DockerLab", "Inside", "debian_tar", "image_tar"]
