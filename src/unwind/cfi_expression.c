/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions (DWARF 5 section 2.5) are few in CFI and of three kinds: that of ld's lazy PLT, a register plus a number,
 * and a word read at a register plus a number (a saved stack pointer). So they are not run but read: as sums over what
 * is known only later. */
#include <errno.h>
#include <string.h>

#include "unwind/cfi_internal.h"

enum dwarf_operation {
	DW_OP_DEREF = 0x06,
	DW_OP_CONST1U = 0x08,
	DW_OP_CONST1S = 0x09,
	DW_OP_CONST2U = 0x0a,
	DW_OP_CONST2S = 0x0b,
	DW_OP_CONST4U = 0x0c,
	DW_OP_CONST4S = 0x0d,
	DW_OP_CONST8U = 0x0e,
	DW_OP_CONST8S = 0x0f,
	DW_OP_CONSTU = 0x10,
	DW_OP_CONSTS = 0x11,
	DW_OP_AND = 0x1a,
	DW_OP_MINUS = 0x1c,
	DW_OP_PLUS = 0x22,
	DW_OP_PLUS_UCONST = 0x23,
	DW_OP_SHL = 0x24,
	DW_OP_GE = 0x2a,
	DW_OP_LIT0 = 0x30,
	DW_OP_LIT31 = 0x4f,
	DW_OP_BREG0 = 0x70,
	DW_OP_BREG31 = 0x8f,
	DW_OP_BREGX = 0x92,
	DW_OP_NOP = 0x96,
};

#define MAX_DEPTH 4

/* number, or a register + number, or the word at (a register + inner) + number */
struct sum {
	enum { SUM_NUMBER, SUM_REGISTER, SUM_LOADED } kind;
	uint64_t reg;
	int64_t inner, number;
};

struct stack {
	struct sum sums[MAX_DEPTH];
	size_t n;
};

static bool push(struct stack *stack, struct sum sum)
{
	if (stack->n == MAX_DEPTH)
		return false;
	stack->sums[stack->n++] = sum;
	return true;
}

static bool push_number(struct stack *stack, int64_t number)
{
	return push(stack, (struct sum){.kind = SUM_NUMBER, .number = number});
}

static bool push_register(struct stack *stack, uint64_t reg, int64_t number)
{
	return push(stack, (struct sum){.kind = SUM_REGISTER, .reg = reg, .number = number});
}

/* The top, or NULL. */
static struct sum *top_of(struct stack *stack)
{
	return stack->n ? &stack->sums[stack->n - 1] : NULL;
}

static bool add_to_top(struct stack *stack, int64_t number)
{
	struct sum *top = top_of(stack);

	return top && !__builtin_add_overflow(top->number, number, &top->number);
}

/* a + b, where one of them is a number; a - b where b is. */
static bool add_or_subtract(struct stack *stack, bool is_minus)
{
	struct sum *a, b;

	if (stack->n < 2)
		return false;
	b = stack->sums[--stack->n];
	a = top_of(stack);
	if (is_minus)
		return b.kind == SUM_NUMBER && !__builtin_sub_overflow(a->number, b.number, &a->number);
	if (a->kind == SUM_NUMBER) {
		struct sum swap = *a;

		*a = b;
		b = swap;
	}
	return b.kind == SUM_NUMBER && !__builtin_add_overflow(a->number, b.number, &a->number);
}

static bool load(struct stack *stack)
{
	struct sum *top = top_of(stack);

	if (!top || top->kind != SUM_REGISTER)
		return false;
	*top = (struct sum){.kind = SUM_LOADED, .reg = top->reg, .inner = top->number};
	return true;
}

