# The commands of this project. Each installs what is missing first (as root), or says what to install (as a user).
.DEFAULT_GOAL := help
.PHONY: help run test bench abuse fuzz engine fmt lint check openapi

# Where the built programs are.
target := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

help: ## Lists the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: ## Builds and starts Toolwright with a database of its own, and prints a call to paste
	@scripts/setup run
	cargo build --release --locked --package toolwright
	@exec $(target)/release/toolwright serve

test: ## Runs everything that CI runs
	@scripts/test

bench: ## Prints the figures, with the floor in the same run
	@scripts/setup bench
	cargo build --release --locked --package toolwright --package bench
	@$(target)/release/bench

abuse: ## Tries on a running server what hostile code and hostile clients try, and fails if anything comes of it
	@scripts/setup abuse
	cargo build --release --locked --package toolwright --package bench --package abuse
	@$(target)/release/abuse

fuzz: ## Looks for inputs that break what reads them, guided by coverage: FUZZ_SECONDS (60) each, TARGET=name for one
	@scripts/fuzz

engine: ## Rebuilds the JavaScript engine with the recorded compiler and compares the bytes
	@scripts/setup engine
	crates/compiler/engine/build.sh --check

fmt: ## Formats the sources
	cargo fmt --all

lint: ## Format, clippy, documentation, advisories, licences, layers, unused dependencies
	@scripts/setup lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked
	PATH="$(target)/tools/bin:$$PATH" cargo deny --locked check
	PATH="$(target)/tools/bin:$$PATH" cargo machete

check: ## Quick: format, clippy, the tests that need no database and no built program
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo test --locked --package domain --package telemetry
	cargo test --locked --package toolwright --bins

openapi: ## Writes docs/openapi.json anew from the handlers
	cargo run --quiet --locked --package toolwright -- openapi > $(target)/openapi.json
	cp $(target)/openapi.json docs/openapi.json
