/* SPDX-License-Identifier: Apache-2.0 */
/* One arm64 instruction (Arm ARM DDI 0487, chapter C4): four bytes, in groups by bits 28 … 25. Of vector and SVE
 * instructions only those are looked at that write a general register or sp. */
#include "code_scan_internal.h"

#include "base/cursor.h"

#define FP 29
#define LR 30
#define SP 31 /* or the zero register, as the instruction has it */

#define NOP 0xd503201fu
#define MOV_X8_SIGRETURN 0xd2801168u /* mov x8, #139 */
#define SVC 0xd4000001u
#define MAX_CONSTANT_DISTANCE ((size_t)24) /* instructions between a constant and the sub that takes it from sp */

static uint32_t bits(uint32_t word, unsigned int low, unsigned int n)
{
	return word >> low & ((1u << n) - 1);
}

static int64_t signed_bits(uint32_t word, unsigned int low, unsigned int n)
{
	int64_t value = bits(word, low, n);

	return value >> (n - 1) ? value - ((int64_t)1 << n) : value;
}

static bool matches(uint32_t word, uint32_t mask, uint32_t value)
{
	return (word & mask) == value;
}

static uint32_t word_at(const uint8_t *bytes, size_t n, size_t at)
{
	struct cursor cursor;

	cursor_init(&cursor, bytes + at, n - at);
	return cursor_u32(&cursor);
}

/* What a register plus a constant is. */
static struct scan_operand sum(unsigned int reg, int64_t add)
{
	enum scan_source source = reg == SP ? SCAN_SP : reg == FP ? SCAN_FP : SCAN_UNKNOWN;

	return (struct scan_operand){source, (int32_t)add};
}

static void set(struct scan_insn *ret, unsigned int reg, struct scan_operand value)
{
	if (reg == FP)
		ret->fp = value;
	else if (reg == LR)
		ret->lr = value;
	else if (reg == SP)
		ret->sp = value;
}

/* A general register (31: none) gets a value that is not followed. */
static void clobber(struct scan_insn *ret, unsigned int reg)
{
	if (reg != SP)
		set(ret, reg, (struct scan_operand){SCAN_UNKNOWN, 0});
}

static void branch(struct scan_insn *ret, enum scan_flow flow, int64_t words)
{
	ret->flow = flow;
	ret->has_target = true;
	ret->target = words * 4;
}

/* --- constants and arithmetic --------------------------------------------------------------------------------------
 */

/* The constant in a register before the instruction at `at`, when movz and movk right before it put it there: 0 if not.
 * Frames of more than 4095 bytes are made that way. */
static int64_t constant_before(const uint8_t *bytes, size_t n, size_t at, unsigned int reg)
{
	uint64_t value = 0, known = 0;

	for (size_t back = 4; back <= 4 * MAX_CONSTANT_DISTANCE && back <= at; back += 4) {
		uint32_t word = word_at(bytes, n, at - back);
		unsigned int shift = bits(word, 21, 2) * 16;
		uint64_t part = (uint64_t)bits(word, 5, 16) << shift, mask = (uint64_t)0xffff << shift;
		bool is_movk = matches(word, 0xff800000, 0xf2800000);

		if (matches(word, 0x7c000000, 0x14000000) || matches(word, 0xfe000000, 0x54000000) ||
		    matches(word, 0x7c000000, 0x34000000) || matches(word, 0xfe000000, 0xd6000000))
			return 0; /* another way may lead here */
		if (bits(word, 0, 5) != reg)
			continue;
		if (!is_movk && !matches(word, 0x7f800000, 0x52800000))
			return 0;
		value |= part & ~known;
		known |= mask;
		if (!is_movk)
			return value < INT32_MAX ? (int64_t)value : 0;
	}
	return 0;
}

static void describe_immediate(uint32_t word, struct scan_insn *ret)
{
	unsigned int rd = bits(word, 0, 5), rn = bits(word, 5, 5);
	bool is_64_bit = word >> 31, sets_flags = bits(word, 29, 1);

	if (matches(word, 0x1f800000, 0x11000000)) { /* add, sub */
		int64_t value = (int64_t)bits(word, 10, 12) << (bits(word, 22, 1) ? 12 : 0);

		if (sets_flags)
			clobber(ret, rd);
		else
			set(ret, rd, is_64_bit ? sum(rn, bits(word, 30, 1) ? -value : value) : sum(0, 0));
	} else if (matches(word, 0x1f800000, 0x12000000)) { /* and, orr, eor; ands */
		if (bits(word, 29, 2) == 3)
			clobber(ret, rd);
		else
			set(ret, rd, sum(0, 0));
	} else if (matches(word, 0x1f800000, 0x11800000)) { /* addg, subg */
		set(ret, rd, sum(0, 0));
	} else {
		clobber(ret, rd);
		if (matches(word, 0x7fffffff, 0x52800000 | FP)) /* mov x29, #0 */
			ret->fp.source = SCAN_ZERO;
	}
}

