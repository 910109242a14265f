#!/bin/bash
# Qdrant's gRPC service from PyPI's parts: the messages of qdrant-client, over Qdrant's own storage core, qdrant-edge-py.
# No registry has the server itself. What qdrant_edge_server.py adds is little: see there. See common.sh.
set -euo pipefail
source "$(dirname "$0")/common.sh"

install() {
    venv qdrant-edge 'qdrant-client>=1.20,<1.21' 'qdrant-edge-py>=0.9,<0.10'
}

start() {
    "$venv/bin/python" "$top/scripts/servers/qdrant_edge_server.py" "$dir/data" "$port" >>"$dir/log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
    wait_until 60 answers "$port"
}

serve "$@"
