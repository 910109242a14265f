#!/bin/bash
# milvus-lite 3.2 from PyPI: Milvus's gRPC service, written anew in Python, in one process; no Milvus core. Enough for
# the whole way of a client. pymilvus comes with it: it is the peer of some tests. See common.sh.
set -euo pipefail
source "$(dirname "$0")/common.sh"

install() {
    venv milvus-lite 'milvus-lite>=3.2,<3.3' 'pymilvus[milvus-lite]>=3.0,<3.1'
}

start() {
    "$venv/bin/milvus-lite" server --data-dir "$dir/data" --host 127.0.0.1 --port "$port" \
        >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    wait_until 60 answers "$port"
}

serve "$@"
