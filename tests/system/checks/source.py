"""Which files are ours: what git tracks, or, outside a git checkout, what stands in the tree."""
import os
import subprocess

SKIPPED = (".git", ".cache", "__pycache__")


def tracked(root, suffixes):
    """Paths relative to root, sorted, of the files with one of the suffixes. A file that was deleted is left out."""
    command = ["git", "-C", root, "ls-files", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
        listed = done.stdout.decode().split("\0") if done.returncode == 0 else walk(root)
    except FileNotFoundError:
        listed = walk(root)
    return sorted(path for path in listed if path.endswith(suffixes) and os.path.isfile(os.path.join(root, path)))


def walk(root):
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in SKIPPED and not name.startswith("build")]
        for file in files:
            yield os.path.relpath(os.path.join(directory, file), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()
