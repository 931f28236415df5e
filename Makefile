# Two of these are all that a newcomer needs: make demo, make test.

GO        ?= go
BIN       := bin/depeer
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT    ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DATE      ?= $(shell git log -1 --format=%cI 2>/dev/null || echo unknown)
LDFLAGS   := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)
SCENARIOS ?= $(sort $(wildcard watch/testdata/*.txtar))

# Pinned, so that a new release of it breaks nobody's build on the day it appears.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# The race detector needs cgo, and cgo a C compiler; Go alone has none.
CC_FOUND := $(shell command -v "$$($(GO) env CC 2>/dev/null)" 2>/dev/null)
RACE     := $(if $(CC_FOUND),-race,)

.PHONY: help demo run test bench interop backtest lint pages pages-test build clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: build ## McColo, November 2008, offline
	$(BIN) demo

run: build ## the monitor, with configs/depeer.yaml
	$(BIN) run --config configs/depeer.yaml

test: pages ## all tests
	$(GO) vet ./...
	@echo "race detector: $(if $(CC_FOUND),on ($(CC_FOUND)),off: no C compiler is installed)"
	$(if $(CC_FOUND),CGO_ENABLED=1 )$(GO) test $(RACE) -timeout 20m ./...
	@$(MAKE) --no-print-directory pages-test

bench: build ## benchmarks of the packages, then bench/*.sh
	$(GO) test -run '^$$' -bench . -benchmem -timeout 60m ./...
	@for script in bench/*.sh; do if [ -f "$$script" ]; then echo "== $$script"; bash "$$script" || exit 1; fi; done

interop: build ## against other people's routers, servers and tools; a missing one fails
	DEPEER_INTEROP=1 $(GO) test -count=1 -timeout 30m ./...

backtest: build ## precision, recall and delay over the shipped scenarios
	$(BIN) backtest $(SCENARIOS)

lint: lint-pages ## gofmt, vet, staticcheck, types of the pages; golangci-lint where it is installed
	@bad="$$(gofmt -l $$(find . -name '*.go' -not -path './.git/*' -not -path '*/node_modules/*'))"; \
	if [ -n "$$bad" ]; then echo "not gofmt-ed:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	@if $(GO) run $(STATICCHECK) -version >/dev/null 2>&1; then \
		echo "staticcheck ./..."; $(GO) run $(STATICCHECK) ./...; \
	else echo "staticcheck: skipped, $(STATICCHECK) cannot be fetched"; fi
	@if command -v golangci-lint >/dev/null; then \
		echo "golangci-lint run"; golangci-lint run; \
	else echo "golangci-lint: skipped, it is not installed"; fi

# The pages need npm and the packages that it fetches. Without them the program has no
# pages, says so, and works; where nothing may be missing (DEPEER_INTEROP), that is a fault.
UI       := web/ui
NPM      := $(shell command -v npm 2>/dev/null)
CHROMIUM ?= $(shell command -v chromium 2>/dev/null)
MISSING   = { echo "$(1)"; test -z "$$DEPEER_INTEROP"; }

pages: ## the pages, which the program carries
ifeq ($(NPM),)
	@$(call MISSING,pages: not built: npm is not installed; depeer works without them)
else
	@$(MAKE) --no-print-directory $(UI)/dist/index.html || $(call MISSING,pages: not built (see above); depeer works without them)
endif

$(UI)/dist/index.html: $(UI)/node_modules/.package-lock.json web/openapi.json $(wildcard $(UI)/*.ts $(UI)/index.html $(UI)/public/*) $(shell find $(UI)/src -name schema.ts -prune -o -type f -print 2>/dev/null)
	cd $(UI) && npm run --silent build

$(UI)/node_modules/.package-lock.json: $(UI)/package.json $(UI)/package-lock.json
	cd $(UI) && npm ci --no-fund --no-audit

# Those that need a browser are skipped where there is none, and say so.
pages-test: build ## the pages in a real Chromium
ifeq ($(NPM),)
	@$(call MISSING,tests of the pages: skipped: npm is not installed)
else
	@if [ -f $(UI)/dist/index.html ]; then cd $(UI) && DEPEER_BIN=$(abspath $(BIN)) CHROMIUM=$(CHROMIUM) npm test --silent; \
	else $(call MISSING,tests of the pages: skipped: they are not built (see above)); fi
endif

.PHONY: lint-pages
lint-pages:
ifeq ($(NPM),)
	@$(call MISSING,types of the pages: not checked: npm is not installed)
else
	@$(MAKE) --no-print-directory $(UI)/node_modules/.package-lock.json || $(call MISSING,types of the pages: not checked (see above))
	@if [ -f $(UI)/node_modules/.package-lock.json ]; then cd $(UI) && echo "types and rules of the pages" && npm run --silent check; fi
endif

# -buildvcs=false: the commit is given above, and Go asking git for it fails in a
# checkout that belongs to another user.
build: pages ## the program, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/depeer

clean: ## what the others made
	rm -rf bin dist $(UI)/dist/assets $(UI)/dist/index.html $(UI)/node_modules
