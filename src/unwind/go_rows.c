/* SPDX-License-Identifier: Apache-2.0 */
/* The pcsp table of a function says how far sp is below its place at the entry (`delta`), at each pc. That is the CFA;
 * where the frame pointer and, on arm64, the return address are saved is the compiler's custom:
 *
 *     x86-64    CFA = sp + delta + 8             arm64    CFA = sp + delta
 *     CFA       arguments                        CFA      arguments
 *     CFA - 8   return address                   ...
 *     CFA - 16  caller's rbp                     sp       return address, at CFA - frame
 *     ...                                        sp - 8   caller's x29, below the frame
 *
 * where `frame` is the delta that the prologue makes. From which pc on they are there, and whether the function has
 * such a frame at all, we read from the code of the prologue, which is where delta first changes (struct frame).
 *
 * Assembly that sets sp by other means has a flag (since Go 1.17; before that we know it by name), and its table is
 * worth nothing. Some such functions of the runtime leave the frame pointer alone, so that it leads back from a
 * thread's stack to that of the goroutine. All others get UNWIND_CFA_UNSUPPORTED: no stack is better than a wrong one.
 */
#include "unwind/go_rows.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "elf/elf_file.h"
#include "elf/file_pages.h"
#include "elf/gopclntab.h"
#include "table/unwind_table.h"

#define CODE_PAGES 4
#define MAX_NAME 48 /* longer ones are none of ours */
#define MAX_DELTA (UNWIND_MAX_CFA_OFF - 16)
#define MAX_SAVED_DISTANCE 32752 /* below the CFA: 16 bits */
#define MAX_PADDING 64
#define MAX_SCANNED_BYTES 1024 /* the largest function of which more than the prologue matters has 400 */
#define NEVER UINT64_MAX

enum kind {
	KIND_COMMON,
	KIND_ROOT,
	KIND_SIGNAL,	/* what a signal handler returns to */
	KIND_HANDLER,	/* called by the kernel: a root for Go, but we know the way on */
	KIND_INJECTED,	/* a signal handler makes it look as if the interrupted code had called it: what it returns to
			 * may be any instruction, so that the one before it is of no use */
	KIND_CROSSCALL, /* from C to Go: saves the registers of C */
	KIND_ALIGNS,	/* sets sp, on the same stack, and leaves the frame pointer alone */
	KIND_SWITCHES,	/* the same, to another stack */
	KIND_LEAVES,	/* leaves the goroutine's stack, and never returns to its caller from what it calls */
	KIND_LOSES,	/* sets sp, and what it was cannot be known */
};

struct special {
	const char *name;
	enum kind kind;
};

/* In order. */
static const struct special special[] = {
	{"_rt0_amd64", KIND_ROOT},
	{"_rt0_amd64_linux", KIND_ROOT},
	{"_rt0_arm64", KIND_ROOT},
	{"_rt0_arm64_linux", KIND_ROOT},
	{"crosscall2", KIND_CROSSCALL},
	{"gogo", KIND_LOSES},
	{"runtime.asmcgocall", KIND_SWITCHES},
	{"runtime.asmcgocall_no_g", KIND_ALIGNS},
	{"runtime.asyncPreempt", KIND_INJECTED},
	{"runtime.callCgoMmap", KIND_ALIGNS},
	{"runtime.callCgoMunmap", KIND_ALIGNS},
	{"runtime.callCgoSigaction", KIND_ALIGNS},
	{"runtime.cgoSigtramp", KIND_LOSES}, /* arm64: keeps its return address in a register */
	{"runtime.cgocallback", KIND_SWITCHES},
	{"runtime.cgocallback_gofunc", KIND_LOSES},
	{"runtime.clone", KIND_LOSES},
	{"runtime.debugCallV1", KIND_INJECTED},
	{"runtime.debugCallV2", KIND_INJECTED},
	{"runtime.goexit", KIND_ROOT},
	{"runtime.gogo", KIND_LOSES},
	{"runtime.jmpdefer", KIND_LOSES},
	{"runtime.mcall", KIND_LEAVES},
	/* What it calls never returns, and runs on the scheduler's stack. */
	{"runtime.morestack", KIND_ROOT},
	{"runtime.mstart", KIND_ROOT},
	{"runtime.nanotime", KIND_LOSES},
	{"runtime.nanotime1", KIND_SWITCHES},
	{"runtime.rt0_go", KIND_ROOT},
	{"runtime.sigfwd", KIND_ALIGNS},
	{"runtime.sigpanic", KIND_INJECTED},
	{"runtime.sigreturn", KIND_SIGNAL},
	{"runtime.sigreturn__sigaction", KIND_SIGNAL},
	{"runtime.sigtramp", KIND_HANDLER},
	{"runtime.switchToCrashStack0", KIND_SWITCHES},
	{"runtime.systemstack", KIND_SWITCHES},
	{"runtime.vgetrandom1", KIND_ALIGNS},
	{"runtime.walltime", KIND_SWITCHES},
	{"runtime.walltime1", KIND_SWITCHES},
	{"time.now", KIND_SWITCHES},
};

