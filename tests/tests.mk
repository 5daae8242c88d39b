# SPDX-License-Identifier: Apache-2.0
# The targets that install packages, need root or last long. Included by the Makefile.
include tests/workloads/workloads.mk tests/bench/bench.mk tests/tables/tables.mk

# Under sudo what is built belongs to who typed it, so that a plain "make" works afterwards.
GIVE_BACK = if [ "$$(id -u)" -eq 0 ] && [ -n "$${SUDO_UID:-}" ]; then chown -Rh "$$SUDO_UID:$${SUDO_GID:-$$SUDO_UID}" $(O); fi
JOBS ?= $(shell nproc)
SUBMAKE = $(MAKE) --no-print-directory

deps: ## install the packages that building and running need (root)
	$(Q)tests/deps.sh build
deps-test: ## and those that the tests need (root)
	$(Q)tests/deps.sh test

RUN_OPTIONS ?= -d 10
# Makes of their own: before "deps" there may be no pkg-config to ask.
run: ## install, build, and profile this machine for 10 s (root)
	$(Q)tests/deps.sh build
	$(Q)status=0; $(SUBMAKE) -j$(JOBS) all || status=$$?; $(GIVE_BACK); exit $$status
	$(Q)$(B)/hostprof record $(RUN_OPTIONS)

# Everything. Each phase adds to one summary; a phase that could not even begin is a failure in it.
PHASES ?= check check-asan check-source check-tables check-root check-kernels
TEST_FLOOR ?= 1550
TEST_SUMMARY := $(O)/test-summary
test: ## install what is missing and run every test (root)
	$(Q)tests/deps.sh test
	@mkdir -p $(O); rm -f $(TEST_SUMMARY)
	$(Q)for phase in $(PHASES); do \
		echo "== $$phase"; \
		before=$$(grep -c ^begin $(TEST_SUMMARY) 2>/dev/null); \
		$(SUBMAKE) -j$(JOBS) $(if $(filter true,$(CI)),DEV=1) SUMMARY=$(TEST_SUMMARY) $$phase || \
			[ "$$(grep -c ^begin $(TEST_SUMMARY) 2>/dev/null)" != "$$before" ] || \
			tests/run --summary-file $(TEST_SUMMARY) --phase $$phase >/dev/null; \
	done; \
	$(GIVE_BACK); \
	tests/run --floor $(TEST_FLOOR) --summary-file $(TEST_SUMMARY) --total

check-source: export CLANG_FORMAT := $(CLANG_FORMAT)
check-source: ## check-layers, check-headers, check-format and lint as tests
	$(Q)$(RUN) --timeout 900 tests/source_checks.sh

# One after the other: they watch the machine.
LIVE := $(patsubst %,tests/integration/%.sh,ground_truth accounting command files bad_input pprof_tools flamegraph_browser \
	short_lived containers jit kernel_names versus_perf faults debug_files debuginfod symbolize memory unwind unwind_programs \
	versus_perf_dwarf)
LIVE := $(filter $(LIVE),$(wildcard tests/integration/*.sh))
check-root: export WORKLOADS = $(abspath $(WL))
check-root: $(B)/hostprof workloads ## live tests on this machine (root)
	$(Q)$(RUN) --timeout 600 $(LIVE)

KERNEL_TESTS := tests/kernels/kernels.sh
KERNEL_IMAGES := $(abspath $(O))/kernels
# A sysroot of Debian's packages of this machine's own suite, for the cross compiler, and what the guest is made of.
ARM64_ROOT := $(KERNEL_IMAGES)/root-arm64
ARM64_PACKAGES := libc6-dev libbpf-dev libelf-dev zlib1g-dev liblzma-dev libzstd-dev libprotobuf-c-dev libcap-dev libseccomp-dev \
	libiberty-dev libmd-dev libjansson-dev libcurl4-openssl-dev busybox-static util-linux
arm64: ## cross build for arm64 under $(O)/arm64, on a Debian machine
	$(Q)tests/kernels/debian.sh root "$$(. /etc/os-release && echo $$VERSION_CODENAME)" arm64 $(ARM64_ROOT) $(ARM64_PACKAGES)
	+$(Q)$(SUBMAKE) O=$(O)/arm64 ARCH=arm64 CC=aarch64-linux-gnu-gcc CROSS_COMPILE=aarch64-linux-gnu- SYSROOT=$(ARM64_ROOT) \
		all guest-workloads
check-kernels: export WORKLOADS = $(abspath $(WL))
check-kernels: export KERNEL_IMAGES := $(KERNEL_IMAGES)
check-kernels: export ARM64_BUILD = $(abspath $(O))/arm64
check-kernels: export ARM64_ROOT := $(ARM64_ROOT)
check-kernels: $(B)/hostprof workloads ## live tests on other kernels, in QEMU
	+$(Q)$(SUBMAKE) arm64 || echo "no arm64 build" >&2
	$(Q)$(RUN) --timeout 1200 $(KERNEL_TESTS)

bench: export WORKLOADS = $(abspath $(WL))
bench: export HOSTPROF = $(abspath $(B))/hostprof
bench: export BENCH_BIN = $(abspath $(B))/tests/bench
bench: export TABLE_PROGRAMS = $(abspath $(B))/tests/tables
bench: $(B)/hostprof workloads bench-programs $(B)/tests/tables/dwarf_frames ## measure against the targets; fails on a MISS (root)
	$(Q)tests/bench/run.sh

SOAK_FUZZ ?= 300
soak: export WORKLOADS = $(abspath $(WL))
soak: export TABLE_PROGRAMS = $(abspath $(B))/tests/tables
soak: export ARM64_ROOT = $(abspath $(O))/tables-arm64
soak: export UNWIND_SECONDS = 60
soak: export ROW_PCS = 500000
soak: $(B)/hostprof workloads $(TABLES) ## the tests of unwinding at length, then SOAK_FUZZ seconds of each fuzz target (root)
	$(Q)$(RUN) --timeout 7200 $(filter %/unwind.sh %/unwind_programs.sh %/versus_perf_dwarf.sh,$(LIVE)) $(wildcard tests/tables/*.sh)
	+$(Q)for target in $(FUZZ); do $(SUBMAKE) fuzz T=$$target TIME=$(SOAK_FUZZ) || exit; done

SUITE ?= bookworm
check-fresh: ## clone into a fresh Debian root and "make run" there: SUITE=bookworm|trixie (root, network)
	$(Q)tests/integration/fresh_root.sh $(SUITE) $(FRESH)

.PHONY: deps deps-test run test check-source check-root arm64 check-kernels bench soak check-fresh
