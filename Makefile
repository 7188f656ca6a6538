# What people and CI run. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

POLICIES ?= policies/demo
CONFIG ?= config/sidegate.yaml
DATA ?= ./data
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# What `sidegate_build_info` tells of the commit. The tests do without, so that a commit compiles nothing anew.
build static deb image: export SIDEGATE_COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## Build the release binary
	cargo build --release --locked

.PHONY: static
static: ## Build the release binary without shared libraries, as the image has it
	cargo rustc --release --locked --bin sidegate -- -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs

.PHONY: image
image: ## Build the image with Docker, with its version as a tag
	docker build --tag sidegate --tag sidegate:$(VERSION) --build-arg SIDEGATE_COMMIT="$$SIDEGATE_COMMIT" \
		--build-arg SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" .

.PHONY: deb
deb: ## Build the Debian package, into target/debian
	scripts/install-cargo-tool cargo-deb 3.8.0
	scripts/licences
	PATH="$$PWD/.tools/bin:$$PATH" cargo deb --locked

.PHONY: run
run: build ## Build, and run the sidecar on the demo policies (POLICIES=, CONFIG=, DATA=)
	@scripts/run target/release/sidegate serve --config $(CONFIG) --policies $(POLICIES) --data $(DATA)

.PHONY: test
test: ## Install what the tests need, and run them all
	scripts/install-test-tools
	cargo test --locked

.PHONY: torture
torture: ## Run the fault suites of the audit log at length (ROUNDS=10000, SEED=)
	scripts/torture

.PHONY: fmt
fmt: ## Format the code
	cargo fmt

.PHONY: lint
lint: ## Formatting, lints, documentation, warnings are errors
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items

.PHONY: deny
deny: ## Licences, sources, banned and unused crates
	scripts/deny

.PHONY: reproduce
reproduce: ## Build the commit twice, at two places, and compare the binaries
	scripts/reproduce

.PHONY: sbom
sbom: ## Write the bill of materials of the binary, into target/sbom
	scripts/install-cargo-tool cargo-cyclonedx 0.5.9
	scripts/sbom

.PHONY: check
check: lint deny test ## Everything that CI checks

.PHONY: reference
reference: ## Write the generated references anew
	SIDEGATE_UPDATE=1 cargo test --locked --test it -- references:: schemas::

.PHONY: footprint
footprint: static ## Measure the binary of the image at rest: size, memory, processor time
	scripts/footprint target/release/sidegate

.PHONY: bench
bench: ## Measure; the figures of the README come from here
	cargo bench --locked
