"""Builds what is measured, runs the server and the clients, each on a core of its own."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "bench", "peers")
PACKAGES = {"gnuplot": "gnuplot-nox", "grpc_cpp_plugin": "protobuf-compiler-grpc", "protoc": "protobuf-compiler",
            "h2load": "nghttp2-client", "taskset": "util-linux", "openssl": "openssl"}
SERVER_CORE, CLIENT_CORE = 0, 1
START_LIMIT_S = 30
SAMPLE_S = 0.05


class Missing(Exception):
    """A client that cannot be run here, and why."""


def install_packages():
    """What only the bench needs; what cannot be installed is skipped later, by name."""
    wanted = [package for tool, package in PACKAGES.items() if not shutil.which(tool)]
    if subprocess.run(["pkg-config", "--exists", "grpc++"], check=False).returncode != 0:
        wanted.append("libgrpc++-dev")
    if not wanted:
        return
    print("Installing Debian packages:", " ".join(wanted), flush=True)
    prefix = [] if os.geteuid() == 0 else ["sudo"]
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *wanted]):
        if subprocess.run(prefix + command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            print("  that did not work; clients that need them are skipped", flush=True)
            return


def build(directory, *options):
    """A Release build; gives the directory of its programs. One that was there keeps its tests."""
    tests = [] if os.path.exists(os.path.join(directory, "CMakeCache.txt")) else ["-DVECMUX_BUILD_TESTS=OFF"]
    peers = subprocess.run(["pkg-config", "--exists", "grpc++"], check=False).returncode == 0
    peers = peers and shutil.which("grpc_cpp_plugin") is not None
    subprocess.run(["cmake", "-S", ROOT, "-B", directory, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    f"-DVECMUX_BUILD_PEERS={'ON' if peers else 'OFF'}", *tests, *options],
                   check=True, stdout=subprocess.DEVNULL)
    targets = ["vecmuxd", "vecmux-bench", "raw_core", "raw_core_handoff", "raw_stream", "decode_alone"] + (["grpcpp"] if peers else [])
    done = subprocess.run(["ninja", "-C", directory, "--quiet", *targets], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout)
    return os.path.join(directory, "bin")


def pinned(core, command):
    if not shutil.which("taskset") or core >= (os.cpu_count() or 1):
        return command
    return ["taskset", "-c", str(core), *command]


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


class Sink:
    """vecmuxd on a free port; `tls` is (certificate, key) or None."""

    def __init__(self, programs, arguments, tls=None):
        self.directory = tempfile.TemporaryDirectory(prefix="vecmux-bench-")
        port_file = os.path.join(self.directory.name, "port")
        self.log = open(os.path.join(self.directory.name, "log"), "w+", encoding="utf-8")
        security = ["--tls-cert", tls[0], "--tls-key", tls[1]] if tls else []
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, [os.path.join(programs, "vecmuxd"), "--listen", "127.0.0.1:0", "--port-file",
                                 port_file, *security, *arguments]), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log)
        limit = time.monotonic() + START_LIMIT_S
        while not os.path.exists(port_file):
            if self.process.poll() is not None or time.monotonic() > limit:
                self.stop()
                raise RuntimeError("vecmuxd does not start")
            time.sleep(0.01)
        with open(port_file, encoding="ascii") as file:
            self.endpoint = f"127.0.0.1:{int(file.read())}"

    def ticks(self):
        return cpu_ticks(self.process.pid)

    def stop(self):
        """Ends it; gives what it has counted, a line. May be called again."""
        if self.log.closed:
            return self.said
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_LIMIT_S)
        self.log.seek(0)
        lines = self.log.read().splitlines()
        self.log.close()
        self.directory.cleanup()
        self.said = next((line for line in lines if "discarded" in line), "\n".join(lines))
        return self.said

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


def sample_memory(process, samples):
    """Fills `samples` with (seconds, MB of resident memory) until the process ends."""
    start = time.monotonic()
    page = os.sysconf("SC_PAGE_SIZE")
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
                resident = int(file.read().split()[1]) * page / 1e6
        except (OSError, IndexError):
            return
        if resident > 0:
            samples.append((round(time.monotonic() - start, 3), resident))
        time.sleep(SAMPLE_S)


def run_client(command, limit_s):
    """The report that the client prints, with "memory" added. Raises Missing with its last words when it fails."""
    process = subprocess.Popen(pinned(CLIENT_CORE, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    samples = []
    sampler = threading.Thread(target=sample_memory, args=(process, samples))
    sampler.start()
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Missing(f"took longer than {limit_s} s") from None
    finally:
        if process.poll() is None:
            process.kill()
        sampler.join()
    try:
        report = json.loads(out)
    except ValueError:
        last = (err.strip().splitlines() or ["no output"])[-1]
        raise Missing(last) from None
    if report["failed"]:
        raise Missing((err.strip().splitlines() or ["it failed"])[-1])
    report["memory"] = samples
    return report


def build_rest(directory):
    """All that an installation wants besides."""
    done = subprocess.run(["ninja", "-C", directory, "--quiet"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout)


def make_certificates(directory):
    """A CA and a server's certificate for 127.0.0.1 and localhost: (ca, certificate, key)."""
    def path(name):
        return os.path.join(directory, name)

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    with open(path("extensions"), "w", encoding="ascii") as file:
        file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-days", "2", "-subj", "/CN=bench CA")
    openssl("req", "-new", *key, "-keyout", path("server.key"), "-out", path("server.csr"), "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", path("server.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-days", "2",
            "-CAcreateserial", "-extfile", path("extensions"), "-out", path("server.pem"))
    return path("ca.pem"), path("server.pem"), path("server.key")
