/* SPDX-License-Identifier: Apache-2.0 */
/* One x86-64 instruction (Intel SDM volume 2; AMD's XOP, 3DNow! beyond its length, and APX are not known). A table of
 * our own rather than a disassembler library: of 1,500 instructions the scan cares for twenty, and of the rest for
 * their length and whether rsp or rbp is written, which is one byte an opcode. */
#include "code_scan_internal.h"

#include <string.h>

#include "base/cursor.h"

#define MAX_LENGTH 15

enum {
	RAX,
	RSP = 4,
	RBP = 5,
};

/* What follows an opcode, and which general register it writes. Implicit operands are left out: but for the
 * instructions that describe() knows, none is rsp or rbp. */
#define M 0x01	/* a ModRM byte */
#define E 0x02	/* the operand of ModRM.rm is written */
#define G 0x04	/* the operand of ModRM.reg is written */
#define B 0x08	/* operands are bytes */
#define I8 0x10 /* an immediate of one byte */
#define IZ 0x20 /* an immediate of four bytes, of two with the prefix 66 */
#define V 0x40	/* the register of VEX.vvvv is written */
#define X 0x80	/* no instruction (in 64-bit mode), or one that we do not know */

#define ARITHMETIC(op)                                                                                                 \
	[(op)] = M | E | B, [(op) + 1] = M | E, [(op) + 2] = M | G | B, [(op) + 3] = M | G, [(op) + 4] = I8,           \
	[(op) + 5] = IZ, [(op) + 6 ...(op) + 7] = X

/* Prefixes (REX, VEX and EVEX too) do not get here. */
static const uint8_t map_1[256] = {
	ARITHMETIC(0x00),
	ARITHMETIC(0x08),
	ARITHMETIC(0x10),
	ARITHMETIC(0x18),
	ARITHMETIC(0x20),
	ARITHMETIC(0x28),
	ARITHMETIC(0x30),
	[0x38 ... 0x3b] = M, /* cmp */
	[0x3c] = I8,
	[0x3d] = IZ,
	[0x3f ... 0x4f] = X,
	[0x60 ... 0x62] = X,
	[0x63] = M | G,
	[0x64 ... 0x67] = X,
	[0x68] = IZ,
	[0x69] = M | G | IZ,
	[0x6a] = I8,
	[0x6b] = M | G | I8,
	[0x70 ... 0x7f] = I8, /* jcc */
	[0x80] = M | E | B | I8,
	[0x81] = M | E | IZ,
	[0x82] = X,
	[0x83] = M | E | I8,
	[0x84 ... 0x85] = M, /* test */
	[0x86] = M | E | G | B,
	[0x87] = M | E | G,
	[0x88] = M | E | B,
	[0x89] = M | E,
	[0x8a] = M | G | B,
	[0x8b] = M | G,
	[0x8c] = M | E,
	[0x8d] = M | G,
	[0x8e] = M,
	[0x8f] = M | E, /* pop, or XOP */
	[0x9a] = X,
	[0xa8] = I8,
	[0xa9] = IZ,
	[0xb0 ... 0xb7] = I8,
	[0xc0] = M | E | B | I8,
	[0xc1] = M | E | I8,
	[0xc4 ... 0xc5] = X,
	[0xc6] = M | E | B | I8,
	[0xc7] = M | E | IZ,
	[0xcd] = I8,
	[0xce] = X,
	[0xd0] = M | E | B,
	[0xd1] = M | E,
	[0xd2] = M | E | B,
	[0xd3] = M | E,
	[0xd4 ... 0xd6] = X,
	[0xd8 ... 0xdf] = M, /* x87 */
	[0xe0 ... 0xe7] = I8,
	[0xe8 ... 0xe9] = 0, /* their immediate does not shrink: see immediate_bytes() */
	[0xea] = X,
	[0xeb] = I8,
	[0xf0] = X,
	[0xf2 ... 0xf3] = X,
	[0xf6] = M | E | B,
	[0xf7] = M | E,
	[0xfe] = M | E | B,
	[0xff] = M | E,
};