struct go_rows {
	struct gopclntab *table;
	struct file_pages *code;
	uint16_t machine;
	uint64_t code_va, code_offset; /* of the segment that holds all of the table's code */
};

/* What the prologue tells. Pcs from which on something is so; NEVER. */
struct frame {
	int32_t bytes;	   /* delta behind the prologue; 0: there is none */
	uint64_t saved;	   /* the caller's frame pointer is at CFA + fp_off */
	uint64_t ra_saved; /* arm64: the return address is at CFA + ra_off, and no longer in x30 alone */
	uint64_t set;	   /* the frame pointer is at its place in this frame (until Go 1.20: but for the epilogue) */
	uint64_t reset;	   /* and no longer */
	int32_t fp_off, ra_off;
};

/* --- telling ------------------------------------------------------------------------------------------------------ */

/* Rows wait here until the next one begins: what begins at the same place takes theirs, and equal ones are told once.
 */
struct teller {
	const struct row_sink *sink;
	uint64_t first, limit;
	uint64_t va; /* of the row that waits */
	struct unwind_rule rule, told;
	uint64_t told_va;
	bool is_waiting, has_told;
	int err; /* what the sink said */
};

static int tell_waiting(struct teller *teller)
{
	if (!teller->is_waiting)
		return 0;
	teller->is_waiting = false;
	if (teller->has_told && memcmp(&teller->rule, &teller->told, sizeof(teller->rule)) == 0)
		return 0;
	teller->has_told = true;
	teller->told = teller->rule;
	teller->told_va = teller->va;
	teller->err = teller->sink->row(teller->sink->ctx, teller->va, &teller->rule);
	if (teller->err > 0)
		teller->err = 0;
	return teller->err;
}

static int tell(struct teller *teller, uint64_t va, struct unwind_rule rule)
{
	int err = 0;

	if (va < teller->first)
		va = teller->first;
	if (teller->has_told && va <= teller->told_va)
		va = teller->told_va + 1;
	if (va >= teller->limit)
		return 0;
	if (teller->is_waiting && va > teller->va)
		err = tell_waiting(teller);
	teller->va = va;
	teller->rule = rule;
	teller->is_waiting = true;
	return err;
}

static struct unwind_rule rule_of(uint8_t cfa)
{
	return (struct unwind_rule){.cfa = cfa};
}

/* --- prologues ---------------------------------------------------------------------------------------------------- */

static int read_code(struct go_rows *rows, uint64_t va, void *to, size_t n)
{
	return file_pages_read(rows->code, rows->code_offset + (va - rows->code_va), to, n);
}

/* Little-endian, of n bytes. */
static uint32_t number(const uint8_t *bytes, size_t n)
{
	uint32_t value = 0;

	for (size_t i = 0; i < n; i++)
		value |= (uint32_t)bytes[i] << 8 * i;
	return value;
}

