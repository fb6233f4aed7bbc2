#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files and functions that one can hold in the head: warned of first, refused later."""
import re

from lintlib import Finding, blank, main

FILE_WARN, FILE_MAX = 600, 1000
FUNC_WARN, FUNC_MAX = 60, 100


def functions(lines):
    """(line, name, length) of each function: in this format a body is `{` to `}` in column 0."""
    start = name = None
    for i, line in enumerate(lines, 1):
        if line == "{":
            start = i
            for back in range(i - 2, -1, -1):
                m = re.match(r"[A-Za-z_].*?\b(\w+)\)?\(", lines[back])
                if m:
                    name = m.group(1)
                    break
        elif line.startswith("}") and start:
            yield start, name or "?", i - start - 1
            start = name = None


def limit(found, path, line, what, n, warn, most):
    if n > most:
        found.append(Finding(path, line, f"{what}: {n} lines, the limit is {most}"))
    elif n > warn:
        found.append(Finding(path, line, f"{what}: {n} lines, more than {warn}", warning=True))


def check(tree):
    found = []
    for path in tree.select(".c", ".h", ".py"):
        text = tree.text(path)
        limit(found, path, 1, "file", text.count("\n"), FILE_WARN, FILE_MAX)
        if path.endswith(".c"):
            for line, name, n in functions(blank(text).split("\n")):
                limit(found, path, line, f"{name}()", n, FUNC_WARN, FUNC_MAX)
    return found


def func(n):
    return "int f(int a,\n      int b)\n{\n" + "\ta++;\n" * n + "}\n"


CASES = [
    ("small", {"base/a.c": func(60)}, []),
    ("a table is no function", {"base/a.c": "int t[] = {\n" + "\t1,\n" * 200 + "};\n"}, []),
    ("function over a screen", {"base/a.c": func(61)}, ["warning: f(): 61 lines"]),
    ("function too long", {"base/a.c": func(101)}, ["error: f(): 101 lines"]),
    ("file that wants splitting", {"base/a.c": "int a;\n" * 601}, ["warning: file: 601"]),
    ("file too long", {"base/a.h": "int a;\n" * 1001}, ["error: file: 1001"]),
    ("braces in comments", {"base/a.c": "int f(void)\n{\n/*\n}\n*/\n" + "\ta;\n" * 100 + "}\n"}, ["error: f()"]),
]

if __name__ == "__main__":
    main(check, CASES)
