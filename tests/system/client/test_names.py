"""A dns:/// name with several addresses: one connection of the pool goes to all of them, in turns.

"localhost" is such a name: gRPC's resolver takes it for 127.0.0.1 and for ::1, whatever /etc/hosts says (RFC 6761). A server
listens on each, with the same port. Skipped (77) where there is no IPv6 loopback.
"""
import json
import os
import socket
import subprocess
import sys

from vecmuxd import Vecmuxd, SLOW


def command(*arguments, stdin=""):
    # c-ares, which gRPC resolves names with, leaks some bytes for each look-up of localhost
    options = "detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", "")
    environment = dict(os.environ, ASAN_OPTIONS=options, GRPC_VERBOSITY="NONE")
    done = subprocess.run([os.environ["VMX_CLI"], *arguments], input=stdin, capture_output=True, text=True,
                          timeout=60 * SLOW, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def need_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as reason:
        print("SKIP: no IPv6 loopback:", reason)
        sys.exit(77)


def main():
    need_ipv6()
    with Vecmuxd() as four, Vecmuxd("--listen", f"[::1]:{four.port}") as six:
        assert six.port == four.port
        for target, name in ((f"127.0.0.1:{four.port}", "four"), (f"[::1]:{four.port}", "six")):
            command("upsert", "--endpoint", target, stdin=json.dumps({"id": name, "values": [1, 2]}))
        queries = 2000 * '{"vector":[1,2]}\n'  # the first ones go where the first connection is up
        answers = command("query", "--endpoint", f"dns:///localhost:{four.port}", "--set", "channel.count=1",
                          "--in-flight", "1", stdin=queries)
    seen = [answer["matches"][0]["id"] for answer in answers]
    counts = seen.count("four"), seen.count("six")
    assert sum(counts) == 2000 and min(counts) >= 100, counts


if __name__ == "__main__":
    main()
