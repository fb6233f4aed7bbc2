# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that say who they are and whom they see: what NAT did to a packet is read from the answer."""
import ipaddress
import socket
import threading


def _family(ip):
    return socket.AF_INET6 if ipaddress.ip_address(ip).version == 6 else socket.AF_INET


class Greeter:
    """In a place's namespace: answers every TCP connection, or UDP datagram, with "NAME CLIENT-ADDRESS"."""

    def __init__(self, place, port, kind=socket.SOCK_STREAM, family=socket.AF_INET, bind=None, name=None):
        self.name = name or place.name
        self.kind = kind
        self.seen = []  # addresses of clients
        self.sock = place.socket(family, kind)
        if kind == socket.SOCK_STREAM:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((bind or ("::" if family == socket.AF_INET6 else "0.0.0.0"), port))
        if kind == socket.SOCK_STREAM:
            self.sock.listen(128)
        self.sock.settimeout(0.2)
        self.ending = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.ending = True
        self.thread.join()
        self.sock.close()

    def _serve(self):
        while not self.ending:
            try:
                if self.kind == socket.SOCK_STREAM:
                    conn, peer = self.sock.accept()
                    self._note(peer)
                    with conn:
                        conn.sendall(f"{self.name} {self._plain(peer)}".encode())
                else:
                    _, peer = self.sock.recvfrom(2048)
                    self._note(peer)
                    self.sock.sendto(f"{self.name} {self._plain(peer)}".encode(), peer)
            except (TimeoutError, OSError):
                continue

    @staticmethod
    def _plain(peer):
        return peer[0].removeprefix("::ffff:")

    def _note(self, peer):
        self.seen.append(self._plain(peer))


def greeting(place, ip, port, kind=socket.SOCK_STREAM, timeout=2.0, source=None):
    """(server's name, our address as it sees it); None: nothing came, or refused."""
    with place.socket(_family(ip), kind) as s:
        s.settimeout(timeout)
        try:
            if source:
                s.bind((source, 0))
            s.connect((ip, port))
            if kind == socket.SOCK_DGRAM:
                s.send(b"?")
            text = s.recv(2048).decode()
        except (TimeoutError, OSError):
            return None
    return tuple(text.split()) if text else None
