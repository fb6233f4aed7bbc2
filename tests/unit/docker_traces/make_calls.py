#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""calls.jsonl from recorded traffic: make_calls.py TRACES_DIR > calls.jsonl

One line for each shape of a call: path, headers, the body as it came, the keys of what was answered, and ("expect") what
test_plugin_replay is to see decoded. The expectation is worked out here, by other code than the product's.
"""
import base64
import glob
import ipaddress
import json
import os
import sys

CONSTANT = {
    "/Plugin.Activate": {"Implements": ["NetworkDriver", "IpamDriver"]},
    "/NetworkDriver.GetCapabilities": {"Scope": "local", "ConnectivityScope": "global"},
    "/IpamDriver.GetCapabilities": {"RequiresMACAddress": False, "RequiresRequestReplay": False},
    "/IpamDriver.GetDefaultAddressSpaces": {
        "LocalDefaultAddressSpace": "ovl-local", "GlobalDefaultAddressSpace": "ovl-global"},
    "/NetworkDriver.EndpointOperInfo": {"Value": {}},
    "/NetworkDriver.AllocateNetwork": {"Options": {}},
    "/NetworkDriver.FreeNetwork": {},
    "/NetworkDriver.DiscoverNew": {},
    "/NetworkDriver.DiscoverDelete": {},
    "/NetworkDriver.ProgramExternalConnectivity": {},
    "/NetworkDriver.RevokeExternalConnectivity": {},
}
EXPOSE_MAX = 256
LINE_MAX = 110000  # of the bodies of thousands of ports one is enough
GENERIC = "com.docker.network.generic"
MAC = "com.docker.network.endpoint.macaddress"
PROTO = {6: "tcp", 17: "udp", 132: "sctp"}


def pairs(options):
    return ",".join(f"{k}={v}" for k, v in (options or {}).items() if isinstance(v, str))


def net(text):
    return str(ipaddress.ip_network(text, strict=False)) if text else ""


def addr(text):
    return str(ipaddress.ip_interface(text).ip) if text else ""


def mac(text):
    if not text:
        return "00:00:00:00:00:00"
    return text if ":" in text else ":".join(f"{b:02x}" for b in base64.b64decode(text))


def ipam(entries):
    return ";".join(
        f"{d['AddressSpace']} {net(d['Pool'])} {addr(d.get('Gateway'))} "
        + ",".join(f"{k}={addr(v)}" for k, v in (d.get("AuxAddresses") or {}).items())
        for d in entries or [])


def ports(options):
    found = set()
    for key in ("com.docker.network.endpoint.exposedports", "com.docker.network.portmap"):
        found |= {(p["Proto"], p["Port"]) for p in options.get(key) or [] if p["Port"]}
    return ",".join(f"{port}/{PROTO[proto]}" for proto, port in sorted(found)[:EXPOSE_MAX])


def address(r):
    options = r.get("Options") or {}
    gateway = options.get("RequestAddressType") == "com.docker.network.gateway"
    return f"pool={r['PoolID']} ip={addr(r['Address'])} gateway={int(gateway)} mac={mac(options.get(MAC))}"


def ref(r):
    return (f"network={r.get('NetworkID', '')} endpoint={r.get('EndpointID', '')} "
            f"pool={r.get('PoolID', '')}")


def network(r):
    options = r.get("Options") or {}
    return (f"id={r['NetworkID']} internal={int(options.get('com.docker.network.internal', False))} "
            f"ipv6={int(options.get('com.docker.network.enable_ipv6', False))} "
            f"options={pairs(options.get(GENERIC))} v4={ipam(r['IPv4Data'])} v6={ipam(r['IPv6Data'])}")


def endpoint(r):
    options, iface = r.get("Options") or {}, r.get("Interface") or {}
    said = {k: v for k, v in options.items() if k != MAC}
    return (f"network={r['NetworkID']} id={r['EndpointID']} ip4={addr(iface['Address'])} "
            f"ip6={addr(iface['AddressIPv6'])} mac={mac(iface['MacAddress'] or options.get(MAC))} "
            f"expose={ports(options)} options={pairs(said)}")


EXPECT = {
    "/IpamDriver.RequestPool": lambda r: (
        f"space={r['AddressSpace']} pool={net(r['Pool'])} range={net(r['SubPool'])} "
        f"v6={int(r['V6'])} options={pairs(r['Options'])}"),
    "/IpamDriver.ReleasePool": ref,
    "/IpamDriver.RequestAddress": address,
    "/IpamDriver.ReleaseAddress": address,
    "/NetworkDriver.CreateNetwork": network,
    "/NetworkDriver.DeleteNetwork": ref,
    "/NetworkDriver.CreateEndpoint": endpoint,
    "/NetworkDriver.DeleteEndpoint": ref,
    "/NetworkDriver.Join": lambda r: (
        f"network={r['NetworkID']} endpoint={r['EndpointID']} sandbox={r['SandboxKey']}"),
    "/NetworkDriver.Leave": ref,
}


def shape(v):
    if isinstance(v, dict):
        return {k: shape(x) for k, x in sorted(v.items())}
    if isinstance(v, list):
        return [min(len(v), 3), shape(v[0])] if v else []
    if isinstance(v, str):
        return "" if not v else "fd" if v.startswith("fd") else "/" if "/" in v else "x"
    return v if isinstance(v, bool) else type(v).__name__


def line(path, call, source):
    out = {"kind": "call", "from": source, "path": call["path"], "headers": call["headers"],
           "request_raw": call.get("request_raw") or ""}
    if path in CONSTANT:
        out["answer"] = CONSTANT[path]
    elif not out["request_raw"].strip():
        out["refused"] = "the request is empty"
    elif call["request"].get("PoolID") == "":  # what a plugin had answered that was told to be wrong
        out["refused"] = "PoolID: missing"
    else:
        out["expect"] = EXPECT[path](call["request"])
        # Only of calls that the recording plugin answered as it should.
        if call.get("response") is not None and not call.get("fault") and not (call.get("response") or {}).keys() & {"Err", "Error"}:
            out["keys"] = shape_keys(call.get("response"))
    return json.dumps(out)


def shape_keys(v):
    return {k: shape_keys(x) for k, x in sorted(v.items())} if isinstance(v, dict) else None


def main():
    seen = {}
    for name in sorted(glob.glob(os.path.join(sys.argv[1], "*.jsonl"))):
        with open(name, encoding="utf-8") as f:
            for text in f:
                call = json.loads(text)
                if call["kind"] != "call":
                    continue
                key = (call["path"], json.dumps(shape(call.get("request"))),
                       call["headers"].get("Host"))
                good = not call.get("fault") and call.get("status") == 200
                if key in seen and (seen[key][0] or not good):
                    continue
                out = line(call["path"], call, os.path.basename(name)[:-6])
                if len(out) <= LINE_MAX and not (len(out) > 20000 and call["path"].endswith("Join")):
                    seen[key] = (good, out)
    for _, out in seen.values():
        print(out)


main()
