/* SPDX-License-Identifier: Apache-2.0 */
/* A flow analysis of all functions of a region at once. Each place where an instruction begins gets the frame that
 * holds before it, by number:
 *
 *     start            push %rbx        call f           pop %rbx         ret
 *     CFA = sp + 8 ──► sp + 16 ───────► sp + 16 ─ ─ ─ ─► sp + 16 ───────► sp + 8
 *                          └─ a branch brings its frame along ──────────────▲
 *
 *   1. sweep    straight through the bytes: where calls and branches lead, and which callees never return.
 *   2. follow   from each start, along every branch. A place that is reached with two frames keeps what they agree on.
 *               A start has the frame of an entry, whatever jumps to it.
 *   3. guess    for what nothing leads to: functions called through pointers, cases of a switch, landing pads. The
 *               frames of calls and indirect jumps nearby and that of an entry are tried: one that meets what was
 *               followed with the right frame, or returns with it, is proven; calls want sp aligned. The one frame of
 *               indirect jumps that nothing speaks against is taken without a proof.
 *   4. emit     a row wherever the rule changes.
 *
 * What stands behind a call is reached by it only if the callee returns, so its frame gives way to that of any branch
 * that leads there (FIRM). Where the paths of a function disagree, nothing is known from there on; a frame only ever
 * loses what it says, so each place is followed a few times at most. */
#include "unwind/code_scan.h"

#include <errno.h>
#include <string.h>

#include "code_scan_passes.h"

static struct unwind_rule rule_at(const struct scan *scan, size_t place)
{
	const struct scan_frame *frame = scan_frame_at(scan, place);

	if (frame->cleared_at && !(scan->flags[frame->cleared_at - 1] & RETURNED))
		return (struct unwind_rule){.cfa = UNWIND_CFA_STOP};
	return scan_frame_rule(scan->machine, frame);
}

/* The rule from a place on; returns where to look next. */
static size_t next_rule(const struct scan *scan, size_t place, struct unwind_rule *rule)
{
	size_t next, inside = place + 1;
	uint8_t kept;

	if (!scan->frame_of[place] && rule->cfa == UNWIND_CFA_NONE)
		return inside;
	next = scan_look(scan, place, &kept);
	if (scan->frame_of[place]) {
		*rule = rule_at(scan, place);
		while (inside < next && inside < scan->places && !scan->frame_of[inside])
			inside++;
		return inside;
	}
	if (kept & INSN_PADDING) /* nobody is in there: no need for a row */
		return next;
	*rule = (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	return inside;
}

static int emit(const struct scan *scan, const struct row_sink *sink)
{
	struct unwind_rule last = {.cfa = UNWIND_CFA_COUNT}, rule = {.cfa = UNWIND_CFA_NONE};
	int err = 0;

	for (size_t place = 0, next; !err && place < scan->places; place = next) {
		uint64_t va = scan_address(scan, place);

		next = next_rule(scan, place, &rule);
		if (!memcmp(&rule, &last, sizeof(rule)))
			continue;
		if (rule.cfa == UNWIND_CFA_SIGNAL && place)
			va--;
		err = sink->row(sink->ctx, va, &rule);
		last = rule;
	}
	return err;
}

int code_scan_with(const struct scan_machine *machine, const struct code_scan_region *region,
		   const struct row_sink *sink)
{
	struct scan scan = {.region = region, .machine = machine, .places = region->n >> machine->shift};
	int err;

	if (region->n > CODE_SCAN_MAX_BYTES)
		return -E2BIG;
	if (!scan.places)
		return 0;
	err = scan_init(&scan);
	if (!err) {
		scan_sweep(&scan);
		for (size_t place = 0; place < scan.places; place++)
			if (scan.flags[place] & START)
				scan_follow_all(&scan, place);
		scan_fill_gaps(&scan);
		err = scan.err;
	}
	if (!err)
		err = emit(&scan, sink);
	scan_release(&scan);
	return err;
}

int code_scan(const struct code_scan_region *region, const struct row_sink *sink)
{
	const struct scan_machine *machine = scan_machine_find(region->machine);

	return machine ? code_scan_with(machine, region, sink) : -ENOTSUP;
}
