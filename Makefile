# Messaging Bridge. `make` alone says what can be made; each target says what it installs or misses.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test soak mutants crds image cluster policies lint bench

BIN := $(or $(CARGO_TARGET_DIR),target)/debug
DENY := 0.20.2
FUZZ := 0.13.2
MUTANTS := 27.1.0

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

demo: ## a customer's text and the agent's reply, in the terminal and in a page (ONCE=1 ends after the transcript)
	@scripts/need rust cc
	@test -d $(BIN)/deps || echo 'the first build takes 5 to 15 minutes on two cores'
	cargo build -p messaging-bridge-relay -p messaging-bridge-sandbox
	$(BIN)/messaging-bridge-sandbox demo --relay $(BIN)/messaging-bridge-relay $(if $(filter-out 0,$(ONCE)),--once)

test: ## every test, the page in a real browser included; nothing is skipped
	@scripts/need rust cc browser venv image-tool cluster
	scripts/image operator relay sandbox ingress
	scripts/test

soak: ## what proves more the longer it runs: kills, power cuts, a storm of faults, fuzzing; more than an hour (FUZZ_SECONDS=60 a target)
	@scripts/need rust cc cargo-fuzz=$(FUZZ)
	MB_KILLS=500 cargo test -p messaging-bridge-suites --test relay crash
	MB_CUTS=300 cargo test -p messaging-bridge-suites --test relay power
	MB_MESSAGES=10000 cargo test -p messaging-bridge-suites --test relay storm
	MB_STORIES=1000 cargo test -p messaging-bridge-relay --lib model
	MB_FUZZ_CHANGES=10000 cargo test -p messaging-bridge-fuzzing
	scripts/fuzz $(or $(FUZZ_SECONDS),60)

mutants: ## change the code line by line and see whether a test notices: the clients, and what the relay decides; hours
	@scripts/need rust cc cargo-mutants=$(MUTANTS)
	cargo mutants --output target/mutants

crds: ## write the manifests and reference pages that are generated from the API's types
	@scripts/need rust cc
	cargo run -q -p messaging-bridge-crds -- generate --root .

image: ## the images as OCI archives in target/images, with docker, podman or buildah (IMAGE_TOOL, IMAGE_PREFIX)
	@scripts/need rust cc image-tool
	scripts/image

cluster: ## a real one-node Kubernetes in namespaces of its own: prints the KUBECONFIG, runs until Ctrl-C (IMAGES="a.tar b.tar")
	@scripts/need rust cc cluster
	cargo build -q -p messaging-bridge-cluster
	$(BIN)/messaging-bridge-cluster up $(addprefix --image ,$(IMAGES))

policies: ## whether the NetworkPolicies hold, on a cluster of yours that enforces them (KUBECONFIG=...); not part of test
	@scripts/need rust cc
	MB_TEST_CLUSTER=existing cargo run -q -p messaging-bridge-operator-suites --bin network-policies

lint: ## format, lints, licences, bans, sources, generated files, sizes, words, links
	@scripts/need rust cc rustfmt clippy cargo-deny=$(DENY)
	cargo fmt --all --check -- -l
	scripts/check-sizes
	scripts/check-words
	scripts/check-links
	cargo deny --all-features check licenses bans sources
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo run -q -p messaging-bridge-crds -- check --root .
	scripts/relay-cli-reference check

bench: ## measure: signature, parse, translate, append, then the load scenario; about ten minutes
	@scripts/need rust cc
	cargo bench -p messaging-bridge-clients -p messaging-bridge-relay --benches
	cargo build --release -p messaging-bridge-relay -p messaging-bridge-load
	$(dir $(BIN))release/messaging-bridge-load --markdown docs/performance.md
