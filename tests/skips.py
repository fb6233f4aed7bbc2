#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a JUnit report of ctest or pytest: a test that did not run fails, unless the kernel lacks something."""
import sys
import xml.etree.ElementTree as ET


def reason(case):
    """Why a test was skipped, or None: it ran."""
    skipped = case.find("skipped")
    if skipped is None and case.get("status") not in ("notrun", "disabled"):
        return None
    # ctest knows only the exit status; the program's own words are in its output.
    message = skipped.get("message", "") if skipped is not None else case.get("status")
    for line in (case.findtext("system-out") or "").splitlines():
        if "SKIP:" in line:
            message = line.split("SKIP:", 1)[1].strip()
    return message


def main():
    failed = 0
    for case in ET.parse(sys.argv[1]).iter("testcase"):
        why = reason(case)
        if why is None:
            continue
        fine = "kernel lacks" in why
        failed += not fine
        print(f"skipped{'' if fine else ' (counts as failed)'}: {case.get('name')}: {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
