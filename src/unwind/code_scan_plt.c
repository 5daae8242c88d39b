/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no flow analysis: linkage tables, whose entries all are a function that jumps away, and the question
 * whether code keeps frame pointers. */
#include "unwind/code_scan.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "code_scan_internal.h"

#define PLT_ENTRY_BYTES 16
#define FRAME_POINTER_BYTES 2048 /* of code to each function that sets up a frame pointer, or fewer */

/* --- linkage tables ------------------------------------------------------------------------------------------------
 */

struct plt {
	const struct scan_machine *machine;
	const struct code_scan_region *region;
	size_t at;
	struct scan_insn insn;	 /* at `at` */
	struct scan_frame frame; /* before it */
};

static void plt_decode(struct plt *plt)
{
	if (plt->at < plt->region->n)
		plt->machine->decode(plt->region->bytes, plt->region->n, plt->at, &plt->insn);
}

/* The lazy table of x86-64 begins with an entry for the others, which have pushed a word when they jump to it. */
static struct plt plt_begin(const struct scan_machine *machine, const struct code_scan_region *region)
{
	struct plt plt = {.machine = machine, .region = region, .frame = scan_frame_entry(machine)};

	plt_decode(&plt);
	if (!machine->has_link && plt.insn.sp.source == SCAN_SP)
		plt.frame.sp += 8;
	return plt;
}

/* Goes on to the next instruction. Behind a jump the next entry begins. */
static void plt_next(struct plt *plt)
{
	plt->frame = scan_frame_step(plt->machine, &plt->frame, &plt->insn, 0);
	if (plt->insn.flow != SCAN_NEXT)
		plt->frame = scan_frame_entry(plt->machine);
	else if (!plt->insn.length)
		plt->frame = scan_frame_lost(0);
	plt->at += plt->insn.length ? plt->insn.length : (size_t)1 << plt->machine->shift;
	plt_decode(plt);
}

/* The offset in an entry of a lazy table from which on a word more is on the stack, when it is the same in all entries
 * behind the first; 0: this is no such table. */
static size_t lazy_push_offset(const struct scan_machine *machine, const struct code_scan_region *region)
{
	struct plt plt = plt_begin(machine, region);
	int32_t entry_sp = machine->entry_sp;
	size_t offset = 0;

	if (plt.frame.sp == entry_sp || region->va % PLT_ENTRY_BYTES)
		return 0;
	for (; plt.at < region->n; plt_next(&plt)) {
		size_t in_entry = plt.at % PLT_ENTRY_BYTES;

		if (plt.at < PLT_ENTRY_BYTES || plt.insn.is_padding)
			continue;
		if (!offset && plt.frame.sp == entry_sp + 8)
			offset = in_entry;
		if (plt.frame.sp != (offset && in_entry >= offset ? entry_sp + 8 : entry_sp))
			return 0;
	}
	return offset;
}

int code_scan_plt(const struct code_scan_region *region, const struct row_sink *sink)
{
	const struct scan_machine *machine = scan_machine_find(region->machine);
	struct unwind_rule last = {.cfa = UNWIND_CFA_COUNT}, lazy = {.cfa = UNWIND_CFA_PLT, .ra_off = -8};
	struct plt plt;
	int err = 0;

	if (!machine)
		return -ENOTSUP;
	if (!region->n)
		return 0;
	lazy.cfa_off = (int32_t)lazy_push_offset(machine, region);
	for (plt = plt_begin(machine, region); !err && plt.at < region->n; plt_next(&plt)) {
		struct unwind_rule rule = scan_frame_rule(machine, &plt.frame);

		if (lazy.cfa_off && plt.at >= PLT_ENTRY_BYTES)
			rule = lazy;
		if (memcmp(&rule, &last, sizeof(rule)))
			err = sink->row(sink->ctx, region->va + plt.at, &rule);
		last = rule;
	}
	return err;
}

/* --- frame pointers ------------------------------------------------------------------------------------------------
 */

bool code_keeps_frame_pointers(uint16_t machine_number, const uint8_t *bytes, size_t n)
{
	const struct scan_machine *machine = scan_machine_find(machine_number);
	struct scan_frame entry, frame;
	struct scan_insn insn;
	size_t frame_pointers = 0;

	if (!machine)
		return false;
	entry = frame = scan_frame_entry(machine);
	for (size_t at = 0; at < n; at += insn.length ? insn.length : (size_t)1 << machine->shift) {
		machine->decode(bytes, n, at, &insn);
		frame = scan_frame_step(machine, &frame, &insn, 0);
		if (insn.fp.source == SCAN_SP && frame.fp != SCAN_NOWHERE && frame.fp == -frame.fp_slot)
			frame_pointers++;
		if (!insn.length || frame.kind != SCAN_FRAME_NORMAL ||
		    (insn.flow != SCAN_NEXT && insn.flow != SCAN_BRANCH && insn.flow != SCAN_CALL))
			frame = entry;
	}
	return frame_pointers >= n / FRAME_POINTER_BYTES + 1;
}