/* Length of "mov [rsp + distance], rbp" (opcode 0x89) or "lea rbp, [rsp + distance]" (0x8d), or 0. */
static size_t match_rbp_rsp(const uint8_t *bytes, uint8_t opcode, uint32_t distance)
{
	if (bytes[0] != 0x48 || bytes[1] != opcode || bytes[3] != 0x24)
		return 0;
	if (bytes[2] == 0x2c && !distance)
		return 4;
	if (bytes[2] == 0x6c && bytes[4] == distance)
		return 5;
	return bytes[2] == 0xac && number(bytes + 4, 4) == distance ? 8 : 0;
}

/* `pc` is behind the instruction that first lowers sp. Since Go 1.21 that is "push rbp", followed by "mov rbp, rsp";
 * before, it is "sub rsp, frame", followed by "mov [rsp + frame - 8], rbp" and "lea rbp, [rsp + frame - 8]". */
static int read_frame_x86(struct go_rows *rows, uint64_t pc, struct frame *frame)
{
	static const uint8_t push_mov[] = {0x55, 0x48, 0x89, 0xe5};
	uint8_t bytes[17];
	int err = read_code(rows, pc - 1, bytes, sizeof(bytes));
	size_t mov, lea;

	if (err)
		return err == -EIO ? 0 : err; /* the end of the file: no prologue is that near */
	frame->fp_off = -16;
	if (frame->bytes == 8 && memcmp(bytes, push_mov, sizeof(push_mov)) == 0) {
		frame->saved = pc;
		frame->set = pc + 3;
		return 0;
	}
	mov = match_rbp_rsp(bytes + 1, 0x89, (uint32_t)frame->bytes - 8);
	if (!mov)
		return 0;
	frame->saved = pc + mov;
	lea = match_rbp_rsp(bytes + 1 + mov, 0x8d, (uint32_t)frame->bytes - 8);
	if (lea)
		frame->set = pc + mov + lea;
	return 0;
}

#define ARM64_STR_X30_PRE 0xf8000ffeu			      /* str x30, [sp, #imm9]!, imm9 in bits 12 … 20 */
#define ARM64_STUR_X29 0xf81f83fdu			      /* stur x29, [sp, #-8] */
#define ARM64_SUB_SP 0xd10003ffu			      /* sub sp, sp, #imm12, that in bits 10 … 21 */
#define ARM64_SUB_X29 0xd10023fdu			      /* sub x29, sp, #8 */
#define ARM64_STR_X30(rn) (0xf900001eu | (rn) << 5)	      /* str x30, [rn] */
#define ARM64_STP_X29_X30_BELOW(rn) (0xa93ff81du | (rn) << 5) /* stp x29, x30, [rn, #-8] */
#define ARM64_MOV_SP(rn) (0x9100001fu | (rn) << 5)	      /* mov sp, rn */
#define ARM64_STP_X29_X30_SP 0xa9007bfdu /* stp x29, x30, [sp, #imm7 * 8], imm7 in bits 15 … 21 */
#define ARM64_LDR_X29 0xf940001du	 /* ldr x29, [rn, #imm12 * 8] */

/* One of
 *     str x30, [sp, #-frame]!       sub x27, sp, #frame      sub x20, sp, #frame (since Go 1.19)
 *                                   str x30, [x27]           stp x29, x30, [x20, #-8]
 *                                   mov sp, x27              mov sp, x20
 * pc is here:
 *     stur x29, [sp, #-8]           stur x29, [sp, #-8]
 *     sub x29, sp, #8               sub x29, sp, #8          sub x29, sp, #8 */
static bool match_prologue(const uint32_t words[4], uint64_t pc, struct frame *frame)
{
	const uint32_t *at = words + 2;
	uint32_t rn = at[-1] >> 5 & 31;
	bool has_saved = false;

	if (frame->bytes > 256 || at[-1] != (ARM64_STR_X30_PRE | ((uint32_t)-frame->bytes & 0x1ff) << 12)) {
		has_saved = at[-2] == ARM64_STP_X29_X30_BELOW(rn);
		if (at[-1] != ARM64_MOV_SP(rn) || (!has_saved && at[-2] != ARM64_STR_X30(rn)))
			return false;
	}
	if (has_saved)
		frame->saved = pc;
	else if (*at == ARM64_STUR_X29) /* before Go 1.12 x29 is left alone */
		frame->saved = pc + 4, at++;
	if (frame->saved != NEVER && *at == ARM64_SUB_X29)
		frame->set = frame->saved + 4;
	return true;
}

