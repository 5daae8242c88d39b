#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes vmlinux.h for an architecture: the kernel types named in types.list, from a kernel's BTF.
#
#   vmlinux/generate.sh ARCH [FILE [RELEASE]] >vmlinux/ARCH/vmlinux.h
#
# ARCH is x86_64 or arm64. FILE is BTF, a vmlinux or a bootable kernel image (vmlinuz, Image, Image.gz) of RELEASE; left
# out, it is the running kernel. A packed image needs python3 and its packer's tool (gzip, xz, zstd, lz4). CO-RE fits the
# fields to the kernel that runs, so which kernel the header comes from matters little.
set -eu

arch=$1
from=${2:-/sys/kernel/btf/vmlinux}
release=${3:-$(uname -r)}
here=$(dirname "$0")
bpftool=${BPFTOOL:-$(command -v bpftool || echo /usr/sbin/bpftool)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Kernel images hold the BTF section within (compressed) data: its header is magic 0xeb9f, version 1, flags 0, length 24.
cat >"$work/extract.py" <<'PYTHON'
import struct, subprocess, sys

image = open(sys.argv[1], "rb").read()
header = bytes.fromhex("9feb0100") + struct.pack("<I", 24)
PACKED = {b"\x1f\x8b\x08": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"\x02\x21\x4c\x18": "lz4"}


def find(data):
    at = data.find(header)
    while at >= 0:
        type_off, type_len, str_off, str_len = struct.unpack_from("<4I", data, at + 8)
        if type_off == 0 and str_off == type_len and type_len > 1 << 20 and at + 24 + str_off + str_len <= len(data):
            return data[at : at + 24 + str_off + str_len]
        at = data.find(header, at + 1)
    return None


def unpacked(data):
    yield data
    for magic, tool in PACKED.items():
        at = data.find(magic)
        while at >= 0:
            # The tools complain about what follows the packed kernel; their output counts.
            yield subprocess.run([tool, "-dc"], input=data[at:], capture_output=True).stdout
            at = data.find(magic, at + 1)


for candidate in unpacked(image):
    btf = find(candidate)
    if btf:
        open(sys.argv[2], "wb").write(btf)
        sys.exit(0)
sys.exit("no BTF in " + sys.argv[1])
PYTHON

if ! "$bpftool" btf dump file "$from" format c >"$work/full.h" 2>/dev/null; then
	python3 "$work/extract.py" "$from" "$work/btf"
	"$bpftool" btf dump file "$work/btf" format c >"$work/full.h"
fi

printf '/* Generated from the BTF of Linux %s by: vmlinux/generate.sh %s FILE %s >vmlinux/%s/vmlinux.h */\n' \
	"$release" "$arch" "$release" "$arch"
cat <<'HEAD'
/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Layouts are the kernel's at load time (CO-RE): members not used here are left out, order and offsets mean nothing. */
#pragma once

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

HEAD
awk '
FNR == NR {
	if ($1 == "struct") {
		fields[$2] = " "
		for (i = 3; i <= NF; i++)
			fields[$2] = fields[$2] $i " "
	} else if ($1 == "typedef" || $1 == "enum") {
		whole[$1 " " $2] = 1
	} else if ($1 == "values") {
		for (i = 2; i <= NF; i++)
			values[$i] = 1
	}
	next
}
# "struct name {" … "};": the asked fields, those of nested unnamed structs and unions as if they were its own
/^struct [A-Za-z0-9_]+ \{$/ {
	name = $2
	if (!(name in fields) || name in done) {
		skip = 1
		next
	}
	done[name] = in_struct = 1
	picked = ""
	next
}
in_struct && /^\};$|^\} __attribute__.*;$/ {
	if (picked != "")
		printf "struct %s {\n%s};\n\n", name, picked
	in_struct = 0
	next
}
in_struct {
	field = $0
	sub(/(\[[0-9]+\])*;$/, "", field)
	sub(/^.*[ \t*(]/, "", field)
	if ($0 ~ /;$/ && index(fields[name], " " field " ") && !(name " " field in done)) {
		done[name " " field] = 1
		line = $0
		sub(/^[ \t]+/, "\t", line)
		picked = picked line "\n"
	}
	next
}
skip && /^\}/ {
	skip = 0
	next
}
skip {
	next
}
/^enum( [A-Za-z0-9_]+)? \{$/ {
	is_whole = ("enum " $2) in whole
	in_enum = 1
	picked = is_whole ? $0 "\n" : ""
	next
}
in_enum && /^\}/ {
	if (is_whole)
		print picked "};\n"
	else if (picked != "")
		print "enum {\n" picked "};\n"
	in_enum = 0
	next
}
in_enum {
	if (is_whole || $1 in values)
		picked = picked $0 "\n"
	next
}
/^typedef struct \{$/ {
	text = $0 "\n"
	in_typedef = 1
	next
}
in_typedef {
	text = text $0 "\n"
	if (/^\}/) {
		in_typedef = 0
		name = $2
		sub(/;$/, "", name)
		if (("typedef " name) in whole)
			print text
	}
	next
}
/^typedef .*;$/ {
	name = $NF
	sub(/;$/, "", name)
	if (("typedef " name) in whole)
		print $0 "\n"
}' "$here/types.list" "$work/full.h"
echo '#pragma clang attribute pop'
