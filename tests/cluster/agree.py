# SPDX-License-Identifier: GPL-2.0-or-later
"""Docker, etcd, ovld and the kernel asked for the same things: what differs, in words. Then `ovlctl doctor`, which must find nothing either."""
from procs import wait_for


def _docker(d):
    """(endpoint id -> (network's Docker id, container's name, MAC, addresses), Docker id -> name)"""
    eps, nets = {}, {}
    for name, net in d.networks().items():
        nets[net["Id"]] = name
        for c in net["Containers"].values():
            eps[c["EndpointID"]] = (net["Id"], c["Name"], c["MacAddress"], frozenset(a for a in (c["IPv4Address"], c["IPv6Address"]) if a))
    return eps, nets


def _ids(what, have, want, source="Docker"):
    return [f"{what}: {i[:12]} not {source}'s" for i in have - want] + [f"{what}: {i[:12]} of {source}'s is missing" for i in want - have]


def differences(d, reserved=False):
    """Of one node with a dockerd, whose overlay networks have no endpoints but Docker's. @reserved: addresses that are on their way back are none."""
    host, etcd = d.host, d.lab.etcd
    eps, nets = _docker(d)
    node = next(n["Id"] for n in host.get("/nodes") if n["Self"])
    out = []
    bound = {v["docker"]: k.split("/")[1] for k, v in etcd.get("binding/").items() if k.endswith(node)}
    out += _ids("bindings", set(bound), set(nets))
    records = {k.split("/")[1]: v for k, v in etcd.get("network/").items()}
    for docker, net in bound.items():
        if records.get(net, {}).get("name") != nets.get(docker):
            out.append(f"network {net[:12]}: {nets.get(docker)} in Docker, {records.get(net, {}).get('name')} in etcd")
    stored = {k.split("/")[2]: v for k, v in etcd.get("endpoint/").items() if v["node"] == node}
    out += _ids("endpoints in etcd", set(stored), set(eps))
    local = {e["Id"]: e for e in host.get("/endpoints") if e["Local"]}
    out += _ids("endpoints of ovld", set(local), set(eps))
    links = {link["ifname"] for link in host.overlay_json("ip", "-j", "link") if link["ifname"].startswith("ve")}
    out += [f"links: {x}" for x in links ^ {"ve" + i[:12] for i in eps}]
    out += [f"left in the host: {link}" for link in host.run("ls", "/proc/self/net/dev_snmp6").stdout.split() if link.startswith("vd")]
    for key, value in etcd.get("address/").items():
        if value["node"] == node and value.get("endpoint") not in eps and not (reserved and value.get("state") == "reserved"):
            out.append(f"{key}: {value}")
    for i in set(stored) & set(eps) & set(local):
        out += _one(i, eps[i], stored[i], local[i])
    return out


def _one(i, docker, stored, local):
    _, name, mac, addresses = docker
    out = []
    shown = frozenset(a for a in (local["IPv4Address"], local["IPv6Address"]) if a)
    if local["MacAddress"] != mac or stored["mac"] != mac:
        out.append(f"{i[:12]}: MAC {mac} in Docker, {stored['mac']} in etcd, {local['MacAddress']} at ovld")
    if shown != addresses or {a.split("/")[0] for a in stored["addresses"]} != {a.split("/")[0] for a in addresses}:
        out.append(f"{i[:12]}: {set(addresses)} in Docker, {stored['addresses']} in etcd, {set(shown)} at ovld")
    if stored["name"] != name:
        out.append(f"{i[:12]}: {name} in Docker, {stored['name']} in etcd")
    return out


def agree(dockers, deadline=15, reserved=False):
    """Wait until all nodes' Docker, etcd, ovld and kernel say the same; then each node's doctor has nothing to say either."""
    for d in dockers:
        def same(d=d):
            found = differences(d, reserved)
            assert not found, f"{d.host.name}: " + "; ".join(found)
            return True
        wait_for(same, f"Docker, etcd and kernel of {d.host.name} agree", deadline, 0.1)
    for d in dockers:
        d.host.doctor()
