# davit: `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=

# A source archive has no git; the version is then "dev".
GIT     := git -c safe.directory='*'
VERSION ?= $(shell $(GIT) describe --tags --match 'v*' 2> /dev/null || echo dev)
COMMIT  ?= $(shell $(GIT) describe --always --dirty --exclude '*' --abbrev=12 2> /dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Version and commit go in above; without -buildvcs=false a clone owned by another user does not build. Tests are built
# like the program that is shipped, which some of them build: so nothing is compiled twice, nor again in another clone.
export GOFLAGS     ?= -buildvcs=false -trimpath
export CGO_ENABLED ?= 0

# The systems on which davit is a client of engines elsewhere.
CLIENTS     := darwin/amd64 darwin/arm64 windows/amd64
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
TEST_TIMEOUT        ?= 12m
INTEGRATION_TIMEOUT ?= 60m
SOAK_TIMEOUT        ?= 4h
SOAK                ?= 10
FUZZTIME            ?= 30s
# The packages with the longest tests begin first, so that none of them ends alone.
PKGS                ?= ./cmd/davit ./backup ./backup/repo ./cmd/davit/e2e ./...

SHELL_FILES = .ci/run cmd/davit/dockercmd/completion.bash $(shell find scripts -type f \( -name '*.sh' -o -perm -u+x ! -name '*.*' \) | sort)

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./davit, one static file
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o davit ./cmd/davit

.PHONY: test
test: ## run all tests, real-engine tests included (as root; installs what it needs)
	@scripts/deps.sh test
	$(GO) run ./scripts/gotest -timeout $(TEST_TIMEOUT) $(PKGS)

.PHONY: integration
integration: ## test against more engines and against hosts with systemd (root, up to an hour)
	@scripts/deps.sh test integration
	$(GO) run ./scripts/gotest -tags integration -timeout $(INTEGRATION_TIMEOUT) $(PKGS)

.PHONY: soak
soak: ## integration, with SOAK (10) times the rounds of kills and models, for hours (root)
	@scripts/deps.sh test integration
	DAVIT_SOAK=$(SOAK) $(GO) run ./scripts/gotest -tags 'integration soak' -timeout $(SOAK_TIMEOUT) $(PKGS)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, shellcheck; types for macOS and Windows
	@scripts/deps.sh lint
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not gofmt'ed:"; echo "$$files"; exit 1; fi
	$(GO) vet -tags 'integration soak' ./...
	$(GO) run $(STATICCHECK) -tags 'integration soak' ./...
	$(GO) run ./scripts/crosscheck ./cmd/davit $(CLIENTS)
	shellcheck $(SHELL_FILES)

.PHONY: fmt
fmt: ## gofmt all Go files
	gofmt -w .

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list $(PKGS)); do \
		for f in $$($(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' || true); do \
			echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) "$$pkg"; \
		done; \
	done

.PHONY: bench
bench: build ## measure davit against restic, borg, kopia and tar | zstd (root, BENCH_RUNS=5)
	scripts/bench.sh
	$(GO) test -run '^$$' -bench DockerPs -benchtime 30x ./cmd/davit
	$(GO) test -run '^$$' -bench Freeze -benchtime 3x ./backup

.PHONY: bench-migrate
bench-migrate: ## measure the move of a data-root of 5 GB against rsync and cp, ext4 and xfs (root)
	@scripts/deps.sh integration
	$(GO) test -tags integration -run '^$$' -bench Move -benchtime 1x -timeout 60m ./migrate/hosttest

.PHONY: demo
demo: ## build davit and do its main job on a private Docker engine (root)
	@scripts/deps.sh demo
	@$(MAKE) --no-print-directory build
	@scripts/demo.sh

.PHONY: freshmachine
freshmachine: ## run .ci/run on a new Debian 12 root that has only go, git, make and apt (root)
	scripts/freshmachine.sh

.PHONY: dist-files
dist-files: man ## write manual pages, completions and the configuration to begin with to dist
	@mkdir -p dist/completion
	@for shell in bash zsh fish; do ./davit completion $$shell > dist/completion/$$shell; done
	@./davit config example > dist/config.yaml

.PHONY: man
man: build ## write the manual pages to dist/man
	@rm -rf dist/man
	@./davit __man dist/man

.PHONY: install
install: dist-files ## install to DESTDIR and PREFIX (/usr/local), with manual pages, completions, units
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' scripts/install.sh install

.PHONY: uninstall
uninstall: ## remove what install put there; data and settings stay
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' scripts/install.sh uninstall

.PHONY: cross
cross: ## build for the other machines that a release is for, and for macOS and Windows
	@for target in linux/arm64 linux/arm $(CLIENTS); do \
		echo "build for $$target"; \
		GOOS=$${target%/*} GOARCH=$${target#*/} GOARM=7 CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/davit; \
	done

.PHONY: release
release: ## archives, .deb, .rpm, checksums and SBOMs for amd64, arm64, armv7 in dist/release
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' scripts/release.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf davit dist
