# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input, from users, from the socket, from etcd: a clear error, nothing changed, nothing crashed."""
import json
import socket

import pytest
from procs import wait_for

LAB = dict(hosts=2, etcd=1)


@pytest.fixture(scope="module")
def demo(lab):
    lab["node1"].ctl("network", "create", "-d", "overlay", "--subnet", "10.60.0.0/24", "demo")
    lab.everywhere("demo")
    return "demo"


@pytest.fixture(autouse=True)
def still_there(lab, demo):
    keys = lab.etcd.keys("network/")
    yield
    assert all(h.ovld.alive() for h in lab)
    assert lab.etcd.keys("network/") == keys
    lab["node1"].ctl("network", "inspect", "demo")


CREATE = {
    "no CIDR": (["--subnet", "10.61.0.0"], "10.61.0.0"),
    "length": (["--subnet", "10.61.0.0/33"], "/33"),
    "not an address": (["--subnet", "10.61.0.256/24"], "10.61.0.256"),
    "host bits": (["--subnet", "10.61.0.7/24"], "10.61.0.0/24"),
    "gateway outside": (["--subnet", "10.61.0.0/24", "--gateway", "10.62.0.1"], "10.62.0.1"),
    "gateway is the network": (["--subnet", "10.61.0.0/24", "--gateway", "10.61.0.0"], "10.61.0.0"),
    "range outside": (["--subnet", "10.61.0.0/24", "--ip-range", "10.62.0.0/25"], "10.62.0.0/25"),
    "aux outside": (["--subnet", "10.61.0.0/24", "--aux-address", "router=10.62.0.9"], "10.62.0.9"),
    "aux without name": (["--subnet", "10.61.0.0/24", "--aux-address", "10.61.0.9"], "10.61.0.9"),
    "overlap with a network": (["--subnet", "10.60.0.128/25"], "demo"),
    "overlap with the host": (["--subnet", "192.168.205.0/25"], "192.168.205"),
    "overlap with itself": (["--subnet", "10.61.0.0/24", "--subnet", "10.61.0.0/25"], "10.61.0.0/25"),
    "too small": (["--subnet", "10.61.0.0/31"], "/31"),
    "IPv6 without --ipv6": (["--subnet", "fd00:61::/64"], "ipv6"),
    "unknown driver": (["-d", "warp"], "warp"),
    "unknown option": (["-o", "colour=blue"], "colour"),
    "mtu no number": (["-o", "mtu=big"], "big"),
    "mtu too large": (["-o", "mtu=9000"], "9000"),
    "vni too large": (["-o", "vni=16777216"], "16777216"),
}


@pytest.mark.parametrize("what", CREATE)
def test_network_create(lab, what):
    args, named = CREATE[what]
    refused = lab["node1"].ctl("network", "create", *args, "bad", check=False)
    assert refused.returncode in (1, 2) and refused.stdout == ""
    assert named.lower() in refused.stderr.lower(), refused.stderr


@pytest.mark.parametrize("name", ["demo", "host", "bridge", "none", "", "-x", "a b", "a/b", "x" * 129, "ä"])
def test_network_names(lab, name):
    refused = lab["node2"].ctl("network", "create", "--", name, check=False)
    assert refused.returncode in (1, 2) and refused.stdout == "" and refused.stderr


def test_all_problems_are_told_at_once(lab):
    refused = lab["node1"].ctl("network", "create", "--subnet", "10.61.0.7/24", "--gateway", "10.9.9.9",
                               "-o", "colour=blue", "-o", "mtu=1", "a b", check=False)
    for named in ("a b", "colour", "mtu", "10.61.0.7"):
        assert named in refused.stderr, refused.stderr


@pytest.mark.parametrize("target", ["nothing-of-that-name", "pid:99999999", "pid:x", "/etc/passwd", "/no/such", "netns:../x", "1", ""])
def test_connect_targets(lab, target):
    refused = lab["node1"].ctl("network", "connect", "demo", target, check=False)
    assert refused.returncode in (1, 2) and refused.stderr
    assert lab.etcd.keys("address/") == [] and lab.etcd.keys("endpoint/") == []


@pytest.mark.parametrize("args", [["--ip", "10.61.0.9"], ["--ip", "10.60.0.1"], ["--ip", "10.60.0.0"], ["--ip", "10.60.0.255"],
                                  ["--ip", "x"], ["--mac", "01:00:5e:00:00:01"], ["--mac", "zz"], ["--ifname", "far-too-long-a-name"],
                                  ["--ifname", "a/b"], ["--name", "a b"], ["--alias", "a b"], ["--ip6", "fd00::9"]])
def test_connect_arguments(lab, args):
    c = lab.container("node1", "bad")
    try:
        refused = lab["node1"].ctl("network", "connect", *args, "demo", "netns:" + c.netns, check=False)
        assert refused.returncode in (1, 2) and refused.stderr
        assert lab.etcd.keys("address/") == [] and lab.etcd.keys("endpoint/") == []
        assert c.run("ip", "-br", "link").stdout.split()[0] == "lo" and len(c.run("ip", "-br", "link").stdout.splitlines()) == 1
    finally:
        c.delete()