static void describe_register(const uint8_t *bytes, size_t n, size_t at, uint32_t word, struct scan_insn *ret)
{
	unsigned int rd = bits(word, 0, 5), rn = bits(word, 5, 5), rm = bits(word, 16, 5);

	if (matches(word, 0x1fe00000, 0x0b200000) && !bits(word, 29, 1)) { /* add, sub of an extended register */
		int64_t value = rd == SP && rn == SP && matches(word, 0x8000fc00, 0x80006000)
					? constant_before(bytes, n, at, rm)
					: 0;

		set(ret, rd, value ? sum(SP, bits(word, 30, 1) ? -value : value) : sum(0, 0));
	} else if (matches(word, 0x1fe00000, 0x1a400000)) {
		return; /* ccmp, ccmn */
	} else {
		clobber(ret, rd);
		if (matches(word, 0x7fffffff, 0x2a1f03e0 | FP)) /* mov x29, xzr */
			ret->fp.source = SCAN_ZERO;
	}
}

/* --- loads and stores ----------------------------------------------------------------------------------------------
 */

/* A register of eight bytes is written to an address, or read from it. */
static void transfer(struct scan_insn *ret, bool is_load, unsigned int reg, struct scan_operand address)
{
	if (is_load) {
		address.source = address.source == SCAN_SP   ? SCAN_LOAD_SP
				 : address.source == SCAN_FP ? SCAN_LOAD_FP
							     : SCAN_UNKNOWN;
		if (reg != SP)
			set(ret, reg, address);
	} else if (address.source != SCAN_UNKNOWN) {
		if (reg == FP)
			ret->fp_saved = address;
		else if (reg == LR)
			ret->lr_saved = address;
	}
}

static void write_back(struct scan_insn *ret, unsigned int rn, int64_t add)
{
	set(ret, rn, sum(rn, add));
}

static void describe_pair(uint32_t word, struct scan_insn *ret)
{
	unsigned int rt = bits(word, 0, 5), rn = bits(word, 5, 5), rt2 = bits(word, 10, 5);
	unsigned int size = bits(word, 30, 2), mode = bits(word, 23, 2);
	bool is_vector = bits(word, 26, 1), is_load = bits(word, 22, 1);
	int64_t offset = signed_bits(word, 15, 7) * (is_vector ? 4 << size : size == 2 ? 8 : 4);
	struct scan_operand address = sum(rn, mode == 1 ? 0 : offset), second = address;

	second.add += 8;
	if (!is_vector && size == 2) {
		transfer(ret, is_load, rt, address);
		transfer(ret, is_load, rt2, second);
	} else if (!is_vector && is_load) {
		clobber(ret, rt);
		clobber(ret, rt2);
	}
	if (mode & 1)
		write_back(ret, rn, offset);
}

static void describe_single(uint32_t word, struct scan_insn *ret)
{
	unsigned int rt = bits(word, 0, 5), rn = bits(word, 5, 5), size = bits(word, 30, 2), mode = bits(word, 10, 2);
	unsigned int operation = bits(word, 22, 2);
	bool is_vector = bits(word, 26, 1), is_load = operation != 0, has_address = true;
	int64_t offset = signed_bits(word, 12, 9);

	if (bits(word, 24, 1)) { /* an unsigned offset, counted in units of the size */
		offset = (int64_t)bits(word, 10, 12) << (is_vector && operation & 2 ? 4 : size);
		mode = 0;
	} else if (bits(word, 21, 1)) { /* another register as offset, atomics, ldraa and ldrab */
		has_address = false;
		is_load |= mode != 2;
		if (mode & 1 && bits(word, 11, 1))
			set(ret, rn, sum(0, 0));
		mode = 0;
	}
	if (!is_vector && size == 3 && operation == 2)
		is_load = false; /* prefetch */
	else if (!is_vector && size == 3 && has_address && operation < 2)
		transfer(ret, is_load, rt, sum(rn, mode == 1 ? 0 : offset));
	else if (!is_vector && is_load)
		clobber(ret, rt);
	if (mode & 1)
		write_back(ret, rn, offset);
}

