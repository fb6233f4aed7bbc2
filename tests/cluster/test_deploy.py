# SPDX-License-Identifier: GPL-2.0-or-later
"""What is shipped beside the programs: the unit file's limits are enough, the example of a configuration is valid."""
import configparser
import os
import re
import socket

import netns
import pytest
from lab import BIN, ROOT, Lab
from procs import wait_for

UNIT = ROOT / "deploy/systemd/ovld.service"


@pytest.fixture(scope="module")
def unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    return parser


def test_the_unit_gives_no_mount_namespace(unit):
    """Each of these settings makes one; /run/netns/ovl would be ovld's own and die with it."""
    service = unit["Service"]
    assert service["KillMode"] == "process" and service["Type"] == "notify"
    assert "docker.service" in unit["Unit"]["Before"]
    makers = re.compile(r"Private(?!Mounts)|Protect|ReadOnly|ReadWrite|Inaccessible|Bind|TemporaryFile|Mount|Root")
    assert [key for key in service if makers.match(key)] == []
    assert service["PrivateMounts"] == "no"


def test_ovld_works_within_the_units_limits(unit):
    """The capabilities of the unit and no others, no new privileges; and it tells systemd that it is ready."""
    caps = ["+" + c.removeprefix("CAP_").lower() for c in unit["Service"]["CapabilityBoundingSet"].split()]
    with Lab(hosts=2, etcd=1, start=False) as lab, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(os.path.join(lab.dir, "notify"))
        notify.settimeout(20)
        lab.env["NOTIFY_SOCKET"] = notify.getsockname()
        for host in lab:
            host.wrapper = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all," + ",".join(caps)]
        lab.etcd.start()
        lab.start()
        assert b"READY=1" in notify.recv(4096)
        lab["node1"].ctl("network", "create", "--ipv6", "demo")
        lab["node2"].knows("demo")
        c1, c2 = lab.container("node1", "c1"), lab.container("node2", "c2")
        c1.connect("demo")
        c2.connect("demo")
        c1.reaches(c2.ip4("demo"))
        # A container of somebody else's: neither its /proc/PID/ns nor its end is out of reach.
        user = lab["node1"].spawn("unshare", "--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                  "sleep", "1000")
        own = os.readlink("/proc/self/ns/net")
        wait_for(lambda: os.readlink(f"/proc/{user.pid}/ns/net") not in (own, netns_of(lab["node1"])), "its namespace")
        lab["node1"].ctl("network", "connect", "demo", f"pid:{user.pid}")
        lab["node2"].ctl("run", "-d", "--name", "r1", "--network", "demo", "--", "sleep", "1000")
        lab["node2"].ctl("stop", "r1")
        user.stop(9)
        wait_for(lambda: len(lab.etcd.keys("endpoint/")) == 2, "the process that died is withdrawn")


def netns_of(host):
    return f"net:[{os.stat(netns.path(host.netns)).st_ino}]"


def test_the_example_is_valid(tmp_path):
    """As it is, and with every setting that is commented out."""
    example = (ROOT / "deploy/etc/ovld.yaml").read_text(encoding="utf-8")
    setting = re.compile(r"^# (?=[a-z-]+:($| \S+$)| +(- )?([a-z-]+:( \S+)?|\S+)$)")
    full = "\n".join(setting.sub("", line) for line in example.splitlines())
    assert full.count("\npools:\n  - base:") == 1
    full = full.replace("/etc/ovl/", f"{tmp_path}/").replace("http://", "https://")
    (tmp_path / "etcd-password").write_text("secret\n", encoding="utf-8")
    netns.sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ovl", "-days", "1",
             "-keyout", tmp_path / "etcd-key.pem", "-out", tmp_path / "etcd.pem")
    (tmp_path / "etcd-ca.pem").write_bytes((tmp_path / "etcd.pem").read_bytes())
    for name, text in (("example", example), ("full", full)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        said = netns.sh(BIN / "ovld", "--check-config", "--config", tmp_path / name, check=False)
        assert said.returncode == 0 and "valid" in said.stdout, f"{name}: {said.stderr}"
    known = set(re.findall(r"--([a-z-]+)", netns.sh(BIN / "ovld", "--help").stdout))
    shown = set(re.findall(r"^(?:# )?([a-z-]+):(?:$| )", example, re.M)) - {"pools"}
    # Those of a section: dns: {ttl} is --dns-ttl.
    section = ""
    for line in example.splitlines():
        top, inner = re.match(r"# ([a-z-]+):$", line), re.match(r"#   ([a-z-]+):", line)
        section = top.group(1) if top else section
        if inner:
            shown.add(f"{section}-{inner.group(1)}")
    shown |= {"dns-server"} if "dns-servers" in shown else set()
    shown |= {"no-dns"} if "dns-enabled" in shown else set()
    assert known - shown == {"config", "check-config", "takeover", "help", "usage", "version"}