/* 0F. Also VEX and EVEX map 1, but for what vector_flags() says. */
static const uint8_t map_0f[256] = {
	[0x00 ... 0x01] = M | E,
	[0x02 ... 0x03] = M | G,
	[0x04] = X,
	[0x0a] = X,
	[0x0c] = X,
	[0x0d] = M,
	[0x0f] = M | I8,
	[0x10 ... 0x1d] = M,
	[0x1e] = M | E, /* rdssp; else a nop */
	[0x1f] = M,
	[0x20 ... 0x23] = M | E,
	[0x24 ... 0x27] = X,
	[0x28 ... 0x2b] = M,
	[0x2c ... 0x2d] = M | G, /* to a general register with F2 and F3, else to MMX */
	[0x2e ... 0x2f] = M,
	[0x36] = X,
	[0x38 ... 0x3f] = X, /* 38 and 3A are maps of their own */
	[0x40 ... 0x4f] = M | G,
	[0x50] = M | G,
	[0x51 ... 0x6f] = M,
	[0x70 ... 0x73] = M | I8,
	[0x74 ... 0x76] = M,
	[0x78 ... 0x79] = X, /* vmread, vmwrite, SSE4a */
	[0x7a ... 0x7b] = X,
	[0x7c ... 0x7d] = M,
	[0x7e] = M | E, /* movd; movq to a vector register with F3 */
	[0x7f] = M,
	[0x90 ... 0x9f] = M | E | B, /* setcc */
	[0xa3] = M,
	[0xa4] = M | E | I8,
	[0xa5] = M | E,
	[0xa6 ... 0xa7] = X,
	[0xab] = M | E,
	[0xac] = M | E | I8,
	[0xad] = M | E,
	[0xae] = M | E, /* rdfsbase, rdgsbase; else memory */
	[0xaf] = M | G,
	[0xb0] = M | E | B,
	[0xb1] = M | E,
	[0xb2] = M | G,
	[0xb3] = M | E,
	[0xb4 ... 0xb9] = M | G,
	[0xba] = M | E | I8,
	[0xbb] = M | E,
	[0xbc ... 0xbf] = M | G,
	[0xc0] = M | E | G | B,
	[0xc1] = M | E | G,
	[0xc2] = M | I8,
	[0xc3] = M,
	[0xc4] = M | I8,
	[0xc5] = M | G | I8,
	[0xc6] = M | I8,
	[0xc7] = M | E, /* rdrand, rdseed, rdpid; else memory */
	[0xd0 ... 0xd6] = M,
	[0xd7] = M | G,
	[0xd8 ... 0xff] = M,
};

struct instruction {
	uint8_t rex; /* with W, R, X, B of VEX and EVEX in its bits; 0: none */
	uint8_t map; /* 1; 0x0f; 0x38 and 0x3a behind 0F; 5 and 6 of EVEX */
	uint8_t opcode;
	uint8_t repeat; /* F2, F3 or 0 */
	bool is_16_bit; /* prefix 66 without REX.W */
	bool is_vector; /* VEX or EVEX */
	bool has_prefix_66, has_prefix_67;
	uint8_t vvvv;
	uint8_t mod, reg, rm; /* reg and rm with their fourth bit */
	bool has_index, is_rip_relative;
	uint8_t base; /* of a memory operand */
	int32_t displacement;
	int64_t immediate;
	uint8_t flags; /* of the maps */
};

#define REX_B 1
#define REX_R 4
#define REX_W 8

/* --- length --------------------------------------------------------------------------------------------------------
 */

static int64_t signed_value(struct cursor *cursor, unsigned int bytes)
{
	switch (bytes) {
	case 1:
		return (int8_t)cursor_u8(cursor);
	case 2:
		return (int16_t)cursor_u16(cursor);
	case 4:
		return (int32_t)cursor_u32(cursor);
	case 8:
		return (int64_t)cursor_u64(cursor);
	default:
		return 0;
	}
}

