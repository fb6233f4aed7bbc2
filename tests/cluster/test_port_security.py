# SPDX-License-Identifier: GPL-2.0-or-later
"""-o port-security=mac+ip|mac|off: what a container may send as, on a bridge of the host and on an overlay network."""
import netns
import pytest
from procs import wait_for

LAB = dict(hosts=2, etcd=1)
DRIVERS = ["bridge", "overlay"]


@pytest.fixture(scope="module")
def host(lab):
    return lab["node1"]


@pytest.fixture
def pair(lab, host, request):
    """(a, b, net): two containers of one host on a network of the kind asked for."""
    made = []

    def make(driver, mode, number):
        net, subnet = f"{driver[:2]}{mode.replace('+', '')}", f"10.77.{number}.0/24"
        security = [] if mode == "default" else ["-o", f"port-security={mode}"]
        host.ctl("network", "create", "-d", driver, "--internal", "--subnet", subnet, *security, net)
        a, b = lab.container(host, f"a{net}"), lab.container(host, f"b{net}")
        a.connect(net)
        b.connect(net)
        a.reaches(b.ip4(net))
        made.append((a, b, net))
        return a, b, net
    yield make
    for a, b, net in made:
        a.delete()
        b.delete()
        wait_for(lambda: not [e for e in host.get("/endpoints") if e["Network"] == net], "withdrawn")
        host.ctl("network", "rm", net)


def other_address(a, number):
    """a sends from an address that is not its own."""
    a.run("ip", "addr", "add", f"10.77.{number}.200/24", "dev", "eth0")
    return ["-I", f"10.77.{number}.200"]


def other_mac(a, number):
    """A bridge in the container, with another machine behind it: another MAC, another address."""
    a.run("ip", "link", "add", "inner", "type", "bridge")
    a.run("ip", "link", "set", "inner", "address", "02:00:00:00:77:77")
    a.run("ip", "addr", "flush", "dev", "eth0")
    a.run("ip", "link", "set", "eth0", "master", "inner")
    a.run("ip", "link", "set", "inner", "up")
    a.run("ip", "addr", "add", f"10.77.{number}.201/24", "dev", "inner")


def answered(a, ip, *args):
    return a.ping(ip, 3, 0.4, *args, check=False).returncode == 0


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("mode, own, address, mac", [
    ("default", True, False, False), ("mac+ip", True, False, False), ("mac", True, True, False), ("off", True, True, True)])
def test_modes(pair, driver, mode, own, address, mac):
    number = 10 * DRIVERS.index(driver) + ["default", "mac+ip", "mac", "off"].index(mode)
    a, b, net = pair(driver, mode, number)
    ip = b.ip4(net)
    assert answered(a, ip) == own
    assert answered(a, ip, *other_address(a, number)) == address, "with another address"
    other_mac(a, number)
    assert answered(a, ip) == mac, "with another MAC"


@pytest.mark.parametrize("driver", DRIVERS)
def test_bad_value(host, driver):
    done = host.ctl("network", "create", "-d", driver, "-o", "port-security=some", "x", check=False)
    assert done.returncode == 1 and "port-security" in done.stderr


def test_off_reaches_across_hosts(lab, host, pair):
    """What the bridge learns behind an open port is found from another node by flooding."""
    a, _, net = pair("overlay", "off", 33)
    lab["node2"].knows(net)
    c = lab.container("node2", "far")
    c.connect(net)
    other_mac(a, 33)
    wait_for(lambda: answered(a, c.ip4(net)), "answered across hosts", 5)
    netns.delete(c.netns)
    wait_for(lambda: not [e for e in host.get("/endpoints") if e["Name"] == "far"], "withdrawn")