static bool execute(struct stack *stack, struct cursor *cursor, uint8_t operation)
{
	uint64_t reg;

	if (operation >= DW_OP_LIT0 && operation <= DW_OP_LIT31)
		return push_number(stack, operation - DW_OP_LIT0);
	if (operation >= DW_OP_BREG0 && operation <= DW_OP_BREG31)
		return push_register(stack, operation - DW_OP_BREG0, cursor_sleb128(cursor));
	switch (operation) {
	case DW_OP_DEREF:
		return load(stack);
	case DW_OP_CONST1U:
		return push_number(stack, cursor_u8(cursor));
	case DW_OP_CONST1S:
		return push_number(stack, (int8_t)cursor_u8(cursor));
	case DW_OP_CONST2U:
		return push_number(stack, cursor_u16(cursor));
	case DW_OP_CONST2S:
		return push_number(stack, (int16_t)cursor_u16(cursor));
	case DW_OP_CONST4U:
		return push_number(stack, cursor_u32(cursor));
	case DW_OP_CONST4S:
		return push_number(stack, (int32_t)cursor_u32(cursor));
	case DW_OP_CONST8U:
	case DW_OP_CONST8S:
		return push_number(stack, (int64_t)cursor_u64(cursor));
	case DW_OP_CONSTU:
		return push_number(stack, (int64_t)cursor_uleb128(cursor));
	case DW_OP_CONSTS:
		return push_number(stack, cursor_sleb128(cursor));
	case DW_OP_PLUS:
	case DW_OP_MINUS:
		return add_or_subtract(stack, operation == DW_OP_MINUS);
	case DW_OP_PLUS_UCONST:
		return add_to_top(stack, (int64_t)cursor_uleb128(cursor));
	case DW_OP_BREGX:
		reg = cursor_uleb128(cursor);
		return push_register(stack, reg, cursor_sleb128(cursor));
	case DW_OP_NOP:
		return true;
	default:
		return false;
	}
}

/* ld's lazy PLT entry of 16 bytes pushes a word with an instruction that ends at byte 11 (10 with IBT):
 *     rsp + 8 + ((rip & 15) >= 11) << 3 */
static bool is_lazy_plt(struct cursor expression, int64_t *ret_threshold)
{
	static const uint8_t code[] = {DW_OP_BREG0 + UNWIND_X86_RSP,
				       8,
				       DW_OP_BREG0 + UNWIND_X86_RA,
				       0,
				       DW_OP_LIT0 + 15,
				       DW_OP_AND,
				       DW_OP_LIT0 /* + threshold */,
				       DW_OP_GE,
				       DW_OP_LIT0 + 3,
				       DW_OP_SHL,
				       DW_OP_PLUS};
	static const size_t threshold_at = 6;
	const uint8_t *bytes = expression.pos;
	uint8_t threshold;

	if (cursor_left(&expression) != sizeof(code))
		return false;
	threshold = (uint8_t)(bytes[threshold_at] - DW_OP_LIT0);
	if (threshold > 15 || memcmp(bytes, code, threshold_at) != 0 ||
	    memcmp(bytes + threshold_at + 1, code + threshold_at + 1, sizeof(code) - threshold_at - 1) != 0)
		return false;
	*ret_threshold = threshold;
	return true;
}

void cfi_expression_reduce(struct cursor expression, const struct cfi_machine *machine, struct cfi_cfa *ret)
{
	struct stack stack = {.n = 0};
	const struct sum *result = &stack.sums[0];

	*ret = (struct cfi_cfa){.kind = UNWIND_CFA_UNSUPPORTED};
	if (machine->link == CFI_NO_REGISTER && is_lazy_plt(expression, &ret->offset)) {
		ret->kind = UNWIND_CFA_PLT;
		return;
	}
	while (!cursor_at_end(&expression))
		if (!execute(&stack, &expression, cursor_u8(&expression)))
			return;
	if (!cursor_ok(&expression) || stack.n != 1)
		return;
	if (result->kind == SUM_REGISTER)
		*ret = (struct cfi_cfa){.kind = UNWIND_CFA_REGISTER, .reg = result->reg, .offset = result->number};
	else if (result->kind == SUM_LOADED && (result->reg == machine->sp || result->reg == machine->fp))
		*ret = (struct cfi_cfa){.kind = result->reg == machine->sp ? UNWIND_CFA_DEREF_SP : UNWIND_CFA_DEREF_FP,
					.offset = result->inner,
					.added = result->number};
}