static uint8_t legacy_prefixes(struct cursor *cursor, struct instruction *in)
{
	for (;;) {
		uint8_t byte = cursor_u8(cursor);

		switch (byte) {
		case 0x66:
			in->has_prefix_66 = true;
			break;
		case 0x67:
			in->has_prefix_67 = true;
			break;
		case 0xf2:
		case 0xf3:
			in->repeat = byte;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0xf0:
			break;
		case 0x40 ... 0x4f:
			in->rex = byte;
			continue;
		default:
			return byte;
		}
		in->rex = 0; /* counts only right before the opcode */
	}
}

/* What VEX and EVEX opcodes have and write. Without a general register as operand: M alone. */
static uint8_t vector_flags(const struct instruction *in, bool is_evex)
{
	uint8_t op = in->opcode;

	switch (in->map) {
	case 0x0f:
		if (!is_evex && op == 0x77) /* vzeroupper */
			return 0;
		if ((op >= 0x2c && op <= 0x2d) || (is_evex && op >= 0x78 && op <= 0x79))
			return in->repeat ? M | G : M;
		if (op == 0x7e)
			return in->repeat ? M : M | E;
		if (!is_evex && op == 0x93) /* kmov */
			return M | G;
		if (op == 0x50 || op == 0xc5 || op == 0xd7)
			return map_0f[op];
		return M | (map_0f[op] & I8 && (op < 0x80 || op >= 0xc0) ? I8 : 0);
	case 0x38:
		if (is_evex)
			return M;
		if (op == 0xf3) /* blsr, blsi, blsmsk */
			return M | V;
		if (op == 0xf6 || (op >= 0xe0 && op <= 0xef)) /* mulx, cmpccxadd */
			return M | G | V;
		return op == 0xf2 || op == 0xf5 || op == 0xf7 ? M | G : M;
	case 0x3a:
		if (op >= 0x14 && op <= 0x17) /* pextr */
			return M | E | I8;
		return !is_evex && op == 0xf0 ? M | G | I8 : M | I8; /* rorx */
	case 5:
		if (op == 0x2c || op == 0x2d || op == 0x78 || op == 0x79)
			return in->repeat ? M | G : M;
		return op == 0x7e ? M | E : M;
	case 6:
		return M;
	default:
		return X;
	}
}

static uint8_t vector_map(unsigned int number)
{
	static const uint8_t maps[] = {[1] = 0x0f, [2] = 0x38, [3] = 0x3a, [5] = 5, [6] = 6};

	return number < sizeof(maps) ? maps[number] : 0;
}

static void vector_prefix(struct instruction *in, uint8_t last)
{
	static const uint8_t repeats[] = {0, 0, 0xf3, 0xf2};

	in->is_vector = true;
	in->repeat = repeats[last & 3];
	in->has_prefix_66 = (last & 3) == 1;
	in->rex |= (uint8_t)(0x40 | (last & 0x80 ? REX_W : 0));
	in->vvvv = ~last >> 3 & 15;
}

