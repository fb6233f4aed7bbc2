# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames by hand, and a sniffer: what a hostile or a curious container would send and see."""
import ipaddress
import select
import socket
import struct
import time

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD
VXLAN_PORT = 4789
BROADCAST = "ff:ff:ff:ff:ff:ff"
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(data):
    return ":".join(f"{b:02x}" for b in data)


def ip_bytes(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(dst, src, kind, payload):
    return mac(dst) + mac(src) + struct.pack("!H", kind) + payload


def arp(op, sender_mac, sender_ip, target_ip, target_mac="00:00:00:00:00:00"):
    return (struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, op) + mac(sender_mac) + ip_bytes(sender_ip)
            + mac(target_mac) + ip_bytes(target_ip))


def ipv4(src, dst, proto, payload, ttl=64):
    head = (struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0x1234, 0, ttl, proto, 0)
            + ip_bytes(src) + ip_bytes(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, proto, payload, hops=64):
    return struct.pack("!IHBB", 0x60000000, len(payload), proto, hops) + ip_bytes(src) + ip_bytes(dst) + payload


def _upper(src, dst, proto, data, at):
    """data with its checksum (at that offset) filled in, over the pseudo header of the family."""
    src, dst = ip_bytes(src), ip_bytes(dst)
    if len(src) == 4:
        pseudo = src + dst + struct.pack("!BBH", 0, proto, len(data))
    else:
        pseudo = src + dst + struct.pack("!IBBBB", len(data), 0, 0, 0, proto)
    return data[:at] + struct.pack("!H", checksum(pseudo + data) or 0xFFFF) + data[at + 2:]


def udp(src, dst, sport, dport, payload):
    """A UDP datagram in an IP packet of the addresses' family."""
    data = _upper(src, dst, 17, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload, 6)
    return ipv4(src, dst, 17, data) if "." in src else ipv6(src, dst, 17, data)


def echo_request(src, dst, ident=0x4242, payload=b"ovl"):
    if "." in src:
        data = struct.pack("!BBHHH", 8, 0, 0, ident, 1) + payload
        return ipv4(src, dst, 1, data[:2] + struct.pack("!H", checksum(data)) + data[4:])
    return ipv6(src, dst, 58, _upper(src, dst, 58, struct.pack("!BBHHH", 128, 0, 0, ident, 1) + payload, 2))


def router_advertisement(src_ll, src_mac, prefix):
    """From a link-local address to all nodes: be my route, take addresses of prefix/64."""
    info = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + ip_bytes(prefix)
    data = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\x01\x01" + mac(src_mac) + info
    return ipv6(src_ll, "ff02::1", 58, _upper(src_ll, "ff02::1", 58, data, 2), hops=255)


def neighbour_solicitation(src, target, src_mac):
    group = "ff02::1:ff" + ipaddress.ip_address(target).exploded[-7:]
    data = struct.pack("!BBHI", 135, 0, 0, 0) + ip_bytes(target) + b"\x01\x01" + mac(src_mac)
    return ipv6(src, group, 58, _upper(src, group, 58, data, 2), hops=255)


def vxlan(vni, frame):
    return struct.pack("!BBHI", 0x08, 0, 0, vni << 8) + frame


def send(place, ifname, frame):
    """Put a frame on an interface of a place (a host, a container)."""
    with place.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind((ifname, 0))
        s.send(frame)


def ethertype(frame):
    return struct.unpack("!H", frame[12:14])[0]


def unwrap(frame):
    """(outer source, outer destination, vni, inner frame) of a VXLAN frame over IPv4, else None."""
    if len(frame) < 50 or ethertype(frame) != ETH_P_IP or frame[23] != 17:
        return None
    at = 14 + (frame[14] & 15) * 4
    if struct.unpack("!H", frame[at + 2:at + 4])[0] != VXLAN_PORT:
        return None
    vni = struct.unpack("!I", frame[at + 12:at + 16])[0] >> 8
    return socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34]), vni, frame[at + 16:]


class Sniffer:
    """Every frame of an interface from now on: with Sniffer(place, "eth0") as s: ...; s.frames()."""

    def __init__(self, place, ifname, incoming_only=False):
        self.sock = place.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        if incoming_only:
            self.sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.sock.bind((ifname, ETH_P_ALL))
        self.sock.setblocking(False)
        self.seen = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def frames(self, match=lambda frame: True):
        """All frames so far (since the start, not since the last call) that match."""
        while True:
            try:
                self.seen.append(self.sock.recv(65536))
            except BlockingIOError:
                return [f for f in self.seen if match(f)]

    def wait(self, match, deadline=5.0):
        """The first frame that matches, None when there is none by the deadline (seconds)."""
        end = time.monotonic() + deadline
        while True:
            found = self.frames(match)
            left = end - time.monotonic()
            if found or left <= 0:
                return found[0] if found else None
            select.select([self.sock], [], [], left)

    def inner(self, match=lambda frame: True):
        """Frames inside VXLAN, on a host's interface: [(outer source, outer destination, vni, frame)]."""
        return [u for u in map(unwrap, self.frames()) if u and match(u[3])]
