# What a person types. Everything here works in a fresh clone on Debian with Rust; `.ci/run` uses the same targets.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help ui build quickstart test bench package lint protos publish-protos api-docs doc deny clean-parts

# The servers and tools that the tests use; each that `tests/parts/install.sh` knows.
PARTS := postgres-15 postgres-16 postgres-18 mariadb-10.11 mariadb-11.8 mysql-9 redis-7 haproxy-2.6 grpcurl restore-tools systemd-tools restic seaweedfs rclone aiosmtpd grpcio promtool node chromium

help: ## Show this
	@echo 'make TARGET, where TARGET is one of'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

ui: ## Build the web interface, which the next build takes into the program
	.ci/prepare node
	bash control-plane/web/make.sh build

build: ## Build the programs into target/debug, with the web interface if Node is there
	.ci/prepare
	bash control-plane/web/make.sh build
	cargo build --locked --workspace --bins

quickstart: ## Back up a real PostgreSQL, restore it, compare (KEEP=1 leaves all running)
	@bash examples/quickstart/run.sh

# Tests run the workspace's own programs, so these are built first, in one go with the tests.
test: ## Run all tests, against real servers that are installed if missing
	.ci/prepare --nextest $(PARTS)
	bash control-plane/web/make.sh build
	cargo build --locked --workspace --all-targets
	cargo nextest run --locked --workspace
	bash control-plane/web/make.sh test

bench: ## Measure an optimised build beside pg_dump and pg_restore (ROWS=, RUNS=)
	.ci/prepare $(PARTS)
	cargo build --locked --release --workspace --bins
	target/release/bench $${ROWS:+--rows $$ROWS} $${RUNS:+--runs $$RUNS}

package: ## Build Debian packages of the programs into target/debian (PROFILE=dev for a quick, large one)
	.ci/prepare --deb
	bash control-plane/web/make.sh build
	.ci/package "$${PROFILE:-release}"

lint: ## Check format, lints and protos; warnings are errors
	.ci/prepare node
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	bash control-plane/web/make.sh check
	bash control-plane/web/make.sh protos

protos: ## Check the protos' style, and that they break nothing which was published
	.ci/prepare node
	bash control-plane/web/make.sh protos

publish-protos: ## Promise the API as it is now to programs: at each release, and where a break is meant
	.ci/prepare node
	bash control-plane/web/make.sh protos publish

api-docs: ## Write docs/api anew, from the protos
	cargo run --locked --quiet -p dataguardian-proto --bin api-reference

doc: ## Build the API documentation into target/doc
	cargo doc --locked --workspace --no-deps

deny: ## Check licences, bans and sources of all dependencies
	.ci/prepare --deny
	cargo deny --locked check bans licenses sources

clean-parts: ## Remove the servers that were downloaded for tests
	rm -rf "$${DATAGUARDIAN_CACHE:-$${XDG_CACHE_HOME:+$$XDG_CACHE_HOME/dataguardian}}" \
	    $$([[ -n $${DATAGUARDIAN_CACHE:-}$${XDG_CACHE_HOME:-} ]] || \
	       { [[ $$(id -u) == 0 ]] && echo /var/cache/dataguardian || echo "$$HOME/.cache/dataguardian"; })
