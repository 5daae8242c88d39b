/* SPDX-License-Identifier: Apache-2.0 */
/* Rows made from the code itself, where a file has no CFI for it: musl, hand-written assembly, the arm64 vDSO.
 *
 * From each function start the scan follows the instructions and every branch that it can read, and carries along how
 * far sp is from the CFA, what the frame pointer holds, and where it and the link register were saved. Where paths
 * that disagree meet, where an instruction does to sp or fp what the scan cannot follow, and in code that nothing
 * leads to, there is no rule (UNWIND_CFA_NONE): none is better than a wrong one.
 *
 * Function starts are those that the caller knows, and the targets of direct calls within the region. A signal
 * trampoline (a function that begins with the system call rt_sigreturn) gets UNWIND_CFA_SIGNAL, one byte early, as it
 * is looked up by the return address less one. Code that cleared the frame pointer of its caller without having saved
 * it, and does not return, is the first of its thread (psABI 3.4.1) and gets UNWIND_CFA_STOP.
 *
 * The bytes are hostile. Time is linear in their number. Memory is three bytes for each byte of x86-64 code, at most
 * ten, and one for each of arm64, at most three; and some MiB beside that. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/row_sink.h"

/* More code than this is given in pieces; what leads from one into another is lost. */
#define CODE_SCAN_MAX_BYTES (32u << 20)

struct code_scan_region {
	uint16_t machine; /* EM_X86_64 or EM_AARCH64 */
	uint64_t va;	  /* elf_va of the first byte */
	const uint8_t *bytes;
	size_t n;
	/* elf_va where functions begin, sorted; those outside the region count for nothing. The cold part that a
	 * compiler moved away ("name.cold") is no function: it begins in the middle of one. */
	const uint64_t *starts;
	size_t n_starts;
};

/* Rows of the region, the first at region->va, none at or behind its end; equal neighbours may occur. Returns 0;
 * -E2BIG, -ENOMEM, -ENOTSUP (machine), or what the sink said. */
int code_scan(const struct code_scan_region *region, const struct row_sink *sink);

/* Rows of a procedure linkage table (.plt, .plt.sec, .plt.got, .iplt), in which each entry is a function that jumps
 * away. The region's starts are not looked at. Returns as code_scan(). */
int code_scan_plt(const struct code_scan_region *region, const struct row_sink *sink);

/* true when these functions keep frame pointers: the walk by frame pointer serves them, and large regions are better
 * left without rules than scanned. 64 KiB from each of some places in the region tell; the bytes need not begin with
 * an instruction. */
bool code_keeps_frame_pointers(uint16_t machine, const uint8_t *bytes, size_t n);