/* What a signal handler makes the interrupted code call saves x30 where its frame will end, and makes the frame then:
 *     stur x30, [sp, #-frame]       stp x29, x30, [sp, #-frame - 8]
 *     sub sp, sp, #frame            sub sp, sp, #frame
 * pc is here:
 *     stur x29, [sp, #-8] */
static bool match_injected_prologue(const uint32_t words[4], uint64_t pc, struct frame *frame)
{
	if ((words[1] & 0xffc003ff) != ARM64_SUB_SP)
		return false;
	if (words[2] == ARM64_STUR_X29)
		frame->saved = pc + 4;
	else if ((words[0] & 0xffc07fff) == ARM64_STP_X29_X30_SP)
		frame->saved = pc;
	return true;
}

/* Where the code loads x29 from anywhere but its frame, the frame pointer is another stack's. */
static int find_reset(struct go_rows *rows, const struct go_function *function, struct frame *frame)
{
	if (function->limit - function->start > MAX_SCANNED_BYTES)
		frame->reset = frame->set;
	for (uint64_t pc = frame->set; pc < function->limit && frame->reset == NEVER; pc += 4) {
		uint32_t word;
		int err = read_code(rows, pc, &word, sizeof(word));

		if (err)
			return err;
		if ((word & 0xffc0001f) == ARM64_LDR_X29 && (word >> 5 & 31) != UNWIND_ARM64_SP)
			frame->reset = pc + 4;
	}
	return 0;
}

/* crosscall2 makes room and then saves the registers of C, x29 and x30 last of all. */
static int find_crosscall_frame(struct go_rows *rows, const struct go_function *function, uint64_t pc,
				struct frame *frame)
{
	uint64_t end = function->limit - pc < MAX_SCANNED_BYTES ? function->limit : pc + MAX_SCANNED_BYTES;

	for (; pc < end && frame->saved == NEVER; pc += 4) {
		uint32_t word;
		int err = read_code(rows, pc, &word, sizeof(word));

		if (err)
			return err;
		if ((word & 0xffc07fff) != ARM64_STP_X29_X30_SP)
			continue;
		frame->fp_off = (int32_t)(word >> 15 & 0x3f) * 8 - frame->bytes;
		frame->ra_off = frame->fp_off + 8;
		frame->saved = frame->ra_saved = pc + 4;
	}
	return 0;
}

/* Leaves ra_saved at NEVER when the frame is of no kind that we know. */
static int read_frame_arm64(struct go_rows *rows, const struct go_function *function, enum kind kind, uint64_t pc,
			    struct frame *frame)
{
	uint32_t words[4];
	int err;

	if (pc - rows->code_va < 8)
		return 0;
	err = read_code(rows, pc - 8, words, sizeof(words));
	if (err)
		return err == -EIO ? 0 : err;
	frame->ra_off = -frame->bytes;
	frame->fp_off = -frame->bytes - 8;
	if (kind == KIND_CROSSCALL)
		return find_crosscall_frame(rows, function, pc, frame);
	if (match_prologue(words, pc, frame) || (kind == KIND_INJECTED && match_injected_prologue(words, pc, frame)))
		frame->ra_saved = pc;
	if (frame->set != NEVER && kind == KIND_SWITCHES)
		err = find_reset(rows, function, frame);
	return err;
}

