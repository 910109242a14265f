#!/bin/bash
# Milvus 2.3 standalone from PyPI: the true server, with embedded etcd and rocksmq, in one process. See common.sh.
#
# It listens on a dozen ports, most of them on all interfaces; its own etcd always takes 2380: one server at a time.
set -euo pipefail
source "$(dirname "$0")/common.sh"

install() {
    [ "$(uname -m)" = x86_64 ] || skip "its binary is for x86_64 only, this is $(uname -m)"
    venv milvus 'milvus>=2.3,<2.4'
    [ -e "$venv/unpacked" ] && return
    "$venv/bin/python" -c "import milvus; milvus._initialize_data_files('$venv/server')" && touch "$venv/unpacked"
}

# Writes milvus.yaml with free ports.
configure() {
    "$venv/bin/python" - "$dir" "$port" <<'PY'
import socket
import sys

import milvus


class Config(milvus.MilvusServerConfig):
    def try_bind_port(self, port):
        """As the server itself will: a port whose connections have just ended can be had."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
            sock.listen()
            return sock
        except OSError:
            sock.close()
            return None


Config(data_dir=sys.argv[1], proxy_port=int(sys.argv[2])).resolve()
PY
}

healthy() {
    "$venv/bin/python" - "$1" <<'PY'
import sys, urllib.request

sys.exit(b"OK" not in urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/healthz", timeout=5).read())
PY
}

start() {
    local health
    health=$(free_port)
    configure
    # the process becomes the server, so that its id is the server's
    (
        cd "$dir"
        export DEPLOY_MODE=STANDALONE METRICS_PORT=$health MILVUS_RUN_DIR=$dir/run
        export LD_LIBRARY_PATH=$venv/server/bin
        exec "$venv/server/bin/milvus" run standalone
    ) >"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    wait_until 120 healthy "$health"
    wait_until 10 answers "$port"
}

serve "$@"
