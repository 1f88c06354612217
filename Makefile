# Everything here needs Go 1.26 and git, nothing else.
#
#   make run     build, then play a programme on this machine until stopped
#   make test    every test
#   make check   formatting, vet, and the rules of the tree
#   make bench   measured speeds
#   make clean-home   forget the run that `make run` plays

GO       ?= go
HOME_DIR ?= $(CURDIR)/.home
PROGRAM  ?= programs/thousandth.yaml

# The same flags everywhere, so that programs, vet and tests share one build
# cache and the Cosmos SDK is compiled once.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath -buildvcs=false

BUILD := $(GO) build

.PHONY: all build run test test-race check bench proto clean clean-home

all: build

build:
	@mkdir -p bin
	@echo "building crescendo and crescendo-vault ..."
	@$(BUILD) -o bin/crescendo ./cmd/crescendo
	@$(BUILD) -o bin/crescendo-vault ./cmd/crescendo-vault
	@echo "building crescendo-ledger; the first time this compiles the Cosmos SDK and takes some minutes ..."
	@$(BUILD) -o bin/crescendo-ledger ./cmd/crescendo-ledger
	@echo "built bin/crescendo, bin/crescendo-vault, bin/crescendo-ledger"

run: build
	@bin/crescendo up --program $(PROGRAM) --home $(HOME_DIR)

# Linking the Cosmos SDK takes much memory and time: few packages at once.
test:
	$(GO) test -p 2 -timeout 15m ./...

# The packages in which goroutines share memory. The race detector needs a C
# compiler.
test-race:
	CGO_ENABLED=1 $(GO) test -race -short -p 2 -timeout 20m ./internal/... ./blob/... ./node/... ./role/... ./ledger/memory/... ./engine/native/... ./engine/serve/...

check:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) test .

bench:
	$(GO) test -run NONE -bench . -benchtime 1s ./engine/... ./tokenizer/... ./training/... ./blob/...

# Regenerates the protobuf code of the ledger; needs the network.
proto:
	proto/generate.sh

clean:
	rm -rf bin

clean-home:
	rm -rf $(HOME_DIR)

# Plays the smoke programme while its processes are killed at random.
.PHONY: kill-test
kill-test: build
	CRESCENDO_BIN=$(CURDIR)/bin $(GO) test -count=1 -timeout 60m -v -run Killed ./node/up

# Walks through docs/tutorial.md with real processes.
.PHONY: tutorial-test
tutorial-test: build
	CRESCENDO_BIN=$(CURDIR)/bin $(GO) test -count=1 -timeout 60m -v -run Tutorial ./cmd/crescendo

# Looks for secrets in the files and processes of a run that serves, and kills
# its vault and relay.
.PHONY: secrets-test
secrets-test: build
	CRESCENDO_BIN=$(CURDIR)/bin $(GO) test -count=1 -timeout 60m -v -run 'SecretsOfARun|UnusableCorpus|ServingProcessesKilled' ./node/up

# Regenerates the hub's pages from their templates; needs the network.
.PHONY: templ
templ:
	GOFLAGS= $(GO) run github.com/a-h/templ/cmd/templ@v0.3.977 generate -path role/hub

# Compares our GGUF files with llama.cpp's reading of them; needs node, npm and
# the network, for a package that brings llama.cpp prebuilt.
INTEROP_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crescendo/llamacpp

.PHONY: interop-test
interop-test:
	@mkdir -p $(INTEROP_DIR)
	npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --prefix $(INTEROP_DIR) node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
	CRESCENDO_LLAMACPP=$(INTEROP_DIR) $(GO) test -count=1 -timeout 30m -v ./modelfile/gguf/llamacpp

# The engine's bits on every kernel, thread count and architecture; needs AVX-512
# and qemu-user.
.PHONY: bits-test
bits-test:
	engine/bits.sh

# Plays a small programme and uses its hub in Chromium, from the first raise to
# the first claim; needs Chromium (apt-get install chromium). Without a ledger
# to build, CRESCENDO_HUB=http://... go test ./role/hub/browsertest looks at the
# pages of a hub that runs already.
.PHONY: browser-test
browser-test: build
	CRESCENDO_BIN=$(CURDIR)/bin CRESCENDO_BROWSER=required $(GO) test -count=1 -timeout 90m -v -run 'TestHub$$' ./role/hub/browsertest

# Uses a ledger and its hub with CosmJS, the library of Cosmos wallets; needs
# node, npm and the network.
WALLET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crescendo/wallet

.PHONY: wallet-test
wallet-test: build
	@mkdir -p $(WALLET_DIR)
	cp tools/wallet/package.json tools/wallet/package-lock.json $(WALLET_DIR)/
	npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $(WALLET_DIR)
	CRESCENDO_BIN=$(CURDIR)/bin CRESCENDO_COSMJS=$(WALLET_DIR) $(GO) test -count=1 -timeout 60m -v -run 'TestWallet$$' ./cmd/crescendo

# Times prompts and decoding beside llama.cpp on the same models, in turns; needs
# node, npm and the network like interop-test. About five minutes, best on an idle
# machine.
.PHONY: serve-bench
serve-bench:
	@mkdir -p $(INTEROP_DIR)
	npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional --prefix $(INTEROP_DIR) node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1
	CRESCENDO_LLAMACPP=$(INTEROP_DIR) $(GO) test -count=1 -timeout 30m -v ./engine/bench/llamacpp

# Compares tokenizers with other implementations, on small and on public
# vocabularies; needs node, npm and the network. Some minutes.
TOKENIZER_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crescendo/tokenizers

.PHONY: tokenizer-test
tokenizer-test:
	@mkdir -p $(TOKENIZER_DIR)
	cp tools/tokenizers/* $(TOKENIZER_DIR)/
	npm ci --silent --no-audit --no-fund --ignore-scripts --prefix $(TOKENIZER_DIR)
	CRESCENDO_TOKENIZERS=$(TOKENIZER_DIR) $(GO) test -count=1 -timeout 30m -v ./tokenizer/reference