static void describe_memory(uint32_t word, struct scan_insn *ret)
{
	unsigned int rt = bits(word, 0, 5), rn = bits(word, 5, 5), rs = bits(word, 16, 5);

	if (matches(word, 0x3a000000, 0x28000000)) {
		describe_pair(word, ret);
	} else if (matches(word, 0x3a000000, 0x38000000)) {
		describe_single(word, ret);
	} else if (matches(word, 0x3f000000, 0x18000000)) { /* of the code's own constants */
		clobber(ret, rt);
	} else if (matches(word, 0x3f000000, 0x08000000)) { /* exclusive, ordered, compare and swap */
		clobber(ret, rs);
		if (bits(word, 22, 1))
			clobber(ret, rt);
		if (bits(word, 22, 1) && bits(word, 21, 1))
			clobber(ret, bits(word, 10, 5));
	} else if (matches(word, 0xbe800000, 0x0c800000)) { /* vectors, with another address behind them */
		set(ret, rn, sum(0, 0));
	} else if (matches(word, 0xff200000, 0xd9200000)) { /* memory tags */
		clobber(ret, rt);
		if (bits(word, 10, 1))
			set(ret, rn, sum(0, 0));
	} else if (matches(word, 0x3f200000, 0x19000000)) { /* ordered, unscaled */
		clobber(ret, rt);
	}
}

/* --- the rest ------------------------------------------------------------------------------------------------------
 */

/* Vector instructions whose result is a general register; addvl and addpl. */
static void describe_vector(uint32_t word, struct scan_insn *ret)
{
	unsigned int rd = bits(word, 0, 5), operation = bits(word, 16, 3);

	if (matches(word, 0xbfe0ec00, 0x0e002c00) || /* umov, smov */
	    (matches(word, 0x5f20fc00, 0x1e200000) && operation != 2 && operation != 3 && operation != 7) ||
	    (matches(word, 0x5f200000, 0x1e000000) && operation < 2)) /* fmov, fcvt…; with a fixed point */
		clobber(ret, rd);
	else if (matches(word, 0xffa0f000, 0x04205000))
		set(ret, rd, sum(0, 0));
}

static void describe_branch(uint32_t word, struct scan_insn *ret)
{
	static const struct scan_operand unknown = {SCAN_UNKNOWN, 0};

	if (matches(word, 0x7c000000, 0x14000000)) { /* b, bl */
		branch(ret, word >> 31 ? SCAN_CALL : SCAN_JUMP, signed_bits(word, 0, 26));
	} else if (matches(word, 0xff000000, 0x54000000) || matches(word, 0x7e000000, 0x34000000)) { /* b.cond, cbz */
		branch(ret, SCAN_BRANCH, signed_bits(word, 5, 19));
	} else if (matches(word, 0x7e000000, 0x36000000)) { /* tbz */
		branch(ret, SCAN_BRANCH, signed_bits(word, 5, 14));
	} else if (matches(word, 0xfefff000, 0xd61f0000)) { /* br, braa */
		ret->flow = SCAN_INDIRECT;
	} else if (matches(word, 0xfefff000, 0xd63f0000)) { /* blr, blraa */
		ret->flow = SCAN_CALL;
	} else if (matches(word, 0xfffff3ff, 0xd65f03c0) || matches(word, 0xfffffbff, 0xd65f0bff)) { /* ret, retaa */
		ret->flow = SCAN_RETURN;
	} else if (matches(word, 0xfffff000, 0xd65f0000)) { /* ret through another register */
		ret->flow = SCAN_INDIRECT;
	} else if (matches(word, 0xffe00000, 0xd4200000) || matches(word, 0xffe00000, 0xd4400000) ||
		   matches(word, 0xfffff000, 0xd69f0000)) { /* brk, hlt, eret */
		ret->flow = SCAN_END;
	} else if (matches(word, 0xfff00000, 0xd5300000)) { /* mrs */
		clobber(ret, bits(word, 0, 5));
	}
	if (ret->flow == SCAN_CALL)
		ret->lr = unknown;
	ret->is_padding = word == NOP;
}

static void decode(const uint8_t *bytes, size_t n, size_t at, struct scan_insn *ret)
{
	uint32_t word;

	*ret = (struct scan_insn){0};
	if (n - at < 4)
		return;
	word = word_at(bytes, n, at);
	ret->length = 4;
	switch (bits(word, 25, 4)) {
	case 0: /* udf; what else is there is for SME */
		if (!(word >> 16)) {
			ret->flow = SCAN_END;
			ret->is_padding = !word;
		}
		break;
	case 2:
	case 7:
	case 15:
		describe_vector(word, ret);
		break;
	case 8:
	case 9:
		describe_immediate(word, ret);
		break;
	case 10:
	case 11:
		describe_branch(word, ret);
		break;
	case 5:
	case 13:
		describe_register(bytes, n, at, word, ret);
		break;
	case 4:
	case 6:
	case 12:
	case 14:
		describe_memory(word, ret);
		break;
	}
	ret->is_sigreturn = word == MOV_X8_SIGRETURN && n - at >= 8 && word_at(bytes, n, at + 4) == SVC;
}

const struct scan_machine code_scan_arm64 = {
	.shift = 2,
	.entry_sp = 0,
	.has_link = true,
	.prefers_fp = false,
	.decode = decode,
};
