/* SPDX-License-Identifier: Apache-2.0 */
/* A step of any kind and size at any distance would save some more rows, and make so many different rules of them that
 * those of a whole machine's files had no room beside each other. */
#include "table/fold.h"

#define STEP_BYTES 8   /* a push or a pop */
#define MAX_STEP_GAP 2 /* bytes of such an instruction */
/* sub rsp, imm32; Go's mov rbp, rsp and sub rsp, imm8 */
#define MAX_LAST_GAP 7
#define MAX_LAST_STEPS 64

struct run run_of(uint64_t file_off, const struct unwind_rule *rule)
{
	return (struct run){.start = file_off, .last = file_off, .rule = *rule, .end = *rule};
}

/* A plain rule that a folded one can begin with. */
static bool is_foldable(const struct unwind_rule *rule)
{
	return rule->cfa == UNWIND_CFA_SP && rule->ra == UNWIND_RA_SAVED && rule->ra_off == -8 &&
	       rule->fp != UNWIND_FP_AT_FP;
}

static bool is_saved_at(const struct unwind_rule *rule, int16_t fp_off)
{
	return rule->fp == UNWIND_FP_SAVED && rule->fp_off == fp_off;
}

/* Does it say of the frame pointer what PUSHED says? */
static bool is_pushed_at(const struct unwind_rule *rule, int64_t cfa_off, int16_t fp_off)
{
	return cfa_off + fp_off >= 0 ? is_saved_at(rule, fp_off) : rule->fp == UNWIND_FP_SAME;
}

/* What the run's rule must say of the frame pointer when the row is in it, too. */
static bool join_fp(const struct run *run, const struct unwind_rule *rule, struct unwind_rule *folded)
{
	const struct unwind_rule *saved = run->end.fp == UNWIND_FP_SAVED ? &run->end : rule;

	if (run->rule.fp == UNWIND_FP_PUSHED)
		return is_pushed_at(rule, rule->cfa_off, run->rule.fp_off);
	if (run->end.fp == rule->fp && run->end.fp_off == rule->fp_off)
		return true;
	/* Those before are all alike. */
	if (!is_pushed_at(&run->end, run->rule.cfa_off, saved->fp_off) ||
	    !is_pushed_at(&run->end, run->end.cfa_off, saved->fp_off) ||
	    !is_pushed_at(rule, rule->cfa_off, saved->fp_off))
		return false;
	folded->fp = UNWIND_FP_PUSHED;
	folded->fp_off = saved->fp_off;
	return true;
}

/* mov rbp, [rsp + …]: the last step, whether or not it moves sp, too. */
static bool store_fp(const struct run *run, const struct unwind_rule *rule, struct unwind_rule *folded)
{
	if (run->rule.fp != UNWIND_FP_SAME || rule->fp != UNWIND_FP_SAVED)
		return false;
	folded->fp = UNWIND_FP_STORED;
	folded->fp_off = rule->fp_off;
	return true;
}

static bool fold_common(struct run *run, uint32_t distance, uint32_t gap, const struct unwind_rule *rule,
			struct unwind_rule *folded)
{
	int64_t moved = (int64_t)rule->cfa_off - run->end.cfa_off;
	uint32_t direction = moved < 0 ? UNWIND_STEPS_POP : 0;

	if (gap > MAX_STEP_GAP || (moved != STEP_BYTES && moved != -STEP_BYTES) ||
	    (run->rule.steps && (run->rule.steps & UNWIND_STEPS_POP) != direction) || !join_fp(run, rule, folded))
		return false;
	folded->steps |= 1u << distance | direction;
	return true;
}

static bool fold_last(struct run *run, uint32_t distance, uint32_t gap, const struct unwind_rule *rule,
		      struct unwind_rule *folded)
{
	int64_t moved = (int64_t)rule->cfa_off - run->end.cfa_off, steps = moved / STEP_BYTES;

	if (gap > MAX_LAST_GAP)
		return false;

	if (rule->cfa == UNWIND_CFA_FP) {
		if (run->end.fp != UNWIND_FP_SAVED || !is_saved_at(rule, run->end.fp_off) ||
		    rule->cfa_off != -rule->fp_off)
			return false;
		folded->ra_off = UNWIND_STEP_TO_FP;
	} else {
		if (steps * STEP_BYTES != moved || steps > MAX_LAST_STEPS || steps < -MAX_LAST_STEPS)
			return false;
		if ((!moved || !join_fp(run, rule, folded)) && !store_fp(run, rule, folded))
			return false;
		folded->ra_off = (int16_t)steps;
	}
	folded->steps |= 1u << distance;
	run->is_closed = true;
	return true;
}

bool run_extend(struct run *run, uint64_t file_off, const struct unwind_rule *rule)
{
	uint64_t distance = file_off - run->start, gap = file_off - run->last;
	struct unwind_rule folded = run->rule;

	if (run->is_closed || distance > UNWIND_MAX_STEP_DISTANCE ||
	    file_off >> UNWIND_PAGE_SHIFT != run->start >> UNWIND_PAGE_SHIFT)
		return false;
	if (!is_foldable(&run->end) || rule->ra != UNWIND_RA_SAVED || rule->ra_off != -8 || rule->reg != run->end.reg ||
	    (rule->cfa != UNWIND_CFA_SP && rule->cfa != UNWIND_CFA_FP) || rule->fp == UNWIND_FP_AT_FP)
		return false;
	if (run->rule.cfa != UNWIND_CFA_FOLDED)
		folded.ra_off = 0;
	folded.cfa = UNWIND_CFA_FOLDED;
	if ((rule->cfa != UNWIND_CFA_SP || !fold_common(run, (uint32_t)distance, (uint32_t)gap, rule, &folded)) &&
	    !fold_last(run, (uint32_t)distance, (uint32_t)gap, rule, &folded))
		return false;
	run->rule = folded;
	run->last = file_off;
	run->end = *rule;
	return true;
}
