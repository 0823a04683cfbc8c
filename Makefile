# Owns what a person types. Every target does its own set-up: packages when they are missing or outdated, the build when sources are newer.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test check audit build bench prove soak clean

ONCE ?=
ARGS ?=
NODE := node --import tsx
# One stamp for each version of node, because the native part of SQLite is compiled for it.
INSTALLED := node_modules/.installed-$(shell node -p process.versions.modules 2>/dev/null)
SOURCES := $(shell find edge mappers cloud device-models boards conf bin test/simulators -type f 2>/dev/null)

help: ## show this
	@echo 'Hivelet: an edge runtime for boards, with a small Kubernetes cloud side.'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \2/p' Makefile | awk '{ printf "  %s %-7s", $$1, $$2; $$1 = ""; $$2 = ""; sub(/^  /, ""); print $$0 }'
	@echo
	@echo '  make demo ONCE=1             exits after the round trip: 0, or not 0 and a reason'
	@echo "  make test ARGS='--unit twin' runs only some of the tests"

demo: dist/.built ## cloud, edge and simulated devices on this machine; a desired value goes down, its report comes up
	@bin/hivelet demo $(if $(ONCE),--once)

test: dist/.built ## everything that proves the project
	@$(NODE) test/support/install-peers.ts
	@$(NODE) test/run.ts $(ARGS)

check: $(INSTALLED) ## types, lint, format, and what lies at the top level
	@sh conf/build/check.sh

audit: $(INSTALLED) ## known faults of the packages that are shipped, where the registry tells them
	@$(NODE) conf/build/audit.ts

build: dist/.built ## one bundle for each program in dist/

bench: dist/.built ## the figures of docs/performance.md, one JSON line each
	@$(NODE) test/bench/run.ts $(ARGS)

prove: $(INSTALLED) ## takes each security check out of a copy of the sources and sees the tests fail
	@$(NODE) test/support/mutations/prove.ts $(ARGS)

soak: dist/.built ## the long forms (half an hour, five minutes) of two tests of `make test`
	@SOAK=1 $(NODE) test/run.ts --live --timeout=86400 e2e/soak e2e/replicas $(ARGS)

clean: ## remove what was built, the packages, and the demo's data
	rm -rf dist node_modules .hivelet

$(INSTALLED): package-lock.json
	@sh conf/build/install.sh
	@touch $@

dist/.built: $(INSTALLED) $(SOURCES) package.json
	@$(NODE) conf/build/bundle.ts
	@touch $@
