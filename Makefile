# homehub: `make run` to see it, `make test` to check everything that CI checks.

GO       ?= go
DIST     := dist
UI       := webui/third_party
UPLOT    := webui/node_modules/uplot
export CGO_ENABLED = 0

.PHONY: build run test race check lint bench bench-year peers crash fuzz cross screenshots ui deps clean

run: build ## build everything and start the demo
	@$(DIST)/homehub demo $(ARGS)

build: ui ## static binary in dist/
	$(GO) build -trimpath -ldflags "-s -w" -o $(DIST)/homehub ./cmd/homehub

# The chart library is copied from npm into the folder that is embedded.
# Without npm the hub is built all the same; its charts are tables then.
ui:
	@sh scripts/ui.sh

test: deps check ## everything that CI runs

check: lint race cross crash

# cgo is for the race detector only; what is shipped is built without.
race:
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -timeout=20m ./...

lint:
	@files=$$($(GO) tool gofumpt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofumpt would change:"; echo "$$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	cd bench && $(GO) vet $(BENCH) && $$(cd .. && $(GO) tool -n staticcheck) $(BENCH)

# The Pi's processors: everything must compile there, tests included.
cross:
	GOARCH=arm64 $(GO) vet ./...
	GOARCH=arm GOARM=6 $(GO) vet ./...
	GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags "-s -w" -o $(DIST)/homehub-arm64 ./cmd/homehub
	@sh scripts/size.sh $(DIST)/homehub-arm64 16777216

bench: ## benchmarks of every package
	$(GO) test -run '^$$' -bench . -benchmem ./...

# bench is a module of its own, so that nothing of the peers comes near the
# product. BENCH is what of it needs none of them.
BENCH := ./crash ./cmd/crash ./disk

peers: ## the storage engine beside its peers: bytes to the card, queries
	cd bench && $(GO) vet ./... && $(GO) test ./engine && $(GO) run ./cmd/peers write queries

CRASH_IMAGES ?= 500
crash: ## power cuts of a real ext4; without root or FUSE it says so and skips
	cd bench && CRASH_IMAGES=$(CRASH_IMAGES) $(GO) test -count=1 -v -timeout 30m ./crash

bench-year: ## a house for a year in closed loop, the hub against other rules
	$(GO) test -count=1 -v -timeout 120m -run TestYear ./scheduler/benchyear -year

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME
	@sh scripts/fuzz.sh $(FUZZTIME)

screenshots: deps ## pictures of the pages in docs/screens
	rm -rf $(DIST)/screens && mkdir -p $(DIST)/screens docs/screens
	$(GO) test -count=1 -timeout=30m -run TestScreens ./cmd/homehub -screens $(CURDIR)/$(DIST)/screens
	rm -f docs/screens/*.png && mv $(DIST)/screens/*.png docs/screens/

# What the tests need beyond Go: the npm packages and a browser.
deps:
	@sh scripts/deps.sh

clean:
	rm -rf $(DIST) webui/node_modules
	find $(UI) -type f ! -name README -delete
