"""Pinecone's own clients, each in an environment of its own below the build directory, where a registry can be reached."""
import os
import shutil
import subprocess

from . import tools

LIMIT_S = 300
PYTHON = "/usr/bin/python3"


def attempt(command, directory, what):
    """Runs a step of an installation; raises Missing with its last words."""
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise tools.Missing(f"{what}: {error}") from None
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip() or "it failed").splitlines()
        raise tools.Missing(f"{what}: {words[-1]}")


def python_environment(build, name, requirement):
    """The interpreter of an environment with `requirement`, which is made when it is not there yet."""
    directory = os.path.join(build, name)
    python, complete = os.path.join(directory, "bin", "python"), os.path.join(directory, "complete")
    if os.path.exists(complete):
        return python
    shutil.rmtree(directory, ignore_errors=True)
    print(f"Installing {requirement} into {directory}", flush=True)
    attempt([PYTHON, "-m", "venv", directory], None, "an environment for Python")
    attempt([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement], None,
            f"pip cannot install {requirement}")
    with open(complete, "w", encoding="ascii"):
        return python


def python_client(build, name, requirement):
    return [python_environment(build, name, requirement), os.path.join(tools.PEERS, "pinecone_sdk.py")]


def go_client(build):
    program = os.path.join(build, "bin", "go_pinecone")
    if not os.path.exists(program):
        if not shutil.which("go"):
            raise tools.Missing("go is not installed")
        print("Building go-pinecone", flush=True)
        attempt(["go", "build", "-o", program, "."], os.path.join(tools.PEERS, "go_pinecone"), "go build")
    return [program]


def prepare(make, *arguments):
    """The client's command, or why there is none."""
    try:
        return make(*arguments)
    except tools.Missing as reason:
        return reason
