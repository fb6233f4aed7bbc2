# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces by name: made, removed, and entered for one socket at a time."""
import ctypes
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class CommandFailed(AssertionError):
    """A command that had to succeed did not; the text says what it printed."""


def sh(*argv, check=True, timeout=60, input=None, env=None):
    """Run a command to its end. Returns subprocess.CompletedProcess with text; with check raises CommandFailed."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=input,
                          stdin=subprocess.DEVNULL if input is None else None, env=env)
    if check and done.returncode != 0:
        raise CommandFailed(f"{' '.join(argv)}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def path(name):
    """A namespace's name, or a path to one, as a path."""
    return name if name.startswith("/") else f"/run/netns/{name}"


def add(name):
    sh("ip", "netns", "add", name)
    sh("ip", "-n", name, "link", "set", "lo", "up")
    # A new namespace takes over the machine's own settings (a Docker there has switched forwarding on): tests begin with none.
    run(name, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding")


def delete(name):
    sh("ip", "netns", "del", name, check=False)


def names(prefix):
    """The named namespaces that begin with prefix."""
    try:
        return sorted(n for n in os.listdir("/run/netns") if n.startswith(prefix))
    except FileNotFoundError:
        return []


def argv(name, *command):
    """The command line that runs a command in the namespace (and in no mount namespace of its own)."""
    return ["nsenter", f"--net={path(name)}", "--", *map(str, command)]


def run(name, *command, **kw):
    return sh(*argv(name, *command), **kw)


def open_socket(name, family, kind, proto=0):
    """A socket that lives in the namespace; the caller's thread is back in its own when this returns."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(there, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns", name)
            try:
                return socket.socket(family, kind, proto)
            finally:
                if _libc.setns(own, CLONE_NEWNET) != 0:
                    os.abort()
        finally:
            os.close(there)
    finally:
        os.close(own)
