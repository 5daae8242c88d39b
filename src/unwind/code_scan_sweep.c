/* SPDX-License-Identifier: Apache-2.0 */
#include "code_scan_passes.h"

#include <errno.h>

#include "unwind/code_scan.h"

#define MAX_PROLOGUE 8 /* instructions */

/* As scan_decode(), but never over a start: what stands before one may be data. */
static size_t decode_up_to_start(const struct scan *scan, size_t place, struct scan_insn *ret)
{
	size_t next = scan_decode(scan, place, ret);

	for (size_t inside = place + 1; inside < next; inside++) {
		if (scan_is_start(scan, inside)) {
			*ret = (struct scan_insn){0};
			return inside;
		}
	}
	return next;
}

static void add_known_starts(struct scan *scan)
{
	const struct code_scan_region *region = scan->region;

	for (size_t i = 0; i < region->n_starts; i++) {
		uint64_t place = (region->starts[i] - region->va) >> scan->machine->shift;

		if (region->starts[i] >= region->va && place < scan->places)
			scan_set_start(scan, place, FRAME_ENTRY);
	}
}

static void find_targets(struct scan *scan)
{
	bool is_head = true;

	for (size_t place = 0, next; place < scan->places; place = next) {
		struct scan_insn insn;
		size_t target;

		next = decode_up_to_start(scan, place, &insn);
		if (is_head)
			scan->flags[place] |= HEAD;
		if (insn.is_sigreturn)
			scan_set_start(scan, place, FRAME_SIGNAL);
		if (scan_find_target(scan, place, &insn, &target))
			scan->flags[target] |= insn.flow == SCAN_CALL ? CALLED : TARGET;
		is_head = !insn.length || insn.is_padding || (insn.flow != SCAN_NEXT && insn.flow != SCAN_BRANCH);
	}
	/* A call into the middle of code is that of a subroutine within a function, or no call but data. */
	for (size_t place = 0; place < scan->places; place++)
		if ((scan->flags[place] & (CALLED | HEAD | START)) == (CALLED | HEAD))
			scan_set_start(scan, place, FRAME_ENTRY);
}

static struct callee *add_callee(struct scan *scan, uint64_t address)
{
	struct callee *callee;
	int err = map_insert(&scan->callees, &address, (void **)&callee, NULL);

	if (err && err != -E2BIG)
		scan->err = err;
	return err ? NULL : callee;
}

/* true for what begins by saving the link register: behind a call that holds nobody's return address. */
static bool saves_link(const struct scan *scan, size_t place)
{
	struct scan_insn insn = {0};

	for (unsigned int i = 0; i < MAX_PROLOGUE && scan->machine->has_link && place < scan->places; i++) {
		place = scan_decode(scan, place, &insn);
		if (insn.lr_saved.source != SCAN_KEPT)
			return true;
		if (insn.lr.source != SCAN_KEPT || insn.flow != SCAN_NEXT)
			return false;
	}
	return false;
}

bool scan_is_end_of_code(const struct scan *scan, size_t next, size_t behind)
{
	return scan_is_start(scan, behind) || saves_link(scan, next) ||
	       (behind != next && behind < scan->places && !(scan->flags[behind] & TARGET));
}

static void count_call(struct scan *scan, uint64_t callee_address, size_t next)
{
	struct callee *callee = add_callee(scan, callee_address);
	size_t behind = scan_skip_padding(scan, next);

	if (!callee || behind >= scan->places)
		return;
	if (scan_is_end_of_code(scan, next, behind))
		callee->ends++;
	else if (scan->flags[behind] & TARGET)
		callee->targets++;
	else
		callee->others++;
}

static void find_callees(struct scan *scan)
{
	size_t start = 0, furthest = 0; /* of the function: its start, and how far its branches go */
	bool has_exit = true, goes_on = false;

	for (size_t place = 0, next; place < scan->places && !scan->err; place = next) {
		struct scan_insn insn;
		size_t target;

		if (scan_is_start(scan, place)) {
			struct callee *callee = NULL;

			if (!has_exit && !goes_on && furthest < place)
				callee = add_callee(scan, scan_address(scan, start));
			if (callee)
				callee->has_no_exit = true;
			start = furthest = place;
			has_exit = scan->frame_of[place] != FRAME_ENTRY;
		}
		next = decode_up_to_start(scan, place, &insn);
		if (insn.is_padding)
			continue;
		goes_on = insn.flow == SCAN_NEXT || insn.flow == SCAN_BRANCH;
		if (!insn.length || insn.flow == SCAN_INDIRECT || insn.flow == SCAN_RETURN)
			has_exit = true;
		if (insn.flow == SCAN_BRANCH || insn.flow == SCAN_JUMP) {
			if (!scan_find_target(scan, place, &insn, &target) || target < start)
				has_exit = true;
			else if (target > furthest)
				furthest = target;
		}
		if (insn.flow == SCAN_CALL && insn.has_target)
			count_call(scan, scan_address(scan, place) + (uint64_t)insn.target, next);
	}
}

/* Compilers leave out what is behind a call that does not return, so most such calls are the last instruction before
 * something else. But a single one may also stand there because what would follow it is undefined. */
bool scan_never_returns(const struct scan *scan, size_t place, const struct scan_insn *call)
{
	uint64_t address = scan_address(scan, place) + (uint64_t)call->target;
	const struct callee *callee = call->has_target ? map_find(&scan->callees, &address) : NULL;

	return callee && (callee->has_no_exit || (callee->ends && callee->ends + callee->targets > callee->others));
}

void scan_sweep(struct scan *scan)
{
	add_known_starts(scan);
	find_targets(scan);
	find_callees(scan);
}
