# Everything there is to do here, by name. `make` alone lists it.
# Needed: git, a C compiler, make and Rust. PostgreSQL is fetched; nothing outside target/ is touched,
# but for packages that root's apt-get installs, and then it says so.

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary, target/release/pgtend
	cargo build --release --locked

demo: ## Show every job at work on a PostgreSQL of its own (DEMO="--keep" leaves it up)
	@scripts/postgres 18
	cargo build --locked
	@target/debug/pgtend demo $(DEMO)

test: ## Test on the lowest and the highest PostgreSQL supported, 13 and 18
	@scripts/test 13 18

test-all: ## Test on all six
	@scripts/test 13 14 15 16 17 18

soak: ## The daemon under load and kills, 10 minutes on 13 and on 18 (PGTEND_SOAK_MINUTES)
	@scripts/postgres 13 18
	cargo test --locked --test soak --no-run
	@PGTEND_TEST_MAJORS=13 cargo test --locked --test soak -- --nocapture & first=$$!; \
	  PGTEND_TEST_MAJORS=18 cargo test --locked --test soak -- --nocapture; second=$$?; \
	  wait $$first && exit $$second

figures: ## Measure what the README states: release binary, idle daemon (10 minutes)
	@scripts/figures

lint: ## Formatting, clippy, documentation links, dependencies, units, scripts
	@scripts/lint

bench: ## Measure maintenance beside pg_partman, with 10,000 partitions, and the archive (SCENE=idle, creation, many; rate, flat, daily, foreground: only that)
	@scripts/postgres 13 18
	@case "$(SCENE)" in rate|flat|daily|foreground) ;; *) \
	  scripts/partman && cargo bench --locked --bench partitions $(SCENE) ;; esac
	@case "$(SCENE)" in ""|rate|flat|daily|foreground) cargo bench --locked --bench archive $(SCENE) ;; esac

postgres: ## Fetch PostgreSQL 13 and 18 into target/postgres, for tests by hand
	@scripts/postgres 13 18

postgres-%: ## Fetch one major version: make postgres-15
	@scripts/postgres $*

.PHONY: help build demo test test-all soak figures lint bench postgres
.DEFAULT_GOAL := help
