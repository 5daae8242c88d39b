#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of fuzz_pclntab anew: tables of each layout with a few functions of the runtime, and the prologues that
# they would have. Needs as, ld and objcopy for x86-64; what is arm64 is written in numbers.
#
#     tests/fuzz/pclntab_seeds.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
mkdir -p "$here/corpus/pclntab"

# Functions are 64 bytes apart from 0x1000 on.
names=(_rt0_amd64_linux main.main runtime.goexit runtime.systemstack runtime.mcall gogo crosscall2 runtime.sigreturn)
flags=(0 0 5 6 6 6 4 4)
push_mov='.byte 0x55, 0x48, 0x89, 0xe5'
sub_mov_lea='.byte 0x48, 0x83, 0xec, 40, 0x48, 0x89, 0x6c, 0x24, 32, 0x48, 0x8d, 0x6c, 0x24, 32'
str_stur_sub='.long 0xf81e0ffe, 0xf81f83fd, 0xd10023fd, 0xa9017bfd'
stp_mov_sub='.long 0xa93ffa9d, 0x9100029f, 0xd10023fd, 0xf940379d'
# Pairs of a change of delta (twice, less one when negative) and how many bytes or words it then holds for.
up_8='2, 1, 16, 30, 15, 2, 0'
up_40='2, 4, 80, 0x20, 79, 1, 0'
up_32='2, 1, 64, 8, 63, 1, 0'
up_32_late='2, 2, 64, 8, 63, 1, 0'

# seed NAME FLAGS MAGIC QUANTUM CODE PCSP: the words of the header, the entries and the records differ by the magic
seed()
{
	local name=$1 quantum=$4 text=0x1000 i word=.long base=0 start
	local -i n=${#names[@]}

	case $3 in
	0xfffffffb | 0xfffffffa) word=.quad base=0x1000 ;;
	esac
	[ $(($2 & 4)) -eq 0 ] || text=0
	{
		echo "table: .long $3; .byte 0, 0, $quantum, 8; .quad $n"
		start=functab
		case $3 in
		0xfffffffb) start=table ;;
		0xfffffffa) echo '.quad 0, names - table, 0, 0, pctab - table, functab - table' ;;
		*) echo ".quad 0, $text, names - table, 0, 0, pctab - table, functab - table" ;;
		esac
		echo functab:
		for ((i = 0; i < n; i++)); do
			echo "$word $base + 64 * $i, record$i - $start"
		done
		echo "$word $base + 64 * $n"
		for ((i = 0; i < n; i++)); do
			echo "record$i: $word $base + 64 * $i"
			case $3 in
			0xfffffffb) echo ".long name$i - table, 0, 0, pcsp - table, 0, 0, 0, 0" ;;
			0xfffffff1) echo ".long name$i - names, 0, 0, pcsp - pctab, 0, 0, 0, 0, 0; .byte 0, ${flags[i]}, 0, 0" ;;
			*) echo ".long name$i - names, 0, 0, pcsp - pctab, 0, 0, 0, 0; .byte 0, ${flags[i]}, 0, 0" ;;
			esac
		done
		echo names:
		for ((i = 0; i < n; i++)); do
			echo "name$i: .asciz \"${names[i]}\""
		done
		echo "pctab: .byte 0; pcsp: .byte $6"
		[ $(($2 & 4)) -eq 0 ] || echo ".balign 8; .skip 160; .quad 0x1000, 0x1000 + 64 * $n, 0x1000"
	} | as -o "$T/table.o" -
	for ((i = 0; i < n; i++)); do
		echo "$5; .balign 64"
	done | as -o "$T/code.o" -
	objcopy -O binary "$T/table.o" "$T/table"
	objcopy -O binary "$T/code.o" "$T/code"
	{
		# shellcheck disable=SC2059 # the format is made here
		printf "\\x$(printf %02x "$2")\\x$(printf %02x $((64 * n & 255)))\\x$(printf %02x $((64 * n >> 8)))"
		cat "$T/code" "$T/table"
	} >"$here/corpus/pclntab/$name"
}

seed go1.15_amd64 0 0xfffffffb 1 "$sub_mov_lea" "$up_40"
seed go1.16_amd64 0 0xfffffffa 1 "$sub_mov_lea" "$up_40"
seed go1.18_amd64_pie 2 0xfffffff0 1 "$sub_mov_lea" "$up_40"
seed go1.21_amd64 0 0xfffffff1 1 "$push_mov" "$up_8"
seed go1.26_amd64 4 0xfffffff1 1 "$push_mov" "$up_8"
names[0]=_rt0_arm64_linux
seed go1.16_arm64 1 0xfffffffa 4 "$str_stur_sub" "$up_32"
seed go1.18_arm64_pie 3 0xfffffff0 4 "$str_stur_sub" "$up_32"
seed go1.26_arm64 5 0xfffffff1 4 "$stp_mov_sub" "$up_32_late"