/* Reads the whole table, so that a broken one is known before its first row is told. -EBADMSG. */
static int read_frame(struct go_rows *rows, const struct go_function *function, enum kind kind, struct frame *frame)
{
	uint64_t pc = function->start, limit, frame_pc = 0;
	struct go_values values;
	int32_t delta;
	int more;

	*frame = (struct frame){.saved = NEVER, .ra_saved = NEVER, .set = NEVER, .reset = NEVER};
	if (!function->pcsp)
		return -EBADMSG;
	go_values_init(&values, rows->table, function, function->pcsp);
	for (; (more = go_values_next(&values, &limit, &delta)) > 0; pc = limit) {
		/* mcall clears rbp before that push, which is one byte long. */
		if (kind == KIND_LEAVES && frame->bytes && delta > frame->bytes && frame->reset == NEVER)
			frame->reset = pc - 1;
		if (frame->bytes || delta <= 0)
			continue;
		frame->bytes = delta;
		frame_pc = pc;
	}
	if (more < 0)
		return more;
	if (!frame->bytes || frame->bytes > MAX_DELTA || frame_pc == function->start)
		return 0;
	return rows->machine == EM_AARCH64 ? read_frame_arm64(rows, function, kind, frame_pc, frame)
					   : read_frame_x86(rows, frame_pc, frame);
}

/* --- rules -------------------------------------------------------------------------------------------------------- */

static struct unwind_rule rule_x86(const struct frame *frame, enum kind kind, uint64_t pc, int32_t delta)
{
	struct unwind_rule rule = {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_SAVED, .cfa_off = delta + 8, .ra_off = -8};

	if (kind == KIND_INJECTED)
		rule.ra = UNWIND_RA_EXACT;
	if (!delta)
		return rule;
	if (pc >= frame->saved) {
		rule.fp = UNWIND_FP_SAVED;
		rule.fp_off = (int16_t)frame->fp_off;
	} else if (frame->saved == NEVER && kind != KIND_CROSSCALL) {
		rule.fp = UNWIND_FP_LOST;
	}
	if (kind >= KIND_ALIGNS && pc >= frame->set) {
		rule.cfa = kind == KIND_SWITCHES ? UNWIND_CFA_SWITCH : UNWIND_CFA_FP;
		rule.cfa_off = 16;
	}
	return rule;
}

static struct unwind_rule rule_arm64(const struct frame *frame, enum kind kind, uint64_t pc, int32_t delta)
{
	struct unwind_rule rule = {.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_LINK, .cfa_off = delta};
	int32_t above = 0; /* between the function's frame and the caller's sp */

	if (kind == KIND_INJECTED) {
		above = UNWIND_ARM64_SAVED_LINK;
		rule.ra = UNWIND_RA_EXACT;
		rule.cfa_off += above;
	}
	if (!delta)
		return rule;
	if (frame->ra_saved == NEVER || frame->fp_off < -MAX_SAVED_DISTANCE)
		return rule_of(UNWIND_CFA_UNSUPPORTED);
	if (pc >= frame->ra_saved) {
		rule.ra = kind == KIND_INJECTED ? UNWIND_RA_EXACT : UNWIND_RA_SAVED;
		rule.ra_off = (int16_t)(frame->ra_off - above);
	}
	if (pc >= frame->saved) {
		rule.fp = UNWIND_FP_SAVED;
		rule.fp_off = (int16_t)(frame->fp_off - above);
	}
	if (kind >= KIND_ALIGNS && pc >= frame->set) {
		rule.cfa = kind == KIND_SWITCHES ? UNWIND_CFA_SWITCH : UNWIND_CFA_FP;
		rule.cfa_off = frame->bytes + 8;
	}
	return rule;
}

