# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that a test starts: known by pid and start time, found again by a mark in their environment."""
import os
import signal
import subprocess
import time

MARK = "OVL_LAB"  # in the environment of whatever a lab starts, and of what that starts


def wait_for(condition, what, deadline=15.0, every=0.02):
    """Call condition() until it returns something true, and return that; AssertionError, OSError: not yet."""
    end = time.monotonic() + deadline
    while True:
        why = ""
        try:
            value = condition()
            if value:
                return value
        except (AssertionError, OSError) as e:
            why = f": {e}"
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}{why}")
        time.sleep(every)


def start_time(pid):
    """Field 22 of /proc/PID/stat, None when there is no such process (a zombie counts as none)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


class Proc:
    """A program in a namespace, its output in a file."""

    def __init__(self, argv, log, env):
        self.log = log
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=env, start_new_session=True)
        self.pid = self.popen.pid
        self.start = start_time(self.pid)

    def alive(self):
        return self.popen.poll() is None

    def kill(self, sig=signal.SIGKILL):
        if self.alive():
            self.popen.send_signal(sig)

    def wait(self, timeout=20):
        """The exit status (negative: the signal)."""
        return self.popen.wait(timeout)

    def stop(self, sig=signal.SIGTERM, timeout=20):
        """Signal it and return its exit status; killed when it does not end."""
        self.kill(sig)
        return self.finish(timeout)

    def finish(self, timeout=20):
        """Wait for its end and return its exit status; killed, and an AssertionError, when it does not end."""
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            self.wait()
            raise AssertionError(f"{self.log}: does not end, {timeout} s after it was told to") from None


def marked(mark):
    """(pid, start time, command line) of every process whose environment carries the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            start = start_time(int(name))
            with open(f"/proc/{name}/environ", "rb") as f:
                if wanted not in f.read().split(b"\0"):
                    continue
            with open(f"/proc/{name}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if start is not None:
            found.append((int(name), start, line))
    return found


def kill_exact(pid, start, sig=signal.SIGKILL):
    """Kill that very process: the pid may be another's by now."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if start_time(pid) == start:
            signal.pidfd_send_signal(fd, sig)
    except OSError:
        pass
    finally:
        os.close(fd)


def wait_gone(mark, deadline=10):
    wait_for(lambda: not marked(mark), f"processes of {mark} gone", deadline)
