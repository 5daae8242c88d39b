# SPDX-License-Identifier: Apache-2.0
# Programs with a known shape for the live tests. A toolchain that is missing leaves its program out, and the test
# that wants it says so.
WL := $(B)/tests/workloads
WL_CFLAGS := $(SYSROOT_FLAGS) -O2 -g -Wall -Wextra -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -fno-optimize-sibling-calls
WL_SPLIT := $(addprefix $(WL)/split-,pie nopie static static-pie cxx rust go)
WL_OTHER := $(addprefix $(WL)/,stuck_fuse comm_name many_processes)
WL_LINK_pie := -fPIE -pie
WL_LINK_nopie := -fno-pie -no-pie
WL_LINK_static := -fno-pie -static
WL_LINK_static-pie := -fPIE -static-pie

$(addprefix $(WL)/split-,pie nopie static static-pie): $(WL)/split-%: tests/workloads/split.c
	$(call say,WORK,split-$*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WL_CFLAGS) $(WL_LINK_$*) $< -o $@
$(WL)/split-cxx: tests/workloads/split.cc
	$(call say,WORK,split-cxx)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(WL_CFLAGS) $< -o $@
$(WL)/split-rust: tests/workloads/split.rs
	$(call say,WORK,split-rust)
	@mkdir -p $(@D)
	$(Q)MAKEFLAGS= rustc --crate-name split -O -g -C force-frame-pointers=yes -o $@ $<
# Nothing is fetched: one file, the standard library.
$(WL)/split-go: tests/workloads/split.go
	$(call say,WORK,split-go)
	@mkdir -p $(@D)
	$(Q)GOCACHE=$(abspath $(B))/tests/gocache GOTOOLCHAIN=local GOPROXY=off GO111MODULE=off GOFLAGS= go build -o $@ $<
$(WL)/stuck_fuse: tests/workloads/stuck_fuse.c
	$(call say,WORK,stuck_fuse)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -g -Wall -Wextra $< -o $@ $$($(PKG_CONFIG) --cflags --libs fuse3)
$(WL)/%: tests/workloads/%.c
	$(call say,WORK,$*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WL_CFLAGS) $< -o $@

# What runs on other kernels, in guests that may be of another architecture.
WL_GUEST := $(addprefix $(WL)/,split-static comm_name)
guest-workloads: $(WL_GUEST)
	@:

workloads: ## build the programs that the live tests watch
	$(Q)$(MAKE) --no-print-directory -k $(WL_SPLIT) $(WL_OTHER) || echo "some workloads could not be built" >&2
.PHONY: workloads guest-workloads
