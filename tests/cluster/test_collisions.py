# SPDX-License-Identifier: GPL-2.0-or-later
"""A local network of one node and cluster networks made elsewhere later, with the same name or the same addresses: both stay."""
import json

from procs import wait_for

LAB = dict(hosts=2, etcd=1)
SUBNET = "10.66.0.0/24"


def by_id(host, id):
    return json.loads(host.ctl("network", "inspect", id).stdout)[0]


def test_both_stay(lab):
    node1, node2 = lab["node1"], lab["node2"]
    node2.ctl("network", "create", "-d", "bridge", "--subnet", SUBNET, "both")
    local = node2.inspect("both")
    # Made on the other node, which knows nothing of it: one of the same name, and one of the same addresses.
    node1.ctl("network", "create", "-d", "overlay", "--subnet", "10.67.0.0/24", "both")
    node1.ctl("network", "create", "-d", "overlay", "--subnet", "10.66.0.128/25", "over")
    same_name, overlapping = node1.inspect("both"), node1.inspect("over")
    wait_for(lambda: {same_name["Id"], overlapping["Id"]} <= {n["Id"] for n in node2.get("/networks")}, "node2 knows both")
    assert local["Id"] in {n["Id"] for n in node2.get("/networks")}

    # The name means the local one here; the other is reached by its id.
    assert node2.inspect("both")["Id"] == local["Id"]
    assert by_id(node2, same_name["Id"])["IPAM"]["Config"][0]["Subnet"] == "10.67.0.0/24"
    assert by_id(node2, same_name["Id"][:12])["Id"] == same_name["Id"]
    assert node1.inspect("both")["Id"] == same_name["Id"]

    # It is said.
    shown = node2.ctl("info").stdout
    assert "both" in shown and "over" in shown and "overlap" in shown, shown
    assert "overlap" not in node1.ctl("info").stdout

    # Attaching.
    a, b, far = lab.container(node2, "a"), lab.container(node2, "b"), lab.container(node1, "far")
    assert a.connect("both")["NetworkId"] == local["Id"]
    b.connect(same_name["Id"])
    far.connect("both")
    far.reaches(b.ip4(same_name["Id"]))
    refused = b.connect("over", check=False)
    assert refused.returncode == 1 and "over" in refused.stderr and "both" in refused.stderr and "overlaps" in refused.stderr
    there = lab.container(node1, "there")
    there.connect("over")
    far.connect("over")
    there.reaches(far.ip4("over"))

    # The local one gone, the other has the name and may be joined.
    a.disconnect("both")
    node2.ctl("network", "rm", "both")
    assert node2.inspect("both")["Id"] == same_name["Id"]
    b.connect("over")
    b.reaches(there.ip4("over"))
    assert "overlap" not in node2.ctl("info").stdout
    # And none of that name can be made here by now.
    again = node2.ctl("network", "create", "-d", "bridge", "both", check=False)
    assert again.returncode == 1 and "exists" in again.stderr
    again = node2.ctl("network", "create", "-d", "bridge", "--subnet", SUBNET, "mine", check=False)
    assert again.returncode == 1 and "over" in again.stderr