/* The opcode and what it has behind it. */
static void read_opcode(struct cursor *cursor, struct instruction *in)
{
	uint8_t byte = legacy_prefixes(cursor, in), more;

	if (byte == 0xc5) {
		more = cursor_u8(cursor);
		in->rex = more & 0x80 ? 0 : REX_R;
		in->map = 0x0f;
		vector_prefix(in, more & 0x7f);
	} else if (byte == 0xc4 || byte == 0x62) {
		more = cursor_u8(cursor);
		in->rex = ~more >> 5 & 7;
		in->map = vector_map(byte == 0x62 ? more & 7 : more & 0x1f);
		if (byte == 0x62 ? more & 8 : in->map == 5 || in->map == 6)
			in->map = 0; /* APX */
		more = cursor_u8(cursor);
		if (byte == 0x62 && !(more & 4))
			in->map = 0;
		vector_prefix(in, more);
		if (byte == 0x62)
			cursor_skip(cursor, 1);
	} else {
		in->map = 1;
		if (byte == 0x0f) {
			in->map = 0x0f;
			byte = cursor_u8(cursor);
			if (byte == 0x38 || byte == 0x3a) {
				in->map = byte;
				byte = cursor_u8(cursor);
			}
		}
		in->opcode = byte;
		in->is_16_bit = in->has_prefix_66 && !(in->rex & REX_W);
		switch (in->map) {
		case 1:
			in->flags = map_1[byte];
			break;
		case 0x0f:
			in->flags = map_0f[byte];
			break;
		case 0x38: /* crc32, movbe, adcx, adox */
			in->flags = byte == 0xf0 || byte == 0xf1 || byte == 0xf6 ? M | G : M;
			break;
		default:
			in->flags = byte >= 0x14 && byte <= 0x17 ? M | E | I8 : M | I8;
		}
		return;
	}
	in->opcode = cursor_u8(cursor);
	in->flags = vector_flags(in, byte == 0x62);
}

static void read_modrm(struct cursor *cursor, struct instruction *in)
{
	uint8_t modrm = cursor_u8(cursor);

	in->mod = modrm >> 6;
	in->reg = (uint8_t)((modrm >> 3 & 7) | (in->rex & REX_R ? 8 : 0));
	in->rm = (uint8_t)((modrm & 7) | (in->rex & REX_B ? 8 : 0));
	if (in->mod == 3)
		return;
	in->base = in->rm;
	in->is_rip_relative = !in->mod && (modrm & 7) == RBP;
	if ((modrm & 7) == RSP) {
		uint8_t sib = cursor_u8(cursor);

		in->base = (uint8_t)((sib & 7) | (in->rex & REX_B ? 8 : 0));
		in->has_index = (sib >> 3 & 7) != RSP || in->rex & 2;
		if (!in->mod && (sib & 7) == RBP) {
			in->base = RAX; /* none, but neither rsp nor rbp */
			in->displacement = (int32_t)signed_value(cursor, 4);
		}
	}
	if (in->is_rip_relative || in->mod == 2)
		in->displacement = (int32_t)signed_value(cursor, 4);
	else if (in->mod == 1)
		in->displacement = (int32_t)signed_value(cursor, 1);
}

static unsigned int immediate_bytes(const struct instruction *in)
{
	unsigned int z = in->is_16_bit ? 2 : 4;

	if (in->map == 0x0f && !in->is_vector && in->opcode >= 0x80 && in->opcode <= 0x8f)
		return 4;
	if (in->map == 1) {
		switch (in->opcode) {
		case 0xa0 ... 0xa3:
			return in->has_prefix_67 ? 4 : 8;
		case 0xb8 ... 0xbf:
			return in->rex & REX_W ? 8 : z;
		case 0xc2:
		case 0xca:
			return 2;
		case 0xc8:
			return 2; /* and one byte more */
		case 0xe8 ... 0xe9:
			return 4;
		case 0xf6: /* test */
			return (in->reg & 7) < 2 ? 1 : 0;
		case 0xf7:
			return (in->reg & 7) < 2 ? z : 0;
		}
	}
	return in->flags & I8 ? 1 : in->flags & IZ ? z : 0;
}

/* --- meaning -------------------------------------------------------------------------------------------------------
 */

static bool is_register(const struct instruction *in, unsigned int reg)
{
	return in->mod == 3 && in->rm == reg;
}

/* A memory operand, as far as it is relative to rsp or rbp. */
static struct scan_operand address(const struct instruction *in)
{
	struct scan_operand none = {SCAN_KEPT, 0};

	if (in->mod == 3 || in->has_index || in->is_rip_relative || in->has_prefix_67)
		return none;
	if (in->base == RSP)
		return (struct scan_operand){SCAN_SP, in->displacement};
	if (in->base == RBP)
		return (struct scan_operand){SCAN_FP, in->displacement};
	return none;
}

