#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# tests/check-layers.sh finds each kind of forbidden include and call in a small tree, and nothing in a clean one.
set -u

check=$(cd "$(dirname "$0")/.." && pwd)/check-layers.sh
tree=$TEST_TMPDIR/tree

# clean_tree: a tree that keeps the layers.
clean_tree()
{
	rm -rf "$tree"
	mkdir -p "$tree"/{src,include}/{base,ipc,collector,opener,elf,symbol,profile,encode,resolver,cli} "$tree/include/wire"
	echo '#include "base/buf.h"' >"$tree/src/base/buf.c"
	cat >"$tree/src/resolver/resolver.c" <<-'S'
		#include "resolver/resolver.h"
		#include <stdio.h>
		#include "elf/elf_file.h"
		#include "encode/sink.h" /* #include "collector/sampler.h" */
		/* open("x") is what we never do:
		#include "opener/opener.h"
		 */
		int f(int fd) { return fdopen(fd, "open(") && fd_open(fd) && fstat(fd); }
	S
	cat >"$tree/src/cli/record.c" <<-'S'
		#include "collector/sampler.h"
		#include "opener/opener.h"
		#include "resolver/resolver.h"
	S
	cat >"$tree/src/collector/sampler.c" <<-'S'
		#include <bpf/libbpf.h>
		#include "profiler.skel.h"
		#include "wire/sample.h"
		#include "sampler_internal.h"
		#include "counters.def"
	S
	echo '#include "cli/record.h"' >"$tree/src/main.c"
}

# finds NAME FILE TEXT: the text, added to the file of a clean tree, is refused with the file's name and line.
finds()
{
	local name=$1 file=$2 text=$3 out line

	clean_tree
	printf '%s\n' "$text" >>"$tree/$file"
	line=$(wc -l <"$tree/$file")
	if out=$("$check" "$tree" 2>&1) || [[ $out != *"$file:$line: "* ]]; then
		echo "not ok $name"
		echo "said: $out" >&2
	else
		echo "ok $name"
	fi
}

clean_tree
if "$check" "$tree"; then
	echo 'ok clean_tree_passes'
else
	echo 'not ok clean_tree_passes'
fi

finds collector_in_resolver src/resolver/resolver.c '#include "collector/sampler.h"'
finds include_with_blanks src/resolver/resolver.c ' #  include   "collector/sampler.h"'
finds include_in_angle_brackets src/resolver/resolver.c '#include <collector/sampler.h>'
finds include_of_a_header include/base/map.h '#include "ipc/channel.h"'
finds shelf_in_opener src/opener/opener.c '#include "elf/elf_file.h"'
finds resolver_in_encoder src/encode/pprof.c '#include "resolver/builder.h"'
finds symbols_in_profile src/profile/profile.c '#include "symbol/ksyms.h"'
finds wire_in_profile src/profile/profile.c '#include "wire/frame.h"'
finds elf_in_collector src/collector/sampler.c '#include "elf/elf_file.h"'
finds inner_header_of_the_resolver_in_cli src/cli/record.c '#include "resolver/builder.h"'
finds shelf_in_main src/main.c '#include "symbol/ksyms.h"'
finds way_round_by_dots src/encode/pprof.c '#include "../resolver/builder.h"'
finds macro_include src/encode/pprof.c '#include HEADER'
finds libbpf_in_resolver src/resolver/resolver.c '#include <bpf/libbpf.h>'
finds skeleton_in_cli src/cli/record.c '#include "profiler.skel.h"'
finds libelf_in_symbol src/symbol/ksyms.c '#include <gelf.h>'
finds zlib_in_resolver src/resolver/resolver.c '#include <zlib.h>'
finds lzma_in_resolver src/resolver/resolver.c '#include <lzma.h>'
finds zstd_in_encoder src/encode/pprof.c '#include <zstd.h>'
finds protobuf_in_resolver src/resolver/resolver.c '#include <protobuf-c/protobuf-c.h>'
finds generated_messages_in_resolver src/resolver/resolver.c '#include "encode/profile.pb-c.h"'
finds seccomp_in_cli src/cli/record.c '#include <seccomp.h>'
finds capabilities_in_collector src/collector/sampler.c '#include <sys/capability.h>'
finds socket_in_resolver src/resolver/resolver.c '#include <sys/socket.h>'
finds open_in_resolver src/resolver/resolver.c 'int g(void) { return open ("/etc/passwd", 0); }'
finds openat_in_elf src/elf/elf_file.c 'int g(int d) { return openat(d, "x", 0); }'
finds fopen_in_symbol src/symbol/ksyms.c 'void *g(void) { return (void *)fopen("x", "r"); }'
finds socket_call_in_encoder src/encode/pprof.c 'int g(void) { return socket(1, 1, 0); }'

clean_tree
mkdir "$tree/src/stray"
if "$check" "$tree" 2>/dev/null; then
	echo 'not ok folder_without_a_layer'
else
	echo 'ok folder_without_a_layer'
fi
if "$check" "$TEST_TMPDIR" 2>/dev/null; then
	echo 'not ok tree_without_sources'
else
	echo 'ok tree_without_sources'
fi
