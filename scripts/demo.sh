#!/bin/bash
# Shows vecmux at work: builds it, starts the development server, loads the Fashion-MNIST training images, queries, checks
# what came back and says so. Needs nothing but a Debian 12; installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [--vectors N] [--queries N] [--build]

  --vectors N   how many of the 60,000 training images to load (default: all)
  --queries N   how many queries of each kind, plain and filtered, up to 10,000 (default 1,000)
  --build       also builds HNSW indexes, one in place and one from a file that is fetched in both forms, and checks them
TEXT
}

vectors=60000 queries=1000 build=
while [ $# -gt 0 ]; do
    case $1 in
    --vectors) vectors=${2:?--vectors needs a number} && shift ;;
    --queries) queries=${2:?--queries needs a number} && shift ;;
    --build) build=yes ;;
    -h | --help) usage && exit 0 ;;
    *) echo "demo.sh: unknown argument \"$1\"; see scripts/demo.sh --help" >&2 && exit 2 ;;
    esac
    shift
done

scripts/deps.sh
[ -f build/build.ninja ] || echo "Building vecmux in build/ (once)"
cmake -S . -B build -G Ninja >/dev/null
ninja -C build --quiet vecmuxd vecmux-demo vecmux_cli

scratch=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" || true
    fi
    rm -rf "$scratch"
}
trap finish EXIT

build/bin/vecmuxd --listen 127.0.0.1:0 --port-file "$scratch/port" --metric cosine >"$scratch/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    [ -s "$scratch/port" ] && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [ ! -s "$scratch/port" ]; then
    echo "demo.sh: vecmuxd did not start:" >&2
    cat "$scratch/log" >&2
    exit 1
fi

endpoint=127.0.0.1:$(cat "$scratch/port")
build/bin/vecmux-demo --endpoint "$endpoint" --vectors "$vectors" --queries "$queries" \
    --dump-neighbours "$scratch/neighbours"
/usr/bin/python3 scripts/check_neighbours.py --vectors "$vectors" --queries 100 "$scratch/neighbours"
if [ -n "$build" ]; then
    timeout 240 /usr/bin/python3 scripts/demo_build.py --vecmux build/bin/vecmux --endpoint "$endpoint" --vectors "$vectors"
fi

kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
if [ "$code" -ne 0 ]; then
    echo "demo.sh: vecmuxd ended with code $code:" >&2
    cat "$scratch/log" >&2
    exit 1
fi