static struct unwind_rule rule_at(const struct go_rows *rows, const struct frame *frame, enum kind kind, uint64_t pc,
				  int32_t delta)
{
	/* On x86-64 it has a frame since Go 1.21, then the push of its argument. */
	if (kind == KIND_LEAVES && delta > (frame->set == NEVER ? 0 : frame->bytes))
		return rule_of(UNWIND_CFA_STOP);
	if (delta < 0 || delta > MAX_DELTA || pc >= frame->reset)
		return rule_of(UNWIND_CFA_UNSUPPORTED);
	if (kind >= KIND_ALIGNS && frame->set == NEVER)
		return rule_of(UNWIND_CFA_UNSUPPORTED);
	return rows->machine == EM_AARCH64 ? rule_arm64(frame, kind, pc, delta) : rule_x86(frame, kind, pc, delta);
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

static int compare_name(const void *name, const void *entry)
{
	return strcmp(name, ((const struct special *)entry)->name);
}

static int kind_of(struct go_rows *rows, const struct go_function *function, enum kind *ret)
{
	enum go_layout layout = gopclntab_layout(rows->table);
	const struct special *found;
	enum kind kind = KIND_COMMON;
	char name[MAX_NAME];
	int err = gopclntab_name(rows->table, function, name, sizeof(name));

	if (err)
		return err;
	found = bsearch(name, special, sizeof(special) / sizeof(*special), sizeof(*special), compare_name);
	if (found)
		kind = found->kind;
	/* Compiled functions that call one with another calling convention have its name. */
	if (kind >= KIND_ALIGNS && layout >= GO_LAYOUT_1_18 && !(function->flags & GO_FUNCTION_ASSEMBLY))
		kind = KIND_COMMON;
	/* Then they used the frame pointer for something else. */
	if ((kind == KIND_ALIGNS || kind == KIND_SWITCHES) && layout == GO_LAYOUT_1_2)
		kind = KIND_LOSES;
	if (kind == KIND_COMMON && function->flags & GO_FUNCTION_SP_WRITE)
		kind = KIND_LOSES;
	if (kind == KIND_COMMON && function->flags & GO_FUNCTION_TOP_FRAME)
		kind = KIND_ROOT;
	*ret = kind;
	return 0;
}

/* Until Go 1.20 a function that returns first restores rbp and then adds to rsp: length of that last instruction, when
 * the code before `limit` ends with it. */
static int match_epilogue(struct go_rows *rows, const struct frame *frame, uint64_t pc, uint64_t limit, uint64_t *ret)
{
	uint8_t bytes[7];
	int err;

	*ret = 0;
	if (rows->machine != EM_X86_64 || limit - pc <= sizeof(bytes))
		return 0;
	err = read_code(rows, limit - sizeof(bytes), bytes, sizeof(bytes));
	if (err)
		return err;
	if (bytes[3] == 0x48 && bytes[4] == 0x83 && bytes[5] == 0xc4 && bytes[6] == frame->bytes)
		*ret = 4;
	else if (bytes[0] == 0x48 && bytes[1] == 0x81 && bytes[2] == 0xc4 &&
		 number(bytes + 3, 4) == (uint32_t)frame->bytes)
		*ret = 7;
	return 0;
}

/* The rows of a run of pcs with one delta: rules change where the prologue saves something, too. */
static int tell_run(struct go_rows *rows, struct teller *teller, const struct frame *frame, enum kind kind, uint64_t pc,
		    uint64_t limit, int32_t delta)
{
	const uint64_t changes[] = {pc, frame->saved, frame->set, frame->reset};
	uint64_t epilogue = 0;
	int err = 0;

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes) && !err; i++)
		if (changes[i] >= pc && changes[i] < limit)
			err = tell(teller, changes[i], rule_at(rows, frame, kind, changes[i], delta));
	if (!err && kind >= KIND_ALIGNS && frame->set != NEVER && delta == frame->bytes)
		err = match_epilogue(rows, frame, pc, limit, &epilogue);
	return epilogue && !err ? tell(teller, limit - epilogue, rule_x86(frame, KIND_COMMON, limit - epilogue, delta))
				: err;
}

static int tell_common(struct go_rows *rows, struct teller *teller, const struct go_function *function, enum kind kind)
{
	uint64_t pc = function->start, limit;
	struct go_values values;
	struct frame frame;
	int32_t delta;
	int more, err = read_frame(rows, function, kind, &frame);

	if (err)
		return err;
	go_values_init(&values, rows->table, function, function->pcsp);
	for (; (more = go_values_next(&values, &limit, &delta)) > 0; pc = limit) {
		err = tell_run(rows, teller, &frame, kind, pc, limit, delta);
		if (err)
			return err;
	}
	if (more < 0)
		return more;
	return function->limit - pc >= MAX_PADDING ? tell(teller, pc, rule_of(UNWIND_CFA_NONE)) : 0;
}

