#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of fuzz_eh_frame and fuzz_debug_frame anew: small programs with every directive that as knows, linked
# where the targets put their sections (cfi_file.h). Needs as and ld for x86-64 and arm64.
#
#     tests/fuzz/cfi_seeds.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT

# bytes NUMBER...
bytes()
{
	local number

	for number; do
		# shellcheck disable=SC2059 # the format is made here
		printf "\\x$(printf %02x "$number")"
	done
}
# seed NAME MACHINE PREFIX: assembles stdin, a program for the machine (0 x86-64, 1 arm64) with tools of that prefix
seed()
{
	local name=$1 machine=$2 prefix=$3 size

	"${prefix}as" -o "$T/object" -
	"${prefix}ld" -e 0 --eh-frame-hdr -Ttext=0x401000 --section-start=.eh_frame=0x10000000 \
		--section-start=.eh_frame_hdr=0x20000000 -o "$T/program" "$T/object"
	"${prefix}objcopy" --dump-section .eh_frame_hdr="$T/table" --dump-section .eh_frame="$T/eh_frame" \
		--dump-section .debug_frame="$T/debug_frame" "$T/program"
	size=$(stat -c %s "$T/table")
	{
		bytes "$machine" $((size & 255)) $((size >> 8))
		cat "$T/table" "$T/eh_frame"
	} >"$here/corpus/eh_frame/$name"
	{
		bytes "$machine"
		cat "$T/debug_frame"
	} >"$here/corpus/debug_frame/$name"
}

mkdir -p "$here/corpus/eh_frame" "$here/corpus/debug_frame"
seed x86_64 0 x86_64-linux-gnu- <<'ASM'
	.cfi_sections .eh_frame, .debug_frame
	.text
frame:
	.cfi_startproc
	push %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov %rsp, %rbp
	.cfi_def_cfa_register %rbp
	.cfi_remember_state
	pop %rbp
	.cfi_restore %rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_restore_state
	.skip 300
	.cfi_adjust_cfa_offset 8
	.cfi_undefined %rbx
	.skip 70000
	.cfi_same_value %rbp
	.cfi_register %rip, %rdi
	.cfi_rel_offset %r12, 8
	.cfi_escape 0x2e, 0x10
	.cfi_window_save
	nop
	.cfi_endproc
plt:
	.cfi_startproc
	.cfi_escape 0x0f, 0x0b, 0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22
	.skip 16
	.cfi_escape 0x0f, 0x06, 0x77, 0x98, 0x01, 0x06, 0x23, 0x08
	.skip 16
	.cfi_escape 0x0f, 0x03, 0x76, 0x78, 0x06, 0x10, 0x06, 0x02, 0x76, 0x00
	nop
	.cfi_endproc
signal:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_escape 0x0f, 0x04, 0x77, 0xa0, 0x01, 0x06, 0x10, 0x06, 0x03, 0x77, 0xf8, 0x00, 0x16, 0x10, 0x02, 0x77, 0x00
	nop
	.cfi_endproc
start:
	.cfi_startproc simple
	.cfi_personality 0x1b, frame
	.cfi_lsda 0x1b, plt
	.cfi_undefined %rip
	.cfi_val_offset %rsp, 16
	nop
	.cfi_endproc
ASM
seed arm64 1 aarch64-linux-gnu- <<'ASM'
	.cfi_sections .eh_frame, .debug_frame
	.text
frame:
	.cfi_startproc
	.cfi_b_key_frame
	paciasp
	.cfi_negate_ra_state
	stp x29, x30, [sp, -32]!
	.cfi_def_cfa_offset 32
	.cfi_offset x29, -32
	.cfi_offset x30, -24
	mov x29, sp
	.cfi_def_cfa x29, 32
	ldp x29, x30, [sp], 32
	.cfi_restore x29
	.cfi_restore x30
	.cfi_def_cfa sp, 0
	autiasp
	.cfi_negate_ra_state
	ret
	.cfi_endproc
start:
	.cfi_startproc
	.cfi_undefined x30
	nop
	.cfi_register x30, x17
	nop
	.cfi_endproc
signal:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa x29, 0
	.cfi_offset x29, 0
	.cfi_offset x30, 8
	nop
	.cfi_endproc
ASM
