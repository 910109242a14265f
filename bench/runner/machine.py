"""Where and how it was measured."""
import dataclasses
import os
import platform
import subprocess

from . import tools


def first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tools.ROOT).stdout.split("\n")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def describe(mode, settings, trained):
    return {
        "mode": mode, "trained": trained, "usual": dataclasses.asdict(settings.usual), "deciding": dataclasses.asdict(settings.deciding),
        "cpu": cpu_model(), "cores": os.cpu_count(), "kernel": platform.release(),
        "load_before": os.getloadavg()[0], "compiler": first_line(["cc", "--version"]),
        "commit": first_line(["git", "describe", "--always", "--dirty"]),
        "server": first_line([os.path.join(settings.programs, "vecmuxd"), "--version"]),
        "server_core": tools.SERVER_CORE, "client_core": tools.CLIENT_CORE,
    }
