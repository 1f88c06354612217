#!/bin/sh
# Trains the golden models with every kernel, 1 to 8 threads, and compares the
# bits, and what they answer in 8 bits: on this machine for GOAMD64 v1 and v3, and
# for arm64 (NEON and portable) under qemu-user. What cannot be run here is an
# error, not a skip. An argument names the tests to run instead of all.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
tests=${1:-'Golden|Bits|MatchPortable|Multiply|FMA|Exp|Vectors|LongAttention|Int8|Small|Rows|Half'}

fail() { echo "error: $1" >&2; echo "hint: $2" >&2; exit 1; }

[ "$(go env GOARCH)" = amd64 ] || fail "bits-test runs on amd64" "on arm64, go test ./engine/... covers NEON and portable"
command -v qemu-aarch64 >/dev/null || fail "qemu-aarch64 is missing" "install it: apt-get install qemu-user"
for flag in avx2 fma f16c bmi2 avx512f avx512_vnni; do
	grep -qw "$flag" /proc/cpuinfo || fail "this processor has no $flag, so not every kernel can be compared" "run on a machine that has AVX-512 and its VNNI"
done

run() { # label, then the program to run tests with, if any
	label=$1
	shift
	for dir in engine/internal/kernel engine/r0 engine/native; do
		go test -c -o "$out/x.test" "./$dir"
		echo "== $label $dir"
		(cd "$dir" && "$@" "$out/x.test" -test.run "$tests" -test.timeout 60m)
	done
}

GOAMD64=v1 run "amd64 v1" env
GOAMD64=v3 run "amd64 v3" env
GOARCH=arm64 run "arm64" qemu-aarch64
# Before Armv8.2 there are no dot products of bytes, which only products in 8 bits use.
tests=Int8
GOARCH=arm64 run "arm64 v8.0" qemu-aarch64 -cpu cortex-a57
echo "the same bits everywhere${1:+, as far as the tests $1 go}"
