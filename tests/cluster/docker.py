# SPDX-License-Identifier: GPL-2.0-or-later
"""A real dockerd of Debian's docker.io, private to one host of the lab: own root, socket, mounts and cgroup, the host's network."""
import http.client
import io
import json
import os
import shutil
import signal
import socket
import tarfile
import urllib.parse

import netns
from procs import Proc, wait_for

IMAGE = "busybox"


def image_tar():
    """A file system of nothing but busybox-static, as `docker import` takes it."""
    busybox = shutil.which("busybox")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "proc", "sys", "tmp", "var"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(busybox, "bin/busybox")
        for applet in ("sh", "sleep", "ping", "ip", "ps", "cat", "ls", "nc", "nslookup", "hostname", "httpd", "wget", "true", "kill"):
            info = tarfile.TarInfo("bin/" + applet)
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    return out.getvalue()


class _Unix(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Docker:
    """with Docker(lab, host) as d: d.run("c1", "--network", "x"); d.api("GET", "/networks")."""

    def __init__(self, lab, host, args=()):
        self.lab, self.host = lab, host
        self.args = list(args)
        self.dir = os.path.join(lab.dir, f"docker-{host.name}")
        self.socket_path = os.path.join(self.dir, "docker.sock")
        self.log = self.dir + ".log"
        self.proc = self.holder = None
        os.makedirs(os.path.join(self.dir, "run"), exist_ok=True)

    def __enter__(self):
        try:
            # It keeps the mounts of the "machine" over a restart of dockerd. nsenter, not ip netns exec: /sys/fs/cgroup stays.
            self.holder = Proc(["nsenter", f"--net={netns.path(self.host.netns)}", "unshare", "-m", "-u", "sh", "-c",
                                f"hostname {self.host.name}; mount --make-rprivate /; mount --bind {self.dir}/run /run; "
                                "mkdir -p /run/lock /run/docker/plugins; echo up; exec sleep infinity"],
                               self.dir + "-holder.out", self.lab.env)
            wait_for(lambda: "up" in self.lab.tail(self.dir + "-holder.out"), "the mounts of dockerd")
            self.start()
            self.api("POST", f"/images/create?fromSrc=-&repo={IMAGE}&tag=latest", raw=image_tar(), kind="application/x-tar")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def start(self):
        self.proc = Proc(["nsenter", "-t", str(self.holder.pid), "-m", "-u", "-n", "dockerd", "--data-root", f"{self.dir}/root",
                          "--exec-root", "/run/docker", "-H", f"unix://{self.socket_path}", "-p", f"{self.dir}/pid",
                          "--storage-driver", "vfs", f"--cgroup-parent=/{self.lab.prefix}{self.host.name}", *self.args],
                         self.log, self.lab.env)
        wait_for(self._answers, "dockerd answers", 60)

    def _answers(self):
        assert self.proc.alive(), self.lab.tail(self.log)
        try:
            return self.api("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def stop(self, sig=signal.SIGTERM):
        self.proc.kill(sig)
        self.proc.finish(60)

    def __exit__(self, *exc):
        if self.proc and self.proc.alive():
            try:
                for c in self.api("GET", "/containers/json?all=1")[1]:
                    self.api("DELETE", f"/containers/{c['Id']}?force=1")
            except OSError:
                pass
            self.stop()
        if self.holder:
            self.holder.stop(signal.SIGKILL)

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
        assert status < 300, f"docker: {method} {path}: {status} {value}"
        return value

    def cli(self, *args, check=True, timeout=60):
        """docker(1), as the user types it."""
        return netns.sh("docker", "-H", f"unix://{self.socket_path}", *args, check=check, timeout=timeout, env=self.lab.env)

    def run(self, name, *args, command=("sleep", "1000")):
        self.cli("run", "-d", "--name", name, *args, IMAGE, *command)
        return self.inspect(name)

    def exec(self, name, *command, check=True, timeout=60):
        return self.cli("exec", name, *command, check=check, timeout=timeout)

    def inspect(self, name):
        return self.must("GET", f"/containers/{urllib.parse.quote(name)}/json")


__all__ = ["Docker", "IMAGE", "image_tar"]
