# Two commands matter: `make demo` and `make test`. Each prepares the machine, builds and runs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench build prepare prepare-test fmt

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET_DIR)
EGRET := $(TARGET_DIR)/debug/egret
PEERS := $(TARGET_DIR)/peers
# Newer ones need a newer Rust.
S3S_FS := 0.14.1
KEEP ?=

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

prepare: ## install (as root) or name what building needs
	@deploy/prepare.sh build

prepare-test: ## the same for the tests, which start a PostgreSQL and an S3 server of their own
	@deploy/prepare.sh build test
	@test -x $(PEERS)/bin/s3s-fs || { $(CARGO) install s3s-fs --locked --version $(S3S_FS) --features binary \
		--root $(PEERS) --target-dir $(PEERS)/build && rm -rf $(PEERS)/build; }

build: prepare ## build the binary `egret`
	$(CARGO) build --locked -p portal

demo: build ## the main job end to end through the HTTP API; KEEP=1 leaves the server running
	$(EGRET) demo $(if $(KEEP),--keep,--exit)

test: prepare-test ## all tests: units, jail, storage on both databases, API, attacks, crashes, TPC-H and TPC-DS in the jail
	$(CARGO) build --locked -p portal
	$(CARGO) test --locked --workspace --features egret-tests/engine --no-fail-fast

check: prepare ## formatting, lints, licences
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny --locked check licenses bans sources; \
	else echo "cargo-deny is missing: cargo install --locked cargo-deny (its advisories need the network: cargo deny check advisories)"; exit 1; fi

bench: prepare-test ## figures into target/bench/results.jsonl (release build)
	$(CARGO) build --locked --release --workspace --features egret-tests/bench
	$(TARGET_DIR)/release/bench

fmt: ## format the sources
	$(CARGO) fmt --all
