#!/bin/sh
# Generates Go from the .proto files beside this script. Needs go and npm; the
# generators are pinned here and installed under .tools (not committed).
set -eu
cd "$(dirname "$0")/.."
root=$PWD
tools=$root/.tools
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$tools/bin"
echo "*" >"$tools/.gitignore"
[ -x "$tools/bin/protoc-gen-gocosmos" ] ||
	GOBIN=$tools/bin go install github.com/cosmos/gogoproto/protoc-gen-gocosmos@v1.7.2
[ -x "$tools/bin/protoc-gen-go" ] ||
	GOBIN=$tools/bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.11
[ -x "$tools/node_modules/.bin/buf" ] ||
	npm install --silent --prefix "$tools" @bufbuild/buf@1.75.0
PATH=$tools/bin:$tools/node_modules/.bin:$PATH

# The imported files come out of the modules go.mod pins.
dir() { go list -m -f '{{.Dir}}' "$1"; }
copy() { mkdir -p "$work/third_party/$(dirname "$2")" && cp "$1/$2" "$work/third_party/$2"; }
sdk=$(dir github.com/cosmos/cosmos-sdk)/proto
copy "$sdk" cosmos/msg/v1/msg.proto
copy "$sdk" cosmos/app/v1alpha1/module.proto
copy "$(dir github.com/cosmos/cosmos-proto)/proto" cosmos_proto/cosmos.proto
copy "$(dir github.com/cosmos/gogoproto)" gogoproto/gogo.proto
cp -r proto "$work/proto"
chmod -R u+w "$work"

cd "$work"
cat >buf.yaml <<YAML
version: v2
modules:
  - path: proto
  - path: third_party
YAML
cat >messages.yaml <<YAML
version: v2
plugins:
  - local: protoc-gen-gocosmos
    out: gen
    opt: [plugins=grpc]
YAML
cat >module.yaml <<YAML
version: v2
plugins:
  - local: protoc-gen-go
    out: gen
    opt: [Mcosmos/app/v1alpha1/module.proto=cosmossdk.io/api/cosmos/app/v1alpha1]
YAML
paths=
for d in proto/crescendo/*/v1; do
	[ "$d" = proto/crescendo/module/v1 ] || paths="$paths --path $d"
done
buf generate --template messages.yaml $paths
buf generate --template module.yaml --path proto/crescendo/module/v1

out=ledger/cosmos/x/crescendo
for d in gen/github.com/crescendo-network/crescendo/$out/*; do
	mkdir -p "$root/$out/$(basename "$d")"
	cp "$d"/*.pb.go "$root/$out/$(basename "$d")/"
done
gofmt -w "$root/$out"/*v1/*.pb.go