static struct scan_operand loaded(struct scan_operand from)
{
	from.source = from.source == SCAN_SP ? SCAN_LOAD_SP : from.source == SCAN_FP ? SCAN_LOAD_FP : SCAN_UNKNOWN;
	return from;
}

/* Registers that are written, one bit each, by the flags of the maps and where these say too much. */
static unsigned int written_registers(const struct instruction *in)
{
	uint8_t flags = in->flags;
	unsigned int extension = in->reg & 7, bits = 0;
	/* ah, ch, dh and bh, not spl, bpl, sil and dil */
	unsigned int mask = flags & B && !in->rex ? 3 : 15;

	if (in->map == 1) {
		switch (in->opcode) {
		case 0x80 ... 0x83:
			if (extension == 7) /* cmp */
				return 0;
			break;
		case 0x91 ... 0x97:
		case 0xb8 ... 0xbf:
			return 1u << ((in->opcode & 7) | (in->rex & REX_B ? 8 : 0));
		case 0xb0 ... 0xb7:
			return 1u << (((in->opcode & 7) | (in->rex & REX_B ? 8 : 0)) & (in->rex ? 15 : 3));
		case 0xf6:
		case 0xf7:
			if (extension != 2 && extension != 3) /* not, neg */
				return 0;
			break;
		case 0xff:
			if (extension > 1) /* inc, dec */
				return 0;
			break;
		}
	} else if (in->map == 0x0f && !in->is_vector) {
		switch (in->opcode) {
		case 0x01:
			if (extension != 4) /* smsw */
				return 0;
			break;
		case 0x1e:
		case 0xae:
			if (in->repeat != 0xf3 || extension > 1)
				return 0;
			break;
		case 0x2c:
		case 0x2d:
			if (!in->repeat)
				return 0;
			break;
		case 0x7e:
			if (in->repeat)
				return 0;
			break;
		case 0xba:
			if (extension == 4) /* bt */
				return 0;
			break;
		case 0xc8 ... 0xcf: /* bswap */
			return 1u << ((in->opcode & 7) | (in->rex & REX_B ? 8 : 0));
		}
	}
	if (flags & E && in->mod == 3)
		bits |= 1u << (in->rm & mask);
	if (flags & G)
		bits |= 1u << (in->reg & mask);
	if (flags & V)
		bits |= 1u << in->vvvv;
	return bits;
}

static void push(struct scan_insn *ret)
{
	ret->sp = (struct scan_operand){SCAN_SP, -8};
}

static void pop(struct scan_insn *ret, unsigned int reg)
{
	ret->sp = (struct scan_operand){reg == RSP ? SCAN_UNKNOWN : SCAN_SP, 8};
	if (reg == RBP)
		ret->fp = (struct scan_operand){SCAN_LOAD_SP, 0};
}

/* add and sub of an immediate */
static void add_immediate(const struct instruction *in, struct scan_insn *ret)
{
	unsigned int extension = in->reg & 7;
	int32_t add = (int32_t)(extension == 0 ? in->immediate : -in->immediate);

	if ((extension != 0 && extension != 5) || !(in->rex & REX_W))
		return;
	if (is_register(in, RSP))
		ret->sp = (struct scan_operand){SCAN_SP, add};
	else if (is_register(in, RBP))
		ret->fp = (struct scan_operand){SCAN_FP, add};
}

static void move(const struct instruction *in, struct scan_insn *ret)
{
	bool is_store = in->opcode == 0x89;
	unsigned int from = is_store ? in->reg : in->rm, to = is_store ? in->rm : in->reg;

	if (!(in->rex & REX_W))
		return;
	if (in->mod != 3) {
		if (in->reg == RBP && is_store)
			ret->fp_saved = address(in);
		else if (in->reg == RBP)
			ret->fp = loaded(address(in));
	} else if (to == RSP && (from == RBP || from == RSP)) {
		ret->sp = (struct scan_operand){from == RBP ? SCAN_FP : SCAN_SP, 0};
	} else if (to == RBP && (from == RBP || from == RSP)) {
		ret->fp = (struct scan_operand){from == RBP ? SCAN_FP : SCAN_SP, 0};
	}
}

