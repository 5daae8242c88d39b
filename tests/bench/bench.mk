# SPDX-License-Identifier: Apache-2.0
# The benchmark programs: each prints lines "name target measured ok|MISS".
BENCH := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))
BENCH_SKEL := $(patsubst tests/bench/%.bpf.c,$(B)/tests/bench/%.skel.h,$(wildcard tests/bench/*.bpf.c))

$(B)/tests/bench/%.bpf.o: tests/bench/%.bpf.c $(B)/flags
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Wextra -Werror \
		-Ivmlinux/$(ARCH) -Iinclude -Ibpf -MMD -MP -c $< -o $@
$(B)/tests/bench/%.skel.h: $(B)/tests/bench/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $* >$@.tmp && mv $@.tmp $@
$(B)/tests/bench/%: tests/bench/%.c $(B)/libhostprof.a $(BENCH_SKEL) | $(SKEL)
	$(call say,BENCH,$*)
	@mkdir -p $(@D)
	$(Q)$(TEST_CC) -MF $@.d -I$(B)/tests/bench -Itests/unit $< $(B)/libhostprof.a -o $@ $(LDFLAGS_ALL) $(LDLIBS_ALL)
bench-programs: $(BENCH)
.PHONY: bench-programs
