# SPDX-License-Identifier: Apache-2.0
# Programs with a known shape for the live tests. A toolchain that is missing leaves its program out, and the test
# that wants it says so.
WL := $(B)/tests/workloads
WL_CFLAGS := $(SYSROOT_FLAGS) -O2 -g -Wall -Wextra -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -fno-optimize-sibling-calls
WL_SPLIT := $(addprefix $(WL)/split-,pie nopie static static-pie cxx rust go)
WL_OTHER := $(addprefix $(WL)/,stuck_fuse comm_name bpf_burn jit_code many_processes many_stacks map_and_run frames-omit frames-fp)
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
$(WL)/frames-omit: WL_FRAMES := -fomit-frame-pointer
$(WL)/frames-fp: WL_FRAMES := -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer
$(WL)/frames-%: tests/workloads/frames.c
	$(call say,WORK,frames-$*)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 $(WL_FRAMES) -Wall -Wextra $< -o $@
$(WL)/%: tests/workloads/%.c
	$(call say,WORK,$*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WL_CFLAGS) $< -o $@

# Without frame pointers, with known call chains: what tests/integration/unwind.sh watches. NAME-KIND is made of NAME.c.
WL_BARE_CFLAGS := $(SYSROOT_FLAGS) -O2 -g -Wall -Wextra -D_GNU_SOURCE -fomit-frame-pointer
# With signed return addresses, which arm64 alone has.
WL_PAC := $(if $(filter arm64,$(ARCH)),pac)
WL_GOARCH := $(if $(filter arm64,$(ARCH)),arm64,amd64)
WL_BARE := $(addprefix $(WL)/,$(addprefix chain-,pie nopie static static-pie debug-frame clang musl musl-static) \
	brief brief-static calls contexts crypto dlopen noreturn plt realign realign-clang signals threads threads-musl vforks \
	$(WL_PAC:%=chain-%))
WL_DEEP := $(addprefix $(WL)/,deep-gcc deep-clang wide-gcc wide-clang $(WL_PAC:%=deep-%))
WL_LIBRARIES := $(addprefix $(WL)/,dlopen.so plt.so)
WL_UNWIND := $(WL_BARE) $(WL_DEEP) $(WL_LIBRARIES) $(addprefix $(WL)/,chain-rust chain-go chain-go-stripped throw compat)
WL_KIND = $(patsubst $(firstword $(subst -, ,$*))-%,%,$*)
WL_COMPILER = $(if $(findstring clang,$*),$(CLANG),$(if $(findstring musl,$*),musl-gcc,$(CC)))
WL_LINK_debug-frame := -fno-asynchronous-unwind-tables -fno-unwind-tables
WL_LINK_musl-static := -static
WL_LINK_pac := -mbranch-protection=standard
WL_LINK_crypto := -lcrypto
# Each word of the linker's table can be overwritten, each function is looked up at its first call.
WL_LINK_plt := -Wl,-z,lazy,-z,norelro -Wl,-rpath,'$$ORIGIN' $(WL)/plt.so

.SECONDEXPANSION:
$(WL)/plt: $(WL)/plt.so
$(WL_BARE): $(WL)/%: tests/workloads/$$(firstword $$(subst -, ,$$*)).c tests/workloads/chain.h
	$(call say,WORK,$*)
	@mkdir -p $(@D)
	$(Q)$(WL_COMPILER) $(WL_BARE_CFLAGS) $< -o $@ $(WL_LINK_$(WL_KIND))
$(WL_LIBRARIES): $(WL)/%.so: tests/workloads/%.c tests/workloads/chain.h
	$(call say,WORK,$*.so)
	@mkdir -p $(@D)
	$(Q)$(CC) $(WL_BARE_CFLAGS) -DLIBRARY -fPIC -shared -Wl,-soname,$*.so $< -o $@
$(WL)/deep.c $(WL)/wide.c: tests/workloads/deep.py
	@mkdir -p $(@D)
	$(Q)python3 $< $(if $(findstring deep,$(@F)),300,8200) >$@
$(WL_DEEP): $(WL)/%: $(WL)/$$(firstword $$(subst -, ,$$*)).c tests/workloads/chain.h
	$(call say,WORK,$*)
	$(Q)$(WL_COMPILER) $(WL_BARE_CFLAGS) $(WL_LINK_$(WL_KIND)) -Itests/workloads $< -o $@
$(WL)/throw: tests/workloads/throw.cc tests/workloads/chain.h
	$(call say,WORK,throw)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(WL_BARE_CFLAGS) $< -o $@
$(WL)/chain-rust: tests/workloads/chain.rs
	$(call say,WORK,chain-rust)
	@mkdir -p $(@D)
	$(Q)MAKEFLAGS= rustc --crate-name chain -O -g -C force-frame-pointers=no -o $@ $<
$(WL)/chain-go $(WL)/chain-go-stripped: $(WL)/%: tests/workloads/chain.go
	$(call say,WORK,$*)
	@mkdir -p $(@D)
	$(Q)GOCACHE=$(abspath $(B))/tests/gocache GOTOOLCHAIN=local GOPROXY=off GO111MODULE=off GOFLAGS= \
		GOARCH=$(WL_GOARCH) CGO_ENABLED=0 go build $(if $(findstring stripped,$*),-ldflags='-s -w') -o $@ $<
# Without libraries: none of 32 bits is needed.
$(WL)/compat: tests/workloads/compat.c
	$(call say,WORK,compat)
	@mkdir -p $(@D)
	$(Q)$(CC) -m32 -O2 -g -Wall -Wextra -ffreestanding -fno-pie -no-pie -fno-stack-protector -nostdlib -static $< -o $@

# What runs on other kernels, in guests that may be of another architecture.
WL_GUEST := $(addprefix $(WL)/,split-static comm_name chain-pie chain-static calls dlopen dlopen.so noreturn plt \
	plt.so realign signals threads deep-gcc chain-go chain-go-stripped $(WL_PAC:%=chain-%) $(WL_PAC:%=deep-%))
guest-workloads:
	$(Q)$(MAKE) --no-print-directory -k $(WL_GUEST) || echo "some workloads could not be built" >&2

workloads: ## build the programs that the live tests watch
	$(Q)$(MAKE) --no-print-directory -k $(WL_SPLIT) $(WL_OTHER) $(WL_UNWIND) || echo "some workloads could not be built" >&2
.PHONY: workloads guest-workloads