def test_an_interface_of_that_name_is_there(lab):
    c = lab.container("node1", "taken")
    c.run("ip", "link", "add", "eth7", "type", "bridge")
    refused = c.connect("demo", "--ifname", "eth7", check=False)
    assert refused.returncode == 1 and "eth7" in refused.stderr
    wait_for(lambda: lab.etcd.keys("address/") == [], "nothing left behind")
    c.delete()


def test_usage_errors_are_2(lab):
    for args in (["network", "create"], ["network", "frobnicate"], ["network", "create", "--nonsense", "x"], ["network", "connect", "demo"]):
        assert lab["node1"].ctl(*args, check=False).returncode == 2


BODIES = [b"", b"{", b"[]", b"null", b'{"Name": 7}', b'{"Name":"x","Unknown":1}', b'{"Name":"x"}garbage', b"\xff\xfe", b'{"Name":"' + b"x" * 100000 + b'"}',
          b'{"a":' * 5000 + b"1" + b"}" * 5000]


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_bodies(lab, number):
    status, reply = lab["node1"].api("POST", "/networks/create", raw=BODIES[number])
    assert 400 <= status < 500 and reply["message"]


def test_an_oversized_body(lab):
    try:
        status, _ = lab["node1"].api("POST", "/networks/create", raw=b" " * (4 << 20))
        assert status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # told before it was all sent


def test_garbage_on_the_socket(lab):
    for data in (b"\0" * 4096, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"A" * 100000, b"POST /networks/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(5)
            s.connect(lab["node1"].socket_path)
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(4096):
                    pass
            except OSError:
                pass


RECORDS = {
    "network/" + "ab" * 32: [" ", "x", "{}", "[]", '{"name":"evil","driver":"overlay","vni":0}', '{"name":"e","vni":99999999999}',
                             '{"name":"demo2","driver":"overlay","vni":5,"mtu":1450,"subnets":[{"subnet":"10.1.0.0/99"}]}', "y" * 1000000],
    "network/short": ["{}"],
    "node/" + "cd" * 32: ["{", '{"name":"n","vtep":"nowhere"}', '{"vtep":"1.2.3.4"}'],
    "endpoint/" + "ab" * 32 + "/" + "ef" * 32: ["{}", '{"name":1}', '{"addresses":["1.2.3"]}'],
    "endpoint/x/y/z": ["{}"],
    "nonsense/k": ["v"],
    "alive/" + "cd" * 32: [" ", "{", "[1,2"],
}


def test_records_put_by_hand(lab):
    """Each is reported once, naming its key, and skipped; the rest goes on."""
    node2 = lab["node2"]
    for key, values in RECORDS.items():
        for value in values:
            lab.etcd.put(key, value)
    lab["node1"].ctl("network", "create", "after")
    node2.knows("after")
    for key in RECORDS:
        if not key.startswith(("nonsense", "alive")):
            assert key in open(node2.log, encoding="utf-8", errors="replace").read(), key
    node2.stop()
    node2.start()
    node2.knows("after")
    names = [n["Name"] for n in node2.get("/networks") if n["Driver"] == "overlay"]
    assert sorted(names) == ["after", "demo"]
    for key in RECORDS:
        lab.etcd.ctl("del", lab.etcd_prefix + "/" + key)
    lab["node1"].ctl("network", "rm", "after")


def test_configuration(lab, tmp_path):
    node1 = lab["node1"]
    ovld = node1.argv()[0]
    good = tmp_path / "good.yaml"
    good.write_text("name: n1\netcd:\n  - http://10.0.0.1:2379\nvxlan-port: 4790\npools:\n  - base: 10.128.0.0/9\n    size: 26\n")
    assert node1.run(ovld, "--config", good, "--check-config").returncode == 0
    for text, named in (("nmae: x\n", "nmae"), ("vxlan-port: many\n", "vxlan-port"), ("etcd: [ 'gopher://x' ]\n", "gopher"),
                        ("pools:\n  - base: 10.0.0.1/8\n    size: 24\n", "10.0.0.0/8"), ("log-level: loud\n", "loud"), (":::\n", "bad.yaml")):
        bad = tmp_path / "bad.yaml"
        bad.write_text(text)
        refused = node1.run(ovld, "--config", bad, "--check-config", check=False)
        assert refused.returncode != 0 and named in refused.stderr, (text, refused.stderr)


def test_a_second_agent(lab):
    """Of the same state directory, and of the same name with another."""
    node1 = lab["node1"]
    again = node1.run(*node1.argv(), check=False, timeout=20)
    assert again.returncode == 1 and again.stderr
    other = node1.run(*node1.argv("--state-dir", node1.dir + "/other", "--socket", node1.dir + "/o",
                                  "--overlay-netns", f"/run/netns/{lab.prefix}other"), check=False, timeout=20)
    assert other.returncode == 1
    said = other.stdout + other.stderr
    ids = [json.loads(json.dumps(n))["Id"] for n in node1.get("/nodes") if n["Name"] == "node1"]
    assert ids[0] in said and said.count("192.168.205.10") >= 2, said
    node1.run("ip", "netns", "del", lab.prefix + "other", check=False)
