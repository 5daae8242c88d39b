/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>

#include "table/unwind_table.h"
#include "unwind/cfi_internal.h"

/* The kernel's frame for a signal handler, as glibc describes it (x86-64): the interrupted sp in its struct sigcontext,
 * at that distance from sp when the handler has returned. 'S' alone says no more than that the pc is exact. */
#define X86_SIGNAL_FRAME_SP 160

#define X86_RA_OFFSET (-8)

const struct cfi_machine *cfi_machine_find(uint16_t elf_machine)
{
	static const struct cfi_machine machines[] = {
		{.elf_machine = EM_X86_64,
		 .sp = UNWIND_X86_RSP,
		 .fp = UNWIND_X86_RBP,
		 .bx = UNWIND_X86_RBX,
		 .link = CFI_NO_REGISTER,
		 .registers = UNWIND_X86_RA},
		{.elf_machine = EM_AARCH64,
		 .sp = UNWIND_ARM64_SP,
		 .fp = UNWIND_ARM64_FP,
		 .bx = CFI_NO_REGISTER,
		 .link = UNWIND_ARM64_LR,
		 .registers = UNWIND_ARM64_REGISTERS},
	};

	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (machines[i].elf_machine == elf_machine)
			return &machines[i];
	return NULL;
}

static bool fits_s16(int64_t value)
{
	return value >= INT16_MIN && value <= INT16_MAX;
}

static bool is_saved_below_cfa(const struct cfi_register *ra)
{
	return ra->place == CFI_SAVED && ra->value == X86_RA_OFFSET;
}

/* Sets cfa, cfa_off, and reg where the kind has one; for the expressions, whose rules have no room for another return
 * address than the usual one, ra_off too. */
static bool make_cfa(const struct cfi_state *state, const struct cfi_machine *machine, struct unwind_rule *rule)
{
	const struct cfi_cfa *cfa = &state->cfa;

	if (cfa->offset < -UNWIND_MAX_CFA_OFF || cfa->offset > UNWIND_MAX_CFA_OFF || !fits_s16(cfa->added))
		return false;
	rule->cfa = cfa->kind;
	rule->cfa_off = (int32_t)cfa->offset;
	switch (cfa->kind) {
	case UNWIND_CFA_REGISTER:
		if (cfa->reg == machine->sp)
			rule->cfa = UNWIND_CFA_SP;
		else if (cfa->reg == machine->fp)
			rule->cfa = UNWIND_CFA_FP;
		else
			rule->reg = (uint8_t)cfa->reg;
		return cfa->reg < machine->registers;
	case UNWIND_CFA_PLT:
		rule->ra_off = X86_RA_OFFSET;
		return is_saved_below_cfa(&state->ra) && state->fp.place == CFI_SAME;
	case UNWIND_CFA_DEREF_SP:
	case UNWIND_CFA_DEREF_FP:
		rule->ra_off = (int16_t)cfa->added;
		return is_saved_below_cfa(&state->ra);
	default:
		return false;
	}
}

static bool make_ra(const struct cfi_state *state, const struct cfi_cie *cie, const struct cfi_machine *machine,
		    struct unwind_rule *rule)
{
	const struct cfi_register *ra = &state->ra;
	uint64_t reg;

	switch (ra->place) {
	case CFI_SAVED:
		rule->ra = UNWIND_RA_SAVED;
		rule->ra_off = (int16_t)ra->value;
		return fits_s16(ra->value);
	case CFI_SAME:
		reg = cie->ra;
		break;
	case CFI_IN_REGISTER:
		reg = (uint64_t)ra->value;
		break;
	default:
		return false;
	}
	if (reg == machine->link) {
		rule->ra = UNWIND_RA_LINK;
		return true;
	}
	if (reg >= machine->registers || rule->cfa == UNWIND_CFA_REGISTER) /* `reg` holds one number */
		return false;
	rule->ra = UNWIND_RA_REGISTER;
	rule->reg = (uint8_t)reg;
	return true;
}

static void make_fp(const struct cfi_state *state, const struct cfi_machine *machine, struct unwind_rule *rule)
{
	const struct cfi_register *fp = &state->fp;

	if (fp->place == CFI_SAME || (fp->place == CFI_IN_REGISTER && (uint64_t)fp->value == machine->fp)) {
		rule->fp = UNWIND_FP_SAME;
	} else if (fp->place == CFI_SAVED && fits_s16(fp->value)) {
		rule->fp = UNWIND_FP_SAVED;
		rule->fp_off = (int16_t)fp->value;
	} else if (fp->place == CFI_AT_FP && fits_s16(fp->value)) {
		rule->fp = UNWIND_FP_AT_FP;
		rule->fp_off = (int16_t)fp->value;
	} else {
		rule->fp = UNWIND_FP_LOST;
	}
}

static void make_bx(const struct cfi_state *state, struct unwind_rule *rule)
{
	const struct cfi_register *bx = &state->bx;

	if (rule->cfa > UNWIND_CFA_FP || rule->ra != UNWIND_RA_SAVED)
		return;
	if (bx->place == CFI_SAME)
		rule->reg = UNWIND_BX_SAME;
	else if (bx->place == CFI_SAVED && bx->value < 0 && !(bx->value % 8) && bx->value / -8 < UNWIND_BX_SAME)
		rule->reg = (uint8_t)(bx->value / -8);
}

static bool is_kernel_signal_frame(const struct cfi_state *state, const struct cfi_machine *machine)
{
	return machine->elf_machine == EM_AARCH64 || (state->cfa.kind == UNWIND_CFA_DEREF_SP &&
						      state->cfa.offset == X86_SIGNAL_FRAME_SP && !state->cfa.added);
}

/* The rule of an ordinary frame, if there is one. */
static bool make_frame(const struct cfi_state *state, const struct cfi_cie *cie, const struct cfi_machine *machine,
		       bool tells_bx, struct unwind_rule *rule)
{
	*rule = (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	/* Who puts the caller's sp elsewhere switches stacks; the walk takes the CFA for it. */
	if (state->sp.place != CFI_COMPUTED || state->sp.value || !make_cfa(state, machine, rule))
		return false;
	if (state->cfa.kind == UNWIND_CFA_REGISTER && !make_ra(state, cie, machine, rule))
		return false;
	make_fp(state, machine, rule);
	if (tells_bx)
		make_bx(state, rule);
	return true;
}

void cfi_rule_make(const struct cfi_state *state, const struct cfi_cie *cie, const struct cfi_machine *machine,
		   bool tells_bx, struct unwind_rule *ret)
{
	uint8_t bare = UNWIND_CFA_UNSUPPORTED;

	if (cie->is_signal_frame)
		bare = is_kernel_signal_frame(state, machine) ? UNWIND_CFA_SIGNAL : UNWIND_CFA_UNSUPPORTED;
	else if (state->ra.place == CFI_UNDEFINED)
		bare = UNWIND_CFA_STOP;
	else if (make_frame(state, cie, machine, tells_bx, ret))
		return;
	*ret = (struct unwind_rule){.cfa = bare};
}
