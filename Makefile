# SPDX-License-Identifier: Apache-2.0
# hostprof: `make help` lists the targets. All output goes under $(O); V=1 prints the commands.
# For another architecture: make O=build/arm64 ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- SYSROOT=DIR, where DIR holds that
# architecture's libraries and headers.

comma := ,
space := $(subst ,, )

O ?= build
prefix ?= /usr/local
bindir ?= $(prefix)/bin
mandir ?= $(prefix)/share/man
# Prefix of the tools, and the root under which libraries and headers are looked for.
CROSS_COMPILE ?=
SYSROOT ?=
ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin CXX),default)
CXX := $(CROSS_COMPILE)g++
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
CLANG ?= clang
# Versions format differently: 14 is the one that counts.
CLANG_FORMAT ?= $(firstword $(shell command -v clang-format-14 clang-format) clang-format)
CLANG_TIDY ?= $(firstword $(shell command -v clang-tidy-14 clang-tidy) clang-tidy)
ifdef SYSROOT
SYSROOT_FLAGS := --sysroot=$(abspath $(SYSROOT))
# Of the sysroot alone. Its "lib" holds a folder of each architecture.
PKG_CONFIG ?= PKG_CONFIG_SYSROOT_DIR=$(abspath $(SYSROOT)) PKG_CONFIG_LIBDIR=$(subst $(space),:,$(wildcard \
	$(addprefix $(abspath $(SYSROOT))/usr/,lib/*/pkgconfig lib64/pkgconfig lib/pkgconfig share/pkgconfig))) pkg-config
else
PKG_CONFIG ?= pkg-config
endif
BPFTOOL ?= $(firstword $(shell command -v bpftool 2>/dev/null) $(wildcard /usr/sbin/bpftool /sbin/bpftool) \
	$(lastword $(sort $(wildcard /usr/lib/linux-tools/*/bpftool))) bpftool)
PROTOC_C ?= protoc-c
OBJCOPY ?= $(CROSS_COMPILE)objcopy

VERSION := $(shell cat VERSION)
# x86_64 or arm64: names vmlinux/<arch>; libbpf's macros want x86 or arm64.
ARCH ?= $(patsubst aarch64,arm64,$(shell uname -m))
BPF_ARCH := $(patsubst x86_64,x86,$(ARCH))

# Each set of sanitizers has its own tree: make SANITIZE=address,undefined
ifdef SANITIZE
B := $(O)/$(subst $(comma),-,$(subst $(space),,san-$(SANITIZE)))
SAN_FLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -DHOSTPROF_SANITIZED
else
B := $(O)
endif

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-6s %s\n' $(1) $(2)
endif

LIBS_PKG := libbpf libelf zlib liblzma libzstd libprotobuf-c libcap libseccomp libmd jansson
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 -Wundef -Wwrite-strings
ifeq ($(DEV),1)
WARN += -Werror
endif
CPPFLAGS_ALL = $(SYSROOT_FLAGS) -D_GNU_SOURCE -DHOSTPROF_VERSION='"$(VERSION)"' -Iinclude -Isrc -I$(B)/gen $(CPPFLAGS)
CFLAGS_ALL = -std=gnu11 $(WARN) -fno-strict-aliasing $(SAN_FLAGS) $(CFLAGS)
# Position independent, hardened: it runs with capabilities.
HARDEN := -fPIE -fstack-protector-strong
LDFLAGS_ALL = $(SYSROOT_FLAGS) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN_FLAGS) $(LDFLAGS)
LIBS = $(eval LIBS := $(shell $(PKG_CONFIG) --libs $(LIBS_PKG)))$(LIBS)
LDLIBS_ALL = $(LIBS) -liberty -lm $(LDLIBS)