static void load_address(const struct instruction *in, struct scan_insn *ret)
{
	struct scan_operand value = address(in);

	if (value.source == SCAN_KEPT || !(in->rex & REX_W))
		return;
	if (in->reg == RSP)
		ret->sp = value;
	else if (in->reg == RBP)
		ret->fp = value;
}

static void branch(struct scan_insn *ret, enum scan_flow flow, int64_t distance)
{
	ret->flow = flow;
	ret->has_target = true;
	ret->target = ret->length + distance;
}

static void describe_indirect(const struct instruction *in, struct scan_insn *ret)
{
	switch (in->reg & 7) {
	case 2:
		ret->flow = SCAN_CALL;
		break;
	case 4:
		ret->flow = SCAN_INDIRECT;
		break;
	case 6:
		push(ret);
		break;
	}
}

static void describe_0f(const struct instruction *in, struct scan_insn *ret)
{
	switch (in->opcode) {
	case 0x07: /* sysret */
	case 0x0b: /* ud2, ud1, ud0 */
	case 0xb9:
	case 0xff:
		ret->flow = SCAN_END;
		break;
	case 0x1e: /* endbr64 */
		ret->is_landing = in->repeat == 0xf3 && in->mod == 3 && in->reg == 7 && in->rm == 2;
		break;
	case 0x1f:
		ret->is_padding = true;
		break;
	case 0x80 ... 0x8f:
		branch(ret, SCAN_BRANCH, in->immediate);
		break;
	case 0xa0: /* push fs, gs */
	case 0xa8:
		push(ret);
		break;
	case 0xa1:
	case 0xa9:
		pop(ret, RAX);
		break;
	}
}

static void describe(const struct instruction *in, struct scan_insn *ret)
{
	unsigned int opcode_register = (in->opcode & 7) | (in->rex & REX_B ? 8 : 0);

	switch (in->opcode) {
	case 0x31: /* xor */
	case 0x33:
		if (is_register(in, RBP) && in->reg == RBP && !in->is_16_bit)
			ret->fp.source = SCAN_ZERO;
		break;
	case 0x50 ... 0x57:
		push(ret);
		if (opcode_register == RBP)
			ret->fp_saved = ret->sp;
		break;
	case 0x58 ... 0x5f:
		pop(ret, opcode_register);
		break;
	case 0x68:
	case 0x6a:
	case 0x9c: /* pushf */
		push(ret);
		break;
	case 0x70 ... 0x7f:
	case 0xe0 ... 0xe3:
		branch(ret, SCAN_BRANCH, in->immediate);
		break;
	case 0x81:
	case 0x83:
		add_immediate(in, ret);
		break;
	case 0x89:
	case 0x8b:
		move(in, ret);
		break;
	case 0x8d:
		load_address(in, ret);
		break;
	case 0x8f:
		pop(ret, in->mod == 3 ? in->rm : RAX);
		break;
	case 0x90:
		ret->is_padding = in->repeat == 0;
		break;
	case 0x9d: /* popf */
		pop(ret, RAX);
		break;
	case 0xbd:
		if (opcode_register == RBP && !in->is_16_bit && !in->immediate)
			ret->fp.source = SCAN_ZERO;
		break;
	case 0xc2:
	case 0xc3:
		ret->flow = SCAN_RETURN;
		break;
	case 0xc7:
		if (in->mod == 3 && (in->reg & 7) == 7) /* xbegin */
			branch(ret, SCAN_BRANCH, in->immediate);
		else if (is_register(in, RBP) && !in->is_16_bit && !in->immediate)
			ret->fp.source = SCAN_ZERO;
		break;
	case 0xc8: /* enter */
		ret->fp_saved = (struct scan_operand){SCAN_SP, -8};
		ret->fp = ret->fp_saved;
		ret->sp = (struct scan_operand){SCAN_SP, -8 - (int32_t)(uint16_t)in->immediate};
		break;
	case 0xc9: /* leave */
		ret->sp = (struct scan_operand){SCAN_FP, 8};
		ret->fp = (struct scan_operand){SCAN_LOAD_FP, 0};
		break;
	case 0xcc: /* int3 */
		ret->is_padding = true;
		ret->flow = SCAN_END;
		break;
	case 0xca: /* far returns, hlt */
	case 0xcb:
	case 0xcf:
	case 0xf4:
		ret->flow = SCAN_END;
		break;
	case 0xe8:
		branch(ret, SCAN_CALL, in->immediate);
		break;
	case 0xe9:
	case 0xeb:
		branch(ret, SCAN_JUMP, in->immediate);
		break;
	case 0xff:
		describe_indirect(in, ret);
		break;
	}
}

