#!/bin/bash
# Builds vecmux and runs its tests; the last lines are ctest's summary, the exit code is ctest's.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'TEXT'
usage: scripts/test.sh [mode] [selection] [--perturb seed] [-R regex] [-j jobs]

modes, each with a build directory of its own:
  (none)       plain, in build/
  --asan       address and undefined-behaviour sanitizers, in build-asan/
  --tsan       thread sanitizer, in build-tsan/
  --valgrind   every program of ours under valgrind, in build-valgrind/
  --fuzz       no tests: libFuzzer on the file readers, the reply decoder, the encoders and filters, 60 or 20 s each, in build-fuzz/
  --perf       no tests: half a minute of bench/run, ratios to gRPC core within generous bounds, in build/

selections:
  (none)       tests labelled quick or threads
  --quick      tests labelled quick
  --long       all tests, those labelled long included, but for real servers
  --servers    the tests against milvus-lite and Qdrant's storage core, which come from PyPI, within 7 minutes (3 on a free machine); skipped
               where they cannot be had
  --servers-long   those against the full Milvus, which also comes from PyPI: minutes
  -R regex     only tests whose name matches, as in ctest

more:
  -j jobs          how many tests at a time (default 1: some of them measure time)
  --perturb seed   threads wait by chance where they meet others (tests/perturb), plain or with --asan: shows what happens in a
                   rare order only; any number from 1
TEXT
}

build=build sanitize= emulator= slow=1 jobs=1 perf= fuzz= perturb= servers=()
select=(-LE 'long|servers')
while [ $# -gt 0 ]; do
    case $1 in
    --asan) build=build-asan sanitize=address,undefined slow=4 ;;
    --tsan) build=build-tsan sanitize=thread slow=8 ;;
    --valgrind)
        build=build-valgrind slow=20
        emulator="valgrind;--quiet;--error-exitcode=99;--leak-check=full"
        emulator+=";--show-leak-kinds=definite;--errors-for-leak-kinds=definite"
        ;;
    --perf) perf=yes ;;
    --fuzz) fuzz=yes ;;
    --quick) select=(-L '^quick$') ;;
    --long) select=(-LE servers) ;;
    --servers) select=(-L '^servers$' -V) servers=(milvus-lite qdrant-edge) ;;
    --servers-long) select=(-L '^servers_long$' -V) servers=(milvus) ;;
    --perturb) perturb=${2:?--perturb needs a seed, 1 or more} && shift ;;
    -R) select+=(-R "${2:?-R needs a regular expression}") && shift ;;
    -j) jobs=${2:?-j needs a number} && shift ;;
    -h | --help) usage && exit 0 ;;
    *) echo "test.sh: unknown argument \"$1\"; see scripts/test.sh --help" >&2 && exit 2 ;;
    esac
    shift
done

refuse_perturb() {
    echo "test.sh: --perturb $perturb: $1" >&2
    exit 2
}
if [ -n "$perturb" ]; then
    [[ $perturb =~ ^[1-9][0-9]{0,8}$ ]] || refuse_perturb "the seed is a number from 1 to 999999999"
    [[ $build =~ ^build(-asan)?$ ]] || refuse_perturb "goes with the plain tests or --asan, not with what is built in $build"
    [ -z "$fuzz$perf" ] || refuse_perturb "goes with tests; leave --fuzz and --perf out"
    slow=$((slow * 2))
fi

# What test scripts put before the programs of ours that they start.
export VMX_EMULATOR=${emulator//;/ }
# Time limits are written for a plain build; the tests scale them by this factor.
export VMX_TEST_SLOW=${VMX_TEST_SLOW:-$slow}
export CK_TIMEOUT_MULTIPLIER=$VMX_TEST_SLOW
# gRPC core and OpenBLAS are not built for the thread sanitizer: what they do among themselves is not reported, and
# where they hand data to our code the hand-over is annotated in our source.
export TSAN_OPTIONS="ignore_noninstrumented_modules=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"

scripts/deps.sh
if [ -n "$fuzz" ]; then
    exec tests/fuzz/run
fi
cmake -S . -B "$build" -G Ninja -DVECMUX_WERROR=ON "-DVECMUX_SANITIZE=$sanitize" \
    "-DCMAKE_CROSSCOMPILING_EMULATOR=$emulator" >/dev/null
if [ -n "$perf" ]; then
    ninja -C "$build" --quiet vecmuxd vecmux-bench raw_core raw_core_handoff
    exec bench/run --quick --programs "$build/bin"
fi
ninja -C "$build" --quiet

# Servers are fetched once; where one cannot be had all its tests are skipped for that reason.
VMX_SERVERS_SKIP=
for server in "${servers[@]}"; do
    reason=$("scripts/servers/$server.sh" install 2>&1) || VMX_SERVERS_SKIP+=${reason##*$'\n'}$'\n'
done
export VMX_SERVERS_SKIP
[ "${servers[0]-}" != milvus-lite ] || export VMX_UNTIL=$(($(date +%s) + 420))

# The thread sanitizer of GCC 12 needs memory at fixed places, which a kernel that shuffles addresses widely takes away.
run=()
if [ "$sanitize" = thread ] && setarch -R true 2>/dev/null; then
    run=(setarch -R)
elif [ -n "$perturb" ]; then
    export VMX_PERTURB=$perturb
    export ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}"
    run=(env "LD_PRELOAD=$PWD/$build/bin/perturb.so")
fi
exec "${run[@]}" ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" "${select[@]}"
