/* SPDX-License-Identifier: Apache-2.0 */
/* Call frame instructions (DWARF 5 section 6.4.2, and those that compilers added), followed for three values: the CFA,
 * the frame pointer and the return address; and for rbx, which few files need (UNWIND_BX_SAME). Of the stack pointer it
 * is enough to know that nothing is said, because the caller's is the CFA then. */
#include <errno.h>

#include "unwind/cfi_internal.h"

enum cfi_instruction {
	/* The high two bits; the rest is an operand. */
	DW_CFA_ADVANCE_LOC = 0x40,
	DW_CFA_OFFSET = 0x80,
	DW_CFA_RESTORE = 0xc0,

	DW_CFA_NOP = 0x00,
	DW_CFA_SET_LOC = 0x01,
	DW_CFA_ADVANCE_LOC1 = 0x02,
	DW_CFA_ADVANCE_LOC2 = 0x03,
	DW_CFA_ADVANCE_LOC4 = 0x04,
	DW_CFA_OFFSET_EXTENDED = 0x05,
	DW_CFA_RESTORE_EXTENDED = 0x06,
	DW_CFA_UNDEFINED = 0x07,
	DW_CFA_SAME_VALUE = 0x08,
	DW_CFA_REGISTER = 0x09,
	DW_CFA_REMEMBER_STATE = 0x0a,
	DW_CFA_RESTORE_STATE = 0x0b,
	DW_CFA_DEF_CFA = 0x0c,
	DW_CFA_DEF_CFA_REGISTER = 0x0d,
	DW_CFA_DEF_CFA_OFFSET = 0x0e,
	DW_CFA_DEF_CFA_EXPRESSION = 0x0f,
	DW_CFA_EXPRESSION = 0x10,
	DW_CFA_OFFSET_EXTENDED_SF = 0x11,
	DW_CFA_DEF_CFA_SF = 0x12,
	DW_CFA_DEF_CFA_OFFSET_SF = 0x13,
	DW_CFA_VAL_OFFSET = 0x14,
	DW_CFA_VAL_OFFSET_SF = 0x15,
	DW_CFA_VAL_EXPRESSION = 0x16,
	DW_CFA_MIPS_ADVANCE_LOC8 = 0x1d,
	DW_CFA_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
	DW_CFA_AARCH64_NEGATE_RA_STATE = 0x2d, /* GNU_window_save on SPARC */
	DW_CFA_GNU_ARGS_SIZE = 0x2e,
	DW_CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

#define INSTRUCTION_MASK 0xc0u
#define OPERAND_MASK 0x3fu

struct cfi_state cfi_state_initial(void)
{
	return (struct cfi_state){.cfa = {.kind = UNWIND_CFA_NONE}, .sp = {.place = CFI_COMPUTED, .value = 0}};
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

/* By fields: a rule has just been written by fields, and reading it back in wider pieces would wait for that. */
static bool is_same_rule(const struct unwind_rule *a, const struct unwind_rule *b)
{
	return a->cfa_off == b->cfa_off && a->cfa == b->cfa && a->fp == b->fp && a->ra == b->ra && a->reg == b->reg &&
	       a->fp_off == b->fp_off && a->ra_off == b->ra_off;
}

/* The row of what was said so far, unless it says the same as the row before. */
static int close_row(struct cfi_program *program)
{
	struct cfi_row_vec *rows = program->rows;
	struct cfi_row *row;

	if (!program->is_changed)
		return 0;
	program->is_changed = false;
	if (vec_reserve(rows, rows->len + 1))
		return -ENOMEM;
	row = &rows->items[rows->len];
	row->va = program->va;
	cfi_rule_make(&program->state, program->cie, program->machine, program->tells_bx, &row->rule);
	if (!rows->len || !is_same_rule(&row->rule, &row[-1].rule))
		rows->len++;
	return 0;
}

static int move_to(struct cfi_program *program, uint64_t va)
{
	int err;

	if (!program->rows || va < program->va)
		return -EBADMSG;
	if (va == program->va)
		return 0;
	err = close_row(program);
	program->va = va;
	return err;
}

static int advance(struct cfi_program *program, uint64_t delta)
{
	uint64_t bytes, va;

	if (!checked_mul(delta, program->cie->code_align, &bytes) || !checked_add(program->va, bytes, &va))
		return -EBADMSG;
	return move_to(program, va);
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

/* The state's part for the register; NULL: of no interest. */
static struct cfi_register *find_register(const struct cfi_program *program, struct cfi_state *state, uint64_t reg)
{
	if (reg == program->machine->fp)
		return &state->fp;
	if (reg == program->cie->ra)
		return &state->ra;
	if (reg == program->machine->bx)
		return &state->bx;
	return reg == program->machine->sp ? &state->sp : NULL;
}

static int set_register(struct cfi_program *program, uint64_t reg, enum cfi_place place, int64_t value)
{
	struct cfi_register *found = find_register(program, &program->state, reg);

	if (found) {
		*found = (struct cfi_register){.place = place, .value = value};
		program->is_changed = true;
	}
	return 0;
}

/* Offsets are counted in data_align. */
static int set_register_factored(struct cfi_program *program, uint64_t reg, enum cfi_place place, int64_t factor)
{
	int64_t offset;

	if (__builtin_mul_overflow(factor, program->cie->data_align, &offset))
		return -EBADMSG;
	return set_register(program, reg, place, offset);
}

/* Functions that realign their stack save the frame pointer where their own then points. */
static int set_register_expression(struct cfi_program *program, uint64_t reg, struct cursor expression)
{
	struct cfi_cfa address;

	cfi_expression_reduce(expression, program->machine, &address);
	if (address.kind == UNWIND_CFA_REGISTER && address.reg == program->machine->fp)
		return set_register(program, reg, CFI_AT_FP, address.offset);
	return set_register(program, reg, CFI_EXPRESSION, 0);
}

/* To what the CIE says of it. */
static int restore_register(struct cfi_program *program, uint64_t reg)
{
	struct cfi_state initial = program->cie->state;
	const struct cfi_register *from = find_register(program, &initial, reg);

	if (!program->rows)
		return -EBADMSG; /* within the CIE */
	return from ? set_register(program, reg, from->place, from->value) : 0;
}

/* --- the CFA ------------------------------------------------------------------------------------------------------ */

static int set_cfa(struct cfi_program *program, uint64_t reg, int64_t offset)
{
	struct cfi_state *state = &program->state;

	state->cfa_offset = offset;
	state->cfa = (struct cfi_cfa){.kind = UNWIND_CFA_REGISTER, .reg = reg, .offset = offset};
	program->is_changed = true;
	return 0;
}

/* One of the two. DWARF allows it only while the CFA is a register and an offset; hand-written code (libgcrypt) follows
 * an expression with it and means what libgcc makes of it: the offset from before the expression still holds. */
static int set_cfa_register(struct cfi_program *program, uint64_t reg)
{
	return program->state.cfa.kind ? set_cfa(program, reg, program->state.cfa_offset) : -EBADMSG;
}

/* And here the expression stays. */
static int set_cfa_offset(struct cfi_program *program, int64_t offset)
{
	struct cfi_state *state = &program->state;

	if (state->cfa.kind == UNWIND_CFA_REGISTER)
		return set_cfa(program, state->cfa.reg, offset);
	state->cfa_offset = offset;
	return state->cfa.kind ? 0 : -EBADMSG;
}

static int set_cfa_expression(struct cfi_program *program, struct cursor expression)
{
	cfi_expression_reduce(expression, program->machine, &program->state.cfa);
	program->is_changed = true;
	return 0;
}

/* --- states ------------------------------------------------------------------------------------------------------- */

static int remember_state(struct cfi_program *program)
{
	if (program->n_remembered == CFI_MAX_REMEMBERED)
		return -EBADMSG;
	program->remembered[program->n_remembered++] = program->state;
	return 0;
}

static int restore_state(struct cfi_program *program)
{
	if (!program->n_remembered)
		return -EBADMSG;
	program->state = program->remembered[--program->n_remembered];
	program->is_changed = true;
	return 0;
}

/* --- instructions ------------------------------------------------------------------------------------------------- */

/* A ULEB128 as an offset; what is beyond its type is no stack offset and fails in whatever it is used for. */
static int64_t read_offset(struct cursor *cursor)
{
	return (int64_t)cursor_uleb128(cursor);
}

static struct cursor read_block(struct cursor *cursor)
{
	uint64_t n = cursor_uleb128(cursor);

	return cursor_sub(cursor, n);
}

static int execute_extended(struct cfi_program *program, struct cursor *cursor, uint8_t instruction)
{
	int64_t data_align = program->cie->data_align, offset;
	uint64_t reg;

	switch (instruction) {
	case DW_CFA_NOP:
	case DW_CFA_AARCH64_NEGATE_RA_STATE: /* whether the return address is signed: the walk strips that always */
	case DW_CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
		return 0;
	case DW_CFA_GNU_ARGS_SIZE:
		cursor_uleb128(cursor);
		return 0;

	case DW_CFA_SET_LOC:
		return move_to(program, cfi_pointer_read(cursor, program->cie->pointer_encoding, program->start_va, 0));
	case DW_CFA_ADVANCE_LOC1:
		return advance(program, cursor_u8(cursor));
	case DW_CFA_ADVANCE_LOC2:
		return advance(program, cursor_u16(cursor));
	case DW_CFA_ADVANCE_LOC4:
		return advance(program, cursor_u32(cursor));
	case DW_CFA_MIPS_ADVANCE_LOC8:
		return advance(program, cursor_u64(cursor));

	case DW_CFA_DEF_CFA:
		reg = cursor_uleb128(cursor);
		return set_cfa(program, reg, read_offset(cursor));
	case DW_CFA_DEF_CFA_SF:
		reg = cursor_uleb128(cursor);
		if (__builtin_mul_overflow(cursor_sleb128(cursor), data_align, &offset))
			return -EBADMSG;
		return set_cfa(program, reg, offset);
	case DW_CFA_DEF_CFA_REGISTER:
		return set_cfa_register(program, cursor_uleb128(cursor));
	case DW_CFA_DEF_CFA_OFFSET:
		return set_cfa_offset(program, read_offset(cursor));
	case DW_CFA_DEF_CFA_OFFSET_SF:
		if (__builtin_mul_overflow(cursor_sleb128(cursor), data_align, &offset))
			return -EBADMSG;
		return set_cfa_offset(program, offset);
	case DW_CFA_DEF_CFA_EXPRESSION:
		return set_cfa_expression(program, read_block(cursor));

	case DW_CFA_REMEMBER_STATE:
		return remember_state(program);
	case DW_CFA_RESTORE_STATE:
		return restore_state(program);
	default:
		break;
	}

	/* The others begin with a register. */
	reg = cursor_uleb128(cursor);
	switch (instruction) {
	case DW_CFA_OFFSET_EXTENDED:
		return set_register_factored(program, reg, CFI_SAVED, read_offset(cursor));
	case DW_CFA_OFFSET_EXTENDED_SF:
		return set_register_factored(program, reg, CFI_SAVED, cursor_sleb128(cursor));
	case DW_CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		offset = read_offset(cursor);
		return offset < 0 ? -EBADMSG : set_register_factored(program, reg, CFI_SAVED, -offset);
	case DW_CFA_VAL_OFFSET:
		return set_register_factored(program, reg, CFI_COMPUTED, read_offset(cursor));
	case DW_CFA_VAL_OFFSET_SF:
		return set_register_factored(program, reg, CFI_COMPUTED, cursor_sleb128(cursor));
	case DW_CFA_RESTORE_EXTENDED:
		return restore_register(program, reg);
	case DW_CFA_UNDEFINED:
		return set_register(program, reg, CFI_UNDEFINED, 0);
	case DW_CFA_SAME_VALUE:
		return set_register(program, reg, CFI_SAME, 0);
	case DW_CFA_REGISTER:
		return set_register(program, reg, CFI_IN_REGISTER, read_offset(cursor));
	case DW_CFA_EXPRESSION:
		return set_register_expression(program, reg, read_block(cursor));
	case DW_CFA_VAL_EXPRESSION:
		read_block(cursor);
		return set_register(program, reg, CFI_EXPRESSION, 0);
	default:
		return -EBADMSG;
	}
}

static int execute(struct cfi_program *program, struct cursor *cursor, uint8_t instruction)
{
	uint8_t operand = instruction & OPERAND_MASK;

	switch (instruction & INSTRUCTION_MASK) {
	case DW_CFA_ADVANCE_LOC:
		return advance(program, operand);
	case DW_CFA_OFFSET:
		return set_register_factored(program, operand, CFI_SAVED, read_offset(cursor));
	case DW_CFA_RESTORE:
		return restore_register(program, operand);
	default:
		return execute_extended(program, cursor, instruction);
	}
}

int cfi_program_run(struct cfi_program *program, struct cursor *cursor)
{
	int err = 0;

	program->is_changed = true;
	program->n_remembered = 0;
	/* What is said of addresses behind the function matters to nobody. */
	while (!err && !cursor_at_end(cursor) && program->va < program->limit)
		err = execute(program, cursor, cursor_u8(cursor));
	if (err)
		return err;
	if (!cursor_ok(cursor))
		return -EBADMSG;
	return program->rows && program->va < program->limit ? close_row(program) : 0;
}
