postgres: ## Fetch PostgreSQL 13 and 18 for the tests and the demo (target/postgres)
	@scripts/postgres 13 18

postgres-all: ## Fetch all six major versions
	@scripts/postgres 13 14 15 16 17 18

postgres-%: ## Fetch one major version: postgres-15
	@scripts/postgres $*

.PHONY: postgres postgres-all
