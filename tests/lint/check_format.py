#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-format has nothing to change, and no line of documentation ends in a space."""
import os
import re
import shutil
import subprocess

from lintlib import Finding, main

STYLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.clang-format")


def check(tree):
    found = []
    files = tree.c_files()
    if files:
        # A case of the self-test lives elsewhere: the style comes along.
        style = os.path.join(tree.root, ".clang-format")
        if not os.path.exists(style):
            shutil.copy(STYLE, style)
        cmd = ["clang-format", "--style=file", "--dry-run", "-Werror", *files]
        out = subprocess.run(cmd, cwd=tree.root, capture_output=True, text=True)
        seen = set()
        for m in re.finditer(r"^(?:\./)?(\S+?):(\d+):\d+: (?:error|warning): (.*)", out.stderr, re.M):
            if m[1] not in seen:
                found.append(Finding(m[1], int(m[2]), f"clang-format -i {m[1]}"))
            seen.add(m[1])
        if out.returncode and not found:
            found.append(Finding(".clang-format", 1, out.stderr.strip()))
    for path in tree.select(".md", ".py", ".cmake", "CMakeLists.txt"):
        for i, line in enumerate(tree.text(path).split("\n"), 1):
            if line != line.rstrip():
                found.append(Finding(path, i, "space at the end of the line"))
    return found


CASES = [
    ("good", {"base/a.c": "int f(void)\n{\n\treturn 0;\n}\n"}, []),
    ("spaces for a tab", {"base/a.c": "int f(void)\n{\n    return 0;\n}\n"}, ["error: clang-format -i base/a.c"]),
    ("brace on the line", {"base/a.h": "int f(void) {\n\treturn 0;\n}\n"}, ["clang-format -i base/a.h"]),
    ("space at the end", {"README.md": "a \n"}, ["README.md:1"]),
]

if __name__ == "__main__":
    main(check, CASES)
