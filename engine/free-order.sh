#!/bin/sh
# Measures what it costs to promise bits: the steps on vectors in a build without
# the promise (fused, four chains to a sum, estimated divisions; tools/avo/free.go)
# beside ours, and a whole training step with each, in turns. Nothing of that build
# is kept. Run it on a quiet machine; a figure is best of many.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 CRESCENDO_KERNEL=avx512
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
CRESCENDO_FREE_ORDER=1 go -C tools run ./avo -out "$out/kernel.s" -stubs "$out/stub.go" -pkg kernel
printf '{"Replace": {"%s": "%s"}}\n' "$PWD/engine/internal/kernel/kernel_amd64.s" "$out/kernel.s" >"$out/overlay.json"
for dir in internal/kernel native; do
	name=$(basename "$dir")
	go test -c -o "$out/$name-bits.test" "./engine/$dir"
	go test -c -overlay "$out/overlay.json" -o "$out/$name-free.test" "./engine/$dir"
done
for build in bits free; do
	echo "== steps on vectors, $build"
	"$out/kernel-$build.test" -test.run NONE -test.bench 'Vectors/avx512' -test.benchtime 200ms | grep best
done
for round in 1 2 3; do
	for build in bits free; do
		echo "== training step, $build, round $round"
		"$out/native-$build.test" -test.run NONE -test.bench 'Step$/r0/adamw/threads=1/tokens=2048$' -test.benchtime "${STEPS:-12}x" | grep best
	done
done
