#!/usr/bin/python3
"""clang-format would change nothing. usage: format.py ROOT"""
import subprocess
import sys

import source


def main():
    root = sys.argv[1]
    files = source.tracked(root, (".c", ".h", ".cc"))
    return subprocess.run(["clang-format", "--dry-run", "--Werror", *files], cwd=root, check=False).returncode


sys.exit(main())
