# SPDX-License-Identifier: Apache-2.0
# Programs that compare our unwind tables with what others make of the same files.
TABLES := $(patsubst tests/tables/%.c,$(B)/tests/tables/%,$(wildcard tests/tables/*.c))

$(B)/tests/tables/%: tests/tables/%.c $(B)/libhostprof.a
	$(call say,TEST,$*)
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -MF $@.d $< $(B)/libhostprof.a -o $@ $(LDFLAGS_ALL) -ldw $(LDLIBS_ALL)

check-tables: export TABLE_PROGRAMS = $(abspath $(B))/tests/tables
check-tables: export ARM64_ROOT = $(abspath $(O))/tables-arm64
check-tables: $(TABLES) ## unwind tables against libdw, on many binaries (the arm64 ones are downloaded)
	$(Q)$(RUN) --timeout 900 $(wildcard tests/tables/*.sh)
.PHONY: check-tables
