# The words that PostgreSQL people type; everything is done by cargo xtask.

.PHONY: install installcheck

install:
	cargo xtask install $(if $(PG_CONFIG),--pg-config $(PG_CONFIG))

installcheck:
	cargo xtask test