/* -EBADMSG: it has no rows. */
static int tell_function(struct go_rows *rows, struct teller *teller, const struct go_function *function)
{
	enum kind kind;
	int err = kind_of(rows, function, &kind);

	if (err)
		return err;
	switch (kind) {
	case KIND_ROOT:
		return tell(teller, function->start, rule_of(UNWIND_CFA_STOP));
	case KIND_LOSES:
		return tell(teller, function->start, rule_of(UNWIND_CFA_UNSUPPORTED));
	case KIND_SIGNAL:
		/* Nobody calls it: handlers return to its very first byte, and the walk looks up what is before. */
		return tell(teller, function->start - 1, rule_of(UNWIND_CFA_SIGNAL));
	default:
		return tell_common(rows, teller, function, kind);
	}
}

static int tell_functions(struct go_rows *rows, struct teller *teller, size_t index)
{
	uint64_t reached = 0;
	int err = 0;

	for (; !err && index < gopclntab_count(rows->table); index++) {
		struct go_function function;

		err = gopclntab_function(rows->table, index, &function);
		if (!err && function.start > teller->limit)
			break;
		if (!err && function.start < reached)
			err = -EBADMSG;
		if (!err && function.start > reached)
			err = tell(teller, reached, rule_of(UNWIND_CFA_NONE));
		if (!err)
			err = tell_function(rows, teller, &function);
		if (!err)
			reached = function.limit;
		else if (err == -EBADMSG && !teller->err) /* costs itself only */
			err = 0;
	}
	return err ? err : tell(teller, reached, rule_of(UNWIND_CFA_NONE));
}

int go_rows_emit(struct go_rows *rows, uint64_t va_first, uint64_t va_limit, const struct row_sink *sink)
{
	struct teller teller = {.sink = sink};
	uint64_t start, limit;
	size_t index;
	int err;

	gopclntab_range(rows->table, &start, &limit);
	teller.first = va_first > start ? va_first : start;
	teller.limit = va_limit < limit ? va_limit : limit;
	if (teller.first >= teller.limit)
		return 0;
	err = gopclntab_find(rows->table, teller.first, &index);
	if (!err)
		err = tell_functions(rows, &teller, index);
	return err ? err : tell_waiting(&teller);
}

int go_rows_open(const struct elf_file *file, struct go_rows **ret)
{
	struct go_rows *rows = calloc(1, sizeof(*rows));
	const struct elf_segment *segments;
	uint64_t start, limit;
	size_t n;
	int err = -ENOMEM;

	if (!rows)
		return err;
	rows->machine = elf_file_machine(file);
	err = gopclntab_open(file, &rows->table);
	if (!err)
		err = file_pages_new(elf_file_fd(file), CODE_PAGES, &rows->code);
	if (err)
		goto fail;
	gopclntab_range(rows->table, &start, &limit);
	segments = elf_file_segments(file, &n);
	for (size_t i = 0; i < n; i++) {
		if ((segments[i].flags & PF_X) && start >= segments[i].vaddr &&
		    start - segments[i].vaddr < segments[i].filesz) {
			rows->code_va = segments[i].vaddr;
			rows->code_offset = segments[i].offset;
			break;
		}
	}
	*ret = rows;
	return 0;
fail:
	go_rows_free(rows);
	return err;
}

void go_rows_free(struct go_rows *rows)
{
	if (!rows)
		return;
	gopclntab_free(rows->table);
	file_pages_free(rows->code);
	free(rows);
}

void go_rows_range(const struct go_rows *rows, uint64_t *ret_start, uint64_t *ret_limit)
{
	gopclntab_range(rows->table, ret_start, ret_limit);
}

size_t go_rows_memory_bytes(const struct go_rows *rows)
{
	return sizeof(*rows) + gopclntab_memory_bytes(rows->table) + file_pages_memory_bytes(rows->code);
}
