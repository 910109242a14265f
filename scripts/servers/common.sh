# scripts/servers/common.sh: what the scripts that start real servers share. Sourced by them, not run.
#
# Each serves   start DIR [--port N]   stop DIR   install
# DIR holds everything of one server: its data, its log, and while it runs `pid` and `endpoint` ("127.0.0.1:19530").
# A server that was stopped and is started again on the same DIR has its data and its port. Exit codes: 0; 1 it failed;
# 2 the command line is wrong; 77 it cannot be had here, and the last line on stderr, which begins with SKIP, says why.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
name=$(basename "$0" .sh)
cache=${VECMUX_CACHE:-$top/.cache}

skip() {
    echo "SKIP $name: $*" >&2
    exit 77
}

# A Python of at least 3.10 that can make virtual environments: Debian's needs python3-venv for that.
find_python() {
    local candidate
    for candidate in /usr/bin/python3 python3 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# venv NAME REQUIREMENT...: makes a virtual environment in the cache unless it is there; sets $venv.
venv() {
    venv=$cache/$1
    shift
    [ -e "$venv/complete" ] && return
    mkdir -p "$cache"
    exec 9>"$venv.lock"
    flock 9
    [ -e "$venv/complete" ] && exec 9>&- && return
    local python
    python=$(find_python) || skip "no Python of 3.10 or later with venv; install python3-venv"
    rm -rf "$venv"
    "$python" -m venv "$venv" >"$venv.log" 2>&1 || skip "no virtual environment could be made: $(tail -n 1 "$venv.log")"
    timeout 400 "$venv/bin/pip" install --quiet --retries 1 "$@" >"$venv.log" 2>&1 9>&- ||
        skip "$* cannot be had from PyPI: $(grep -v '^$' "$venv.log" | tail -n 1)"
    touch "$venv/complete"
    exec 9>&-
}

# Below the range that the kernel gives to whoever asks for any port: nobody else takes it before the server does.
free_port() {
    "$venv/bin/python" - <<'PY'
import random, socket

for _ in range(100):
    port = random.randrange(20000, 32000)
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) != 0:
            break
print(port)
PY
}

# The port asked for, else the one this directory's server had, else a free one.
choose_port() {
    if [ -n "$port" ]; then
        echo "$port"
    elif [ -s "$dir/endpoint" ]; then
        sed 's/.*://' "$dir/endpoint"
    else
        free_port
    fi
}

# Whether a process is there and is no zombie, which a killed one may stay where nobody waits for it.
alive() {
    kill -0 "$1" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

running() {
    [ -s "$dir/pid" ] && alive "$(cat "$dir/pid")"
}

# wait_until SECONDS COMMAND...: until it succeeds; fails when the server has ended or the time is over.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" 2>/dev/null; do
        running || skip "the server ended while it started: $(tail -n 1 "$dir/log")"
        [ $SECONDS -lt $end ] || { stop_server && skip "the server did not become healthy in time; see its log"; }
        sleep 0.1
    done
}

answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1")
}

stop_server() {
    running || return 0
    local pid end=$((SECONDS + 20))
    pid=$(cat "$dir/pid")
    kill "$pid"
    while alive "$pid"; do
        [ $SECONDS -lt $end ] || kill -KILL "$pid" 2>/dev/null || true
        sleep 0.1
    done
    rm -f "$dir/pid"
}

usage() {
    echo "usage: scripts/servers/$name.sh start DIR [--port N] | stop DIR | install" >&2
    exit 2
}

# serve COMMAND ARGUMENT...: the script's command line. The script has defined `install` and `start`, which uses $dir
# and $port, leaves the server's pid in $dir/pid, and returns when the server is healthy.
serve() {
    local command=${1:-}
    dir=${2:-} port=
    [ "${3:-}" = --port ] && port=${4:?--port needs a number}
    case $command in
    install) install ;;
    start)
        [ -n "$dir" ] || usage
        mkdir -p "$dir"
        dir=$(cd "$dir" && pwd)
        running && { echo "$name: a server runs on $dir already" >&2 && exit 1; }
        install
        port=$(choose_port)
        start
        echo "127.0.0.1:$port" | tee "$dir/endpoint"
        ;;
    stop) [ -n "$dir" ] && stop_server ;;
    *) usage ;;
    esac
}
