#!/usr/bin/python3
"""No function is longer than 60 lines, its head and braces included. usage: function_length.py ROOT

The formatting rule makes this simple: a function's head begins in the first column, its body stands between a "{" and a
"}" that are alone in theirs.
"""
import sys

import source

LIMIT = 60


def functions(text):
    """(line of the head, length) of each function."""
    lines = text.split("\n")
    head = 0
    opened = False
    for i, line in enumerate(lines):
        if opened and line == "}":
            yield head + 1, i - head + 1
            opened = False
        elif line == "{":
            opened = True
            head = i
            while head > 0 and lines[head - 1].strip() and not lines[head - 1].startswith(("#", "}", "*", " *", "/*")):
                head -= 1


def main():
    root = sys.argv[1]
    assert [length for _, length in functions("int\nf(void)\n{\n    g();\n}\n")] == [5]
    count = 0
    faults = 0
    for path in source.tracked(root, (".c", ".h", ".cc")):
        for line, length in functions(source.read(root, path)):
            count += 1
            if length > LIMIT:
                faults += 1
                print(f"{path}:{line}: a function of {length} lines; at most {LIMIT}")
    print(f"{count} functions, {faults} too long")
    return 1 if faults or count == 0 else 0


sys.exit(main())