SRC := $(wildcard src/*/*.c)
OBJ := $(SRC:src/%.c=$(B)/obj/%.o) $(patsubst src/%.proto,$(B)/obj/%.pb-c.o,$(wildcard src/encode/profile.proto))
LIB_OBJ := $(OBJ)
BPF_SRC := $(wildcard bpf/*.bpf.c)
SKEL := $(BPF_SRC:bpf/%.bpf.c=$(B)/gen/%.skel.h)

MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:

all: $(B)/hostprof ## build the program

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Rebuild when the flags change.
FLAGS_TEXT = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(HARDEN) $(LDFLAGS_ALL)
$(B)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' "$$FLAGS_NOW" | cmp -s - $@ || printf '%s\n' "$$FLAGS_NOW" >$@
$(B)/flags: export FLAGS_NOW = $(FLAGS_TEXT)
FORCE:

$(B)/obj/%.o: src/%.c $(B)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) -include include/banned.h $(CFLAGS_ALL) $(HARDEN) -MMD -MP -c $< -o $@

$(B)/gen/encode/profile.pb-c.c $(B)/gen/encode/profile.pb-c.h &: src/encode/profile.proto
	$(call say,PROTO,$<)
	@mkdir -p $(@D)
	$(Q)$(PROTOC_C) --proto_path=src/encode --c_out=$(B)/gen/encode $<
$(B)/obj/encode/profile.pb-c.o: $(B)/gen/encode/profile.pb-c.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) -I$(B)/gen/encode $(CFLAGS_ALL) -w $(HARDEN) -c $< -o $@

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(B)/flags
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror \
		-Ivmlinux/$(ARCH) -Iinclude -Ibpf -MMD -MP -c $< -o $@
$(B)/gen/%.skel.h: $(B)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $* >$@.tmp && mv $@.tmp $@

# The walk in user space is the kernel's.
$(B)/obj/table/host_walk.o: private CPPFLAGS += -Ibpf -D__TARGET_ARCH_$(BPF_ARCH)

# Before the first build there are no .d files that would say so.
$(filter $(B)/obj/collector/%,$(OBJ)): | $(SKEL)
$(filter $(B)/obj/encode/%,$(OBJ)): | $(B)/gen/encode/profile.pb-c.h
# Its text is taken in by the assembler, which writes no .d file.
$(B)/obj/encode/flamegraph_page.o: $(wildcard src/encode/page/*)

$(B)/libhostprof.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/hostprof: $(B)/obj/main.o $(B)/libhostprof.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(HARDEN) $^ -o $@ $(LDFLAGS_ALL) $(LDLIBS_ALL)

# --- install -------------------------------------------------------------------------------------------------------
$(B)/hostprof.1: $(B)/hostprof
	$(call say,MAN,$@)
	$(Q)$< --man >$@.tmp && mv $@.tmp $@
install: $(B)/hostprof $(B)/hostprof.1 ## install program and man page under DESTDIR and prefix
	$(call say,INSTALL,$(DESTDIR)$(bindir)/hostprof)
	$(Q)install -D -m 755 $(B)/hostprof $(DESTDIR)$(bindir)/hostprof
	$(Q)install -D -m 644 $(B)/hostprof.1 $(DESTDIR)$(mandir)/man1/hostprof.1

# --- tests ---------------------------------------------------------------------------------------------------------
# tests/run adds up; with SUMMARY=file its totals join those of other targets (tests/run --total).
# Floors: raise them as tests are added, so that tests cannot vanish unseen.
CHECK_FLOOR ?= 500
ASAN_FLOOR ?= 420
SUMMARY ?=
RUN = CI='$(CI)' HOSTPROF=$(abspath $(B)/hostprof) tests/run $(if $(SUMMARY),--summary-file $(SUMMARY) --phase $@)
ASAN := address,undefined
TEST_ENV := ASAN_OPTIONS=handle_segv=2:allocator_may_return_null=1:detect_stack_use_after_return=1 \
	UBSAN_OPTIONS=print_stacktrace=1

UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY := $(FUZZ:%=$(B)/tests/fuzz/replay_%)
CLI_TESTS := $(filter-out tests/cli/lib%,$(wildcard tests/cli/*.sh))

# What unit tests are linked with: our objects, with the allocations redirected to tests/unit/oom.c.
OOM_SYMBOLS := malloc calloc realloc reallocarray strdup strndup
$(B)/tests/libhostprof.a: $(B)/libhostprof.a
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) $(foreach symbol,$(OOM_SYMBOLS),--redefine-sym $(symbol)=oom_$(symbol)) $< $@
TEST_CC = $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -Itests/unit -MMD -MP
$(B)/tests/oom.o: tests/unit/oom.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -c $< -o $@
$(B)/tests/unit/%: tests/unit/%.c $(B)/tests/oom.o $(B)/tests/libhostprof.a
	$(call say,TEST,$*)
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -MF $@.d $< $(B)/tests/oom.o $(B)/tests/libhostprof.a -o $@ $(LDFLAGS_ALL) -lcmocka -ldw $(LDLIBS_ALL)
$(B)/tests/replay.o: tests/fuzz/replay.c $(B)/flags
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -c $< -o $@
$(B)/tests/fuzz/replay_%: tests/fuzz/fuzz_%.c $(B)/tests/replay.o $(B)/libhostprof.a
	$(call say,TEST,replay_$*)
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -MF $@.d -Wno-missing-prototypes $< $(B)/tests/replay.o $(B)/libhostprof.a -o $@ $(LDFLAGS_ALL) $(LDLIBS_ALL)

unit: $(UNIT) ## build the unit test programs
check: $(UNIT) $(REPLAY) $(B)/hostprof ## unit tests, fuzz corpora, command line; neither root nor network
	$(Q)$(TEST_ENV) $(RUN) --floor $(CHECK_FLOOR) $(UNIT) $(REPLAY) $(CLI_TESTS)
check-asan: ## unit tests and fuzz corpora with AddressSanitizer and UBSan
	$(Q)$(MAKE) SANITIZE=$(ASAN) check-sanitized
check-sanitized: $(UNIT) $(REPLAY)
	$(Q)$(TEST_ENV) $(RUN) --floor $(ASAN_FLOOR) $(UNIT) $(REPLAY)

# Programs that survive the failure of any one allocation.
OOM_UNITS := buf cfi code_ranges code_scan copy_store debug_cache debug_files debug_search debuginfod demangle dwarf dwarf_files dwarf_tree elf_file extents \
	file_names file_report file_pages go_rows gopclntab intern io jit_code jit_names jitdump kernel_names ksyms map mapping_set \
	object_cache object_file options output perf_map pprof_edit profile_names procfs progress record_dictionary report row_store rule_dictionary stack_store \
	symtab table_build table_writer text unpack unwind_report vdso vec
check-oom: $(OOM_UNITS:%=$(B)/tests/unit/test_%) ## unit tests with the Nth allocation failing, for every N
	$(Q)$(RUN) --timeout 1800 tests/check-oom.sh
check-oom: export OOM_PROGRAMS = $(OOM_UNITS:%=$(B)/tests/unit/test_%)

# libFuzzer wants clang and its own build of everything.
TIME ?= 60
FUZZ_DIR := $(O)/fuzz
fuzz: ## explore with libFuzzer: make fuzz T=maps_line TIME=60
	$(Q)test -n "$(T)" || { echo 'which target? T=one of: $(FUZZ)' >&2; exit 2; }
	$(Q)$(MAKE) O=$(FUZZ_DIR) CC=$(CLANG) SANITIZE=fuzzer-no-link,$(ASAN) fuzz-run T=$(T) TIME=$(TIME)
fuzz-run: $(B)/tests/fuzz/fuzz_$(T)
	@mkdir -p $(O)/found/$(T) $(O)/corpus/$(T)
	$(Q)$(B)/tests/fuzz/fuzz_$(T) -max_total_time=$(TIME) -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix=$(O)/found/$(T)/ $(FUZZ_OPTIONS) $(O)/corpus/$(T) tests/fuzz/corpus/$(T)
$(B)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(B)/libhostprof.a
	$(call say,TEST,fuzz_$*)
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -MF $@.d -Wno-missing-prototypes $< $(B)/libhostprof.a -o $@ $(LDFLAGS_ALL) -fsanitize=fuzzer $(LDLIBS_ALL)

# --- the source itself -----------------------------------------------------------------------------------------------
C_FILES := $(shell find src include bpf tests -name '*.[ch]' | LC_ALL=C sort)
SCRIPTS = $(shell find . -name '*.sh' -not -path './$(O)/*' -not -path './.git/*' | LC_ALL=C sort) tests/run $(wildcard .ci/run)
HEADERS := $(filter-out include/banned.h,$(shell find include src -name '*.h' | LC_ALL=C sort))
GENERATED := $(SKEL) $(patsubst src/%.proto,$(B)/gen/%.pb-c.h,$(wildcard src/encode/profile.proto))

format: ## format the C files
	$(Q)$(CLANG_FORMAT) -i $(C_FILES)
check-format: ## are the C files formatted?
	$(Q)$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)
check-layers: ## does each folder include only what its layer may?
	$(Q)tests/check-layers.sh
# Nothing comes before the header, so that it must bring what it needs.
check-headers: $(GENERATED) ## does each header compile alone?
	$(Q)status=0; for header in $(HEADERS:include/%=%); do \
		printf '#include "%s"\n' $$header | $(CC) $(CPPFLAGS_ALL) -I. $(CFLAGS_ALL) -Werror -fsyntax-only -x c - || status=1; \
	done; \
	for header in $(patsubst include/%,%,$(wildcard include/wire/*.h)); do \
		printf '#include "vmlinux.h"\n#include "%s"\n' $$header | $(CLANG) -g -O2 -target bpf -mcpu=v3 \
			-D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror -Ivmlinux/$(ARCH) -Iinclude -fsyntax-only -x c - || status=1; \
	done; exit $$status
lint: $(GENERATED) ## clang-tidy and shellcheck
	$(call say,LINT,'C files')
	$(Q)printf '%s\n' $(SRC) $(wildcard src/main.c) | xargs -P $$(nproc) -n 1 sh -c \
		'out=$$($(CLANG_TIDY) --quiet "$$1" -- -include tests/lint.h $(CPPFLAGS_TIDY) 2>&1) || { printf "%s\n" "$$out"; exit 1; }' tidy
	$(call say,LINT,scripts)
	$(Q)shellcheck $(SCRIPTS)
CPPFLAGS_TIDY = -std=gnu11 -Ibpf -D_GNU_SOURCE -DHOSTPROF_VERSION=\"$(VERSION)\" -Iinclude -Isrc -I$(B)/gen -I$(B)/gen/encode

coverage: ## lines of src/ that the unit tests run
	$(Q)$(MAKE) O=$(O)/coverage CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage coverage-report
coverage-report: $(UNIT)
	$(Q)find $(B) -name '*.gcda' -delete
	$(Q)$(RUN) $(UNIT)
	$(Q)gcov -n $(OBJ) 2>/dev/null | awk -F "'" '/^File/ { file = $$2 } \
		/^Lines executed/ && file ~ /^src\// { split($$0, part, /[:% ]+/); lines = part[5]; covered = lines * part[3] / 100; \
			printf "%6.1f %% of %5d  %s\n", part[3], lines, file; all += lines; hit += covered; file = "" } \
		END { if (all) printf "%6.1f %% of %5d  all\n", 100 * hit / all, all }' | sort -k4

# Instructions per BPF program and function, and what changed against bpf/sizes (RECORD=1 writes it anew).
bpf-size: $(BPF_SRC:bpf/%.bpf.c=$(B)/bpf/%.bpf.o) ## instructions of each BPF program
	$(Q)for object in $^; do readelf -sW $$object | awk '$$4 == "FUNC" { print $$8, $$3 / 8 }'; done | LC_ALL=C sort >$(B)/bpf/sizes
	$(if $(RECORD),$(Q)cp $(B)/bpf/sizes bpf/sizes)
	$(Q)awk 'FILENAME == ARGV[1] { old[$$1] = $$2; next } { printf "%-40s %6d", $$1, $$2; \
		if ($$1 in old && old[$$1] != $$2) printf " (%+d)", $$2 - old[$$1]; \
		print $$1 in old ? "" : " (new)" }' $(if $(wildcard bpf/sizes),bpf/sizes,/dev/null) $(B)/bpf/sizes

vmlinux: ## write vmlinux/*/vmlinux.h anew (see the script for what it needs)
	$(Q)vmlinux/generate.sh
compdb: $(GENERATED) ## compile_commands.json for editors, under $(O)
	$(Q){ echo '['; $(foreach file,$(SRC) $(wildcard src/main.c),printf '%s{"directory": "%s", "file": "%s", "command": "%s"}\n' \
		'$(if $(filter-out $(firstword $(SRC)),$(file)),$(comma))' '$(CURDIR)' '$(file)' \
		'$(CC) $(subst ",\",$(subst \,\\,$(CPPFLAGS_TIDY))) $(WARN) -c $(file)';) echo ']'; } >$(O)/compile_commands.json

clean: ## remove everything built
	$(Q)rm -rf $(O)

.PHONY: all help install unit check check-asan check-sanitized check-oom fuzz fuzz-run format check-format check-layers
.PHONY: check-headers lint coverage coverage-report bpf-size vmlinux compdb clean FORCE
# deps, run, test, check-root, check-kernels, bench
-include tests/tests.mk
-include $(wildcard $(B)/obj/*.d $(B)/obj/*/*.d $(B)/bpf/*.d $(B)/tests/*.d $(B)/tests/*/*.d)
