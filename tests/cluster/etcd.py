# SPDX-License-Identifier: GPL-2.0-or-later
"""A real etcd, one member or several, each in the namespace of a host of the lab."""
import json
import os
import shutil
import signal

import netns
from procs import Proc, wait_for


class Etcd:
    """lab.etcd. Members go by the names of the hosts they run on."""

    def __init__(self, lab, hosts, scheme="http", args=(), ctl_args=(), unsafe_no_fsync=True):
        self.lab = lab
        self.names = list(hosts)
        self.scheme = scheme
        self.args = list(args)  # to every member
        self.ctl_args = list(ctl_args)  # to every etcdctl
        self.procs = {}
        self.token = "new"
        # A lab's disk is shared with everything else on the machine: an fsync may take a second.
        if unsafe_no_fsync:
            self.args.append("--unsafe-no-fsync")

    def dir(self, name):
        return os.path.join(self.lab.dir, name, "etcd")

    def log(self, name):
        return os.path.join(self.lab.dir, name, "etcd.log")

    def url(self, name):
        return f"{self.scheme}://{self.lab.hosts[name].ip}:2379"

    @property
    def urls(self):
        return [self.url(n) for n in self.names]

    def alive(self, name):
        return name in self.procs and self.procs[name].alive()

    def start(self, *names, wait=True):
        """Start members (all of them by default), with the data they had."""
        peers = ",".join(f"{n}=http://{self.lab.hosts[n].ip}:2380" for n in self.names)
        for n in names or self.names:
            ip = self.lab.hosts[n].ip
            self.procs[n] = Proc(netns.argv(
                self.lab.hosts[n].netns, "etcd", "--name", n, "--data-dir", self.dir(n),
                "--listen-client-urls", f"{self.url(n)},{self.scheme}://127.0.0.1:2379",
                "--advertise-client-urls", self.url(n),
                "--listen-peer-urls", f"http://{ip}:2380", "--initial-advertise-peer-urls", f"http://{ip}:2380",
                "--initial-cluster", peers, "--initial-cluster-token", self.lab.prefix + self.token,
                "--initial-cluster-state", "new", "--logger", "zap", *self.args), self.log(n), self.lab.env)
        if wait:
            wait_for(self.healthy, "etcd healthy", 30)

    def stop(self, *names, sig=signal.SIGTERM):
        """Stop members (all by default) and wait for their end. SIGKILL for a crash, and quicker."""
        for n in names or self.names:
            if self.alive(n):
                self.procs[n].kill(sig)
        for n in names or self.names:
            if n in self.procs:
                self.procs[n].finish()

    def pause(self, *names):
        """Freeze members: connections stay open and nothing answers."""
        for n in names or self.names:
            self.procs[n].kill(signal.SIGSTOP)

    def resume(self, *names):
        for n in names or self.names:
            self.procs[n].kill(signal.SIGCONT)

    def ctl(self, *args, at=None, check=True, timeout=20, input=None):
        """etcdctl, run on the host of a member that is up (or of `at`). Returns its standard output."""
        up = [n for n in self.names if self.alive(n)]
        name = at or (up or self.names)[0]
        env = dict(os.environ, ETCDCTL_API="3")
        return netns.run(self.lab.hosts[name].netns, "etcdctl", f"--endpoints={self.url(name)}",
                         "--command-timeout=5s", *self.ctl_args, *args,
                         check=check, timeout=timeout, input=input, env=env).stdout

    def healthy(self):
        return all(netns.run(self.lab.hosts[n].netns, "etcdctl", f"--endpoints={self.url(n)}", *self.ctl_args,
                             "endpoint", "health", check=False,
                             env=dict(os.environ, ETCDCTL_API="3")).returncode == 0
                   for n in self.names if self.alive(n))

    def leader(self):
        """The host whose member leads."""
        for n in self.names:
            if not self.alive(n):
                continue
            status = json.loads(self.ctl("endpoint", "status", "-w", "json", at=n))[0]["Status"]
            # Left out while there is none.
            if status.get("leader") == status["header"]["member_id"]:
                return n
        raise AssertionError("no member leads")

    def revision(self):
        return json.loads(self.ctl("get", "x", "-w", "json"))["header"]["revision"]

    def keys(self, prefix=""):
        """The keys below <etcd-prefix>/<prefix>, without that prefix's root ("network/...")."""
        root = self.lab.etcd_prefix + "/"
        lines = self.ctl("get", "--prefix", "--keys-only", root + prefix).split("\n")
        return [k[len(root):] for k in lines if k]

    def get(self, prefix=""):
        """Key (without the root) -> value, as parsed JSON; a value that is no one line of JSON is an assertion."""
        root = self.lab.etcd_prefix + "/"
        lines = self.ctl("get", "--prefix", root + prefix).rstrip("\n").split("\n")
        if lines == [""]:
            return {}
        assert len(lines) % 2 == 0, f"a value of more than one line below {root}{prefix}: {lines}"
        return {k[len(root):]: json.loads(v) for k, v in zip(lines[::2], lines[1::2])}

    def raw(self, key):
        """One value as text, None where there is none. The key with or without the root."""
        root = self.lab.etcd_prefix + "/"
        value = self.ctl("get", "--print-value-only", key if key.startswith("/") else root + key)
        return value.rstrip("\n") or None

    def put(self, key, value):
        root = self.lab.etcd_prefix + "/"
        self.ctl("put", key if key.startswith("/") else root + key, input=value)

    def wipe(self):
        """Delete everything below the lab's prefix."""
        self.ctl("del", "--prefix", self.lab.etcd_prefix + "/")

    def snapshot(self, file):
        self.ctl("snapshot", "save", file)

    def restore(self, file):
        """Stop all members and start them with the data of a snapshot, as one restores a backup."""
        self.stop(sig=signal.SIGKILL)
        self.token += "r"
        peers = ",".join(f"{n}=http://{self.lab.hosts[n].ip}:2380" for n in self.names)
        for n in self.names:
            shutil.rmtree(self.dir(n))
            netns.sh("etcdctl", "snapshot", "restore", file, "--name", n, "--data-dir", self.dir(n),
                     "--initial-cluster", peers, "--initial-cluster-token", self.lab.prefix + self.token,
                     "--initial-advertise-peer-urls", f"http://{self.lab.hosts[n].ip}:2380",
                     env=dict(os.environ, ETCDCTL_API="3"))
        self.start()
