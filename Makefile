# `make` alone lists what can be done.
#
# One rule for built things: everything made from here goes to one cache, so that a fresh clone builds
# only what is its own. HEPHAESTUS_CACHE moves it; CARGO_TARGET_DIR moves only what cargo builds.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

HEPHAESTUS_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hephaestus
CARGO_TARGET_DIR ?= $(HEPHAESTUS_CACHE)/target
PREFIX ?= $(HOME)/.local
export HEPHAESTUS_CACHE CARGO_TARGET_DIR
# .ci/setup links a suitable Go into the cache where PATH has none.
export PATH := $(HEPHAESTUS_CACHE)/bin:$(PATH):$(HOME)/.cargo/bin
# RocksDB is compiled once and linked from the cache.
# Should it be missing, cargo must not set out to compile it: an assignment on its own ends the line.
CARGO = dir="$$(.ci/rocksdb)" && ROCKSDB_STATIC=1 ROCKSDB_LIB_DIR="$$dir" cargo

.PHONY: help setup build install fmt lint test test-long helm-test bench demo demo-kafka kafka clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian or Ubuntu, as root or with sudo)
	@.ci/setup

build: setup ## build the binary
	$(CARGO) build --locked

install: setup ## build an optimised binary and put it into PREFIX/bin (PREFIX=~/.local)
	$(CARGO) build --locked --release
	install -D -m 755 "$(CARGO_TARGET_DIR)/release/hephaestus" "$(DESTDIR)$(PREFIX)/bin/hephaestus"
	@case ":$$PATH:" in *":$(PREFIX)/bin:"*) ;; *) echo "put $(PREFIX)/bin on PATH" ;; esac

fmt: ## format the code
	cargo fmt

lint: setup ## check the format and the lints
	cargo fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings

# Most tests wait for programs that they started: more of them run than there are cores.
test: export RUST_TEST_THREADS ?= 4
test: lint ## lints, then unit, integration and documentation tests
	$(CARGO) test --locked

test-long: setup ## the tests that take too long for every run
	$(CARGO) test --locked --lib --test it -- --ignored

helm-test: setup ## the tests of the Helm chart and the images, which `test` runs too
	$(CARGO) test --locked --test it helm::

bench: setup ## measure: framing, gate, parsing, fingerprint, stream, kafka
	$(CARGO) bench --locked

demo: build ## start a broken shop, read its logs, prove patches
	@examples/demo/run.sh "$(CARGO_TARGET_DIR)/demo" "$(CARGO_TARGET_DIR)/debug/hephaestus"

demo-kafka: build ## the same over a Kafka broker, with agent and fixer apart
	@examples/demo/kafka.sh "$(CARGO_TARGET_DIR)/demo-kafka" "$(CARGO_TARGET_DIR)/debug/hephaestus"

kafka: setup ## run a Kafka broker on this machine, to try things with
	@tests/kafka/try.sh "$(HEPHAESTUS_CACHE)/kafka/try"

clean: ## remove what cargo built
	cargo clean
