# Every task of the repository by name. Each target is one line: the work is in cargo or in scripts/.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help devnet test setup verify fmt-check shell proto lint docs unit interop wasm fuzz-smoke mutants fix slow bench

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

devnet: ## Five validators on this machine finalise payments, until Ctrl-C.
	cargo run --release --bin devnet

test: setup verify ## Install what the tests need, then run everything that CI runs.

setup: ## Install missing system packages (Debian and Ubuntu; elsewhere say what is missing).
	scripts/setup

verify: fmt-check shell proto lint docs unit interop wasm fuzz-smoke mutants ## All checks. Writes nothing but build output.

fmt-check: ## Formatting.
	cargo fmt --all --check

shell: ## Shell scripts, by shellcheck.
	scripts/shell

proto: ## The generated code of the peer protocol is what its description says.
	scripts/proto --check

lint: ## Clippy with warnings denied: all targets, then core and store with each feature alone.
	scripts/lint

docs: ## Documentation with warnings denied.
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --all-features

unit: ## Unit, property, conformance and rule tests, and doctests.
	cargo test --locked --workspace --all-features --no-fail-fast

interop: ## AvalancheGo's own network code against ours, live; needs Go.
	scripts/interop

wasm: ## Build the core for wasm32, prove that it imports nothing, compare its decisions.
	scripts/wasm

fuzz-smoke: ## Each fuzz target for a fixed number of runs.
	scripts/fuzz smoke

mutants: ## Every seeded bug and planted fault still fits the source; `make slow` runs them.
	scripts/mutate.py --check
	scripts/planted.py --check

fix: ## Format, and apply what clippy can repair. Writes to the tree.
	cargo fmt --all
	cargo clippy --locked --workspace --all-targets --all-features --fix --allow-dirty --allow-staged

slow: ## The slow profile: seeded bugs, every conformance file, long fuzzing.
	scripts/slow

bench: ## All Criterion benches; compare figures of one machine only.
	cargo bench --locked --workspace
