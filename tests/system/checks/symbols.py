#!/usr/bin/python3
"""The symbols that a library of ours exports are exactly the functions that its public headers declare.

usage: symbols.py ROOT LIBRARY [--only | --except] [HEADER...]; all headers of include/vecmux, only these, or all but these
"""
import os
import re
import subprocess
import sys

DECLARATION = re.compile(r"^VMX_API\b[^;()]*?\b(\w+)\s*\(", re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def headers(directory, choice):
    names = set(os.listdir(directory))
    if not choice:
        return names
    return names & set(choice[1:]) if choice[0] == "--only" else names - set(choice[1:])


def declared(root, choice):
    names = set()
    directory = os.path.join(root, "include/vecmux")
    for header in headers(directory, choice):
        with open(os.path.join(directory, header), encoding="utf-8") as file:
            names.update(DECLARATION.findall(COMMENT.sub("", file.read())))
    return names


def exported(library):
    """Defined dynamic symbols; those that begin with __ are the compiler's and its sanitizers'."""
    done = subprocess.run(["nm", "--dynamic", "--defined-only", library], capture_output=True, text=True, check=True)
    names = {line.split()[-1].split("@")[0] for line in done.stdout.splitlines()}
    return {name for name in names if not name.startswith("__")}


def main():
    header, library = declared(sys.argv[1], sys.argv[3:]), exported(sys.argv[2])
    for name in sorted(library - header):
        print(f"{name}: exported, but declared in no public header")
    for name in sorted(header - library):
        print(f"{name}: declared in a public header, but not exported")
    print(f"{len(header)} functions declared, {len(library)} exported")
    return 0 if header and header == library else 1


sys.exit(main())