/* What has one of the opcodes of describe(), but does something else. */
static bool is_unknown(const struct instruction *in)
{
	if (in->flags & X || !in->map)
		return true;
	if (in->map != 1)
		return false;
	switch (in->opcode) {
	case 0x8f: /* XOP */
		return in->reg & 7;
	case 0xc8: /* enter with nested frames: see the caller */
		return false;
	case 0xfe:
		return (in->reg & 7) > 1;
	case 0xff: /* far call and jump */
		return (in->reg & 7) == 3 || (in->reg & 7) == 5 || (in->reg & 7) == 7;
	default:
		return false;
	}
}

static bool is_sigreturn(const uint8_t *bytes, size_t n)
{
	static const uint8_t long_form[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05}; /* mov $15, %rax; syscall */
	static const uint8_t short_form[] = {0xb8, 15, 0, 0, 0, 0x0f, 0x05};

	return (n >= sizeof(long_form) && !memcmp(bytes, long_form, sizeof(long_form))) ||
	       (n >= sizeof(short_form) && !memcmp(bytes, short_form, sizeof(short_form)));
}

static void decode(const uint8_t *bytes, size_t n, size_t at, struct scan_insn *ret)
{
	struct instruction in = {0};
	struct cursor cursor;
	unsigned int written;

	*ret = (struct scan_insn){0};
	cursor_init(&cursor, bytes + at, n - at < MAX_LENGTH ? n - at : MAX_LENGTH);
	read_opcode(&cursor, &in);
	if (in.flags & M)
		read_modrm(&cursor, &in);
	in.immediate = signed_value(&cursor, immediate_bytes(&in));
	if (in.map == 1 && in.opcode == 0xc8 && cursor_u8(&cursor))
		return;
	if (!cursor_ok(&cursor) || is_unknown(&in))
		return;
	ret->length = (unsigned int)cursor_offset(&cursor);
	written = written_registers(&in);
	ret->sp.source = written & 1u << RSP ? SCAN_UNKNOWN : SCAN_KEPT;
	ret->fp.source = written & 1u << RBP ? SCAN_UNKNOWN : SCAN_KEPT;
	if (in.is_vector)
		return;
	if (in.map == 1)
		describe(&in, ret);
	else if (in.map == 0x0f)
		describe_0f(&in, ret);
	if (in.is_16_bit && ret->sp.source == SCAN_SP) /* push and pop of two bytes */
		ret->sp.source = SCAN_UNKNOWN;
	if (in.map == 1 && (in.opcode == 0xb8 || in.opcode == 0xc7)) /* mov */
		ret->is_sigreturn = is_sigreturn(bytes + at, n - at);
}

const struct scan_machine code_scan_x86 = {
	.shift = 0,
	.entry_sp = 8,
	.has_link = false,
	.prefers_fp = true,
	.decode = decode,
};
