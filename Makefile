# What people run. Everything is built once, in one target directory and one profile, because
# RocksDB's C++ takes many minutes: never mix profiles or feature sets here.

CARGO_TARGET_DIR ?= $(HOME)/.cache/martlet/target
export CARGO_TARGET_DIR

# `--workspace` everywhere: with one feature set librocksdb-sys is compiled exactly once.
CARGO_FLAGS := --release --workspace --locked
DATA ?= data
TOOLS ?= $(HOME)/.cache/martlet/tools
CARGO_DENY := 0.20.2

.DEFAULT_GOAL := help
.PHONY: help serve test demo check tools build deps

help:
	@echo 'make serve   build, then run the server for development: 127.0.0.1:7400, data in ./$(DATA)'
	@echo 'make demo    a server and two people in one terminal: each state change is printed'
	@echo 'make test    every test'
	@echo 'make check   formatting, lints with warnings denied, documentation, licences'
	@echo 'make tools   install what checks licences (cargo-deny), some minutes'
	@echo ''
	@echo 'Each installs what is missing with apt-get (as root or with sudo), or says what to install.'
	@echo 'The first build compiles RocksDB: about 20 minutes on two cores.'
	@echo 'Build output: $(CARGO_TARGET_DIR) (set CARGO_TARGET_DIR to change it).'

deps:
	@scripts/install-deps.sh

build: deps
	cargo build $(CARGO_FLAGS)

serve: build
	@echo 'In another terminal:  export PATH="$(CARGO_TARGET_DIR)/release:$$PATH"  and then: martlet --help'
	exec "$(CARGO_TARGET_DIR)/release/martletd" serve --dev -d "$(DATA)"

demo: build
	scripts/demo.sh "$(CARGO_TARGET_DIR)/release"

test: deps
	cargo test $(CARGO_FLAGS)

check: deps
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc $(CARGO_FLAGS) --no-deps
	@if [ -x "$(TOOLS)/bin/cargo-deny" ]; then \
		"$(TOOLS)/bin/cargo-deny" --all-features check bans licenses sources; \
	else \
		echo "cargo-deny is not installed: licences and crate arrows were not checked ('make tools')"; \
	fi

# A tool of its own, in a place and a target directory of its own.
tools: deps
	@[ -x "$(TOOLS)/bin/cargo-deny" ] || CARGO_TARGET_DIR="$(TOOLS)/target" \
		cargo install --locked --root "$(TOOLS)" --version $(CARGO_DENY) cargo-deny
	@rm -rf "$(TOOLS)/target"
