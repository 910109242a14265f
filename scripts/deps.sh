#!/bin/bash
# Installs what vecmux is built, tested and demonstrated with: Debian packages only. Says nothing and needs no network
# when everything is there.
set -euo pipefail

packages=(
    # to build the library and its tools
    cmake ninja-build gcc g++ pkg-config protobuf-c-compiler
    libgrpc-dev libprotobuf-dev libprotobuf-c-dev libjansson-dev libssl-dev ca-certificates libisal-dev zlib1g-dev libhdf5-dev
    # libvecmux-mock: HTTP/2 whose frames can be faulty
    libnghttp2-dev
    # vecmuxd: exact search by FAISS, on a BLAS that uses the cores well
    libfaiss-dev libopenblas0-pthread
    # the demo's data, and numpy, which checks its answers
    dataset-fashion-mnist python3 python3-numpy
    # the tests: their framework, an independent gRPC peer, and the tools that watch
    check protobuf-compiler protobuf-compiler-grpc python3-grpcio python3-protobuf python3-h5py
    python3-faiss
    clang-format valgrind openssl binutils util-linux procps
    # the fuzzers of the file readers
    clang libclang-rt-14-dev
)

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "deps.sh: missing packages: ${missing[*]}; run this as root, or install sudo" >&2
        exit 1
    }
    as_root=(sudo)
fi

echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${missing[@]}" >/dev/null
