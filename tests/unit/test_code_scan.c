/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "guard.h"
#include "unwind/code_scan.h"
#include "unwind/code_scan_internal.h"

#define CASES(array) (sizeof(array) / sizeof(*(array)))
#define CODE(literal) (literal), sizeof(literal) - 1
#define VA 0x1000
#define NOPS_50                                                                                                        \
	"\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"         \
	"\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90"
#define NOPS_200 NOPS_50 NOPS_50 NOPS_50 NOPS_50

/* --- rows as text: "0 sp+8, 1 sp+16 fp-16": offset, CFA, where fp and the return address are saved ------------------
 */

struct text {
	struct buf buf;
	uint16_t machine;
};

static int add_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	static const char *const cfas[UNWIND_CFA_COUNT] = {
		[UNWIND_CFA_NONE] = "none",	[UNWIND_CFA_SP] = "sp",	     [UNWIND_CFA_FP] = "fp",
		[UNWIND_CFA_PLT] = "plt",	[UNWIND_CFA_STOP] = "stop",  [UNWIND_CFA_SIGNAL] = "signal",
		[UNWIND_CFA_REGISTER] = "?",	[UNWIND_CFA_DEREF_SP] = "?", [UNWIND_CFA_DEREF_FP] = "?",
		[UNWIND_CFA_UNSUPPORTED] = "?",
	};
	struct text *text = ctx;

	buf_printf(&text->buf, "%s%" PRIx64 " %s", text->buf.len ? ", " : "", va - VA, cfas[rule->cfa]);
	if (rule->cfa == UNWIND_CFA_SP || rule->cfa == UNWIND_CFA_FP || rule->cfa == UNWIND_CFA_PLT)
		buf_printf(&text->buf, "%+d", rule->cfa_off);
	if (rule->fp == UNWIND_FP_SAVED)
		buf_printf(&text->buf, " fp%+d", rule->fp_off);
	else if (rule->fp == UNWIND_FP_LOST)
		buf_append_str(&text->buf, " fp?");
	if (rule->ra == UNWIND_RA_LINK)
		buf_append_str(&text->buf, " lr");
	else if (text->machine == EM_AARCH64 && rule->ra_off)
		buf_printf(&text->buf, " ra%+d", rule->ra_off);
	else if (text->machine == EM_X86_64 &&
		 rule->ra_off != (rule->cfa == UNWIND_CFA_NONE || rule->cfa >= UNWIND_CFA_SIGNAL ? 0 : -8))
		buf_append_str(&text->buf, " wrong ra");
	return 0;
}

typedef int scan_function(const struct code_scan_region *region, const struct row_sink *sink);

struct snippet {
	uint16_t machine;
	const char *code;
	size_t n;
	const char *rows;
};

/* The one function that is known begins at the first byte. The code ends at a page that cannot be read. */
static void check_snippet(scan_function *scan, const struct snippet *snippet)
{
	static const uint64_t start = VA;
	struct guarded guarded = guarded_copy(snippet->code, snippet->n);
	struct code_scan_region region = {
		.machine = snippet->machine,
		.va = VA,
		.bytes = guarded.bytes,
		.n = snippet->n,
		.starts = &start,
		.n_starts = 1,
	};
	struct text text = {.machine = snippet->machine};
	struct row_sink sink = {add_row, &text};

	buf_init(&text.buf, 1 << 16);
	assert_int_equal(scan(&region, &sink), 0);
	assert_non_null(buf_cstr(&text.buf));
	assert_string_equal(buf_cstr(&text.buf), snippet->rows);
	buf_release(&text.buf);
	guarded_release(&guarded);
}

static void check_snippets(const struct snippet *snippets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_snippet(code_scan, &snippets[i]);
}

/* --- what one function does ----------------------------------------------------------------------------------------
 */

static void push_pop_and_arithmetic_move_the_cfa(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\x48\x83\xec\x10"     /* 1: sub $0x10,%rsp */
		      "\xe8\x00\x01\x00\x00" /* 5: call 0x10a */
		      "\x48\x8d\x64\x24\x10" /* a: lea 0x10(%rsp),%rsp */
		      "\x5b"		     /* f: pop %rbx */
		      "\xc3" /* 10: ret */),
		 "0 sp+8, 1 sp+16, 5 sp+32, f sp+16, 10 sp+8"},
		{EM_X86_64,
		 CODE("\x9c"			     /* 0: pushf */
		      "\x6a\x01"		     /* 1: push $0x1 */
		      "\x68\x00\x10\x00\x00"	     /* 3: push $0x1000 */
		      "\xff\x37"		     /* 8: push (%rdi) */
		      "\x48\x81\xec\x00\x10\x00\x00" /* a: sub $0x1000,%rsp */
		      "\x48\x83\xc4\x80"	     /* 11: add $0xffffffffffffff80,%rsp */
		      "\x48\x81\xc4\x80\x10\x00\x00" /* 15: add $0x1080,%rsp */
		      "\x8f\x07"		     /* 1c: pop (%rdi) */
		      "\x58"			     /* 1e: pop %rax */
		      "\x59"			     /* 1f: pop %rcx */
		      "\x9d"			     /* 20: popf */
		      "\xc3" /* 21: ret */),
		 "0 sp+8, 1 sp+16, 3 sp+24, 8 sp+32, a sp+40, 11 sp+4136, 15 sp+4264, 1c sp+40, 1e sp+32, 1f sp+24, 20 "
		 "sp+16, 21 sp+8"},
		{EM_AARCH64,
		 CODE("\xff\x43\x00\xd1" /* 0: sub sp, sp, #0x10 */
		      "\xe0\x07\x00\xf9" /* 4: str x0, [sp, #8] */
		      "\xff\x43\x00\x91" /* 8: add sp, sp, #0x10 */
		      "\xc0\x03\x5f\xd6" /* c: ret */),
		 "0 sp+0 lr, 4 sp+16 lr, c sp+0 lr"},
		{EM_AARCH64,
		 CODE("\xe8\x27\xbe\x6d" /* 0: stp d8, d9, [sp, #-32]! */
		      "\xea\x0f\x9f\x3c" /* 4: str q10, [sp, #-16]! */
		      "\xea\x07\xc1\x3c" /* 8: ldr q10, [sp], #16 */
		      "\xe8\x27\xc2\x6c" /* c: ldp d8, d9, [sp], #32 */
		      "\xc0\x03\x5f\xd6" /* 10: ret */),
		 "0 sp+0 lr, 4 sp+32 lr, 8 sp+48 lr, c sp+32 lr, 10 sp+0 lr"},
		{EM_AARCH64,
		 CODE("\xff\x07\x40\xd1" /* 0: sub sp, sp, #0x1, lsl #12 */
		      "\xff\x83\x00\xd1" /* 4: sub sp, sp, #0x20 */
		      "\xff\x83\x00\x91" /* 8: add sp, sp, #0x20 */
		      "\xff\x07\x40\x91" /* c: add sp, sp, #0x1, lsl #12 */
		      "\xc0\x03\x5f\xd6" /* 10: ret */),
		 "0 sp+0 lr, 4 sp+4096 lr, 8 sp+4128 lr, c sp+4096 lr, 10 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void frame_pointer_stands_in_for_a_lost_stack_pointer(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x55"		 /* 0: push %rbp */
		      "\x48\x89\xe5"	 /* 1: mov %rsp,%rbp */
		      "\x48\x29\xc4"	 /* 4: sub %rax,%rsp */
		      "\x48\x83\xe4\xe0" /* 7: and $0xffffffffffffffe0,%rsp */
		      "\x48\x8d\x65\xf0" /* b: lea -0x10(%rbp),%rsp */
		      "\x48\x83\xc4\x10" /* f: add $0x10,%rsp */
		      "\x5d"		 /* 13: pop %rbp */
		      "\xc3" /* 14: ret */),
		 "0 sp+8, 1 sp+16 fp-16, 4 fp+16 fp-16, 14 sp+8"},
		{EM_X86_64,
		 CODE("\xc8\x10\x00\x00" /* 0: enter $0x10,$0x0 */
		      "\x48\x29\xc4"	 /* 4: sub %rax,%rsp */
		      "\xc9"		 /* 7: leave */
		      "\xc3" /* 8: ret */),
		 "0 sp+8, 4 fp+16 fp-16, 8 sp+8"},
		{EM_AARCH64,
		 CODE("\xfd\x7b\xbf\xa9" /* 0: stp x29, x30, [sp, #-16]! */
		      "\xfd\x03\x00\x91" /* 4: mov x29, sp */
		      "\xff\x63\x20\xcb" /* 8: sub sp, sp, x0 */
		      "\xbf\x03\x00\x91" /* c: mov sp, x29 */
		      "\xfd\x7b\xc1\xa8" /* 10: ldp x29, x30, [sp], #16 */
		      "\xc0\x03\x5f\xd6" /* 14: ret */),
		 "0 sp+0 lr, 4 sp+16 fp-16 ra-8, c fp+16 fp-16 ra-8, 10 sp+16 fp-16 ra-8, 14 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void stack_pointer_that_is_lost_without_a_frame_pointer_has_no_rule(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x83\xe4\xf0" /* 0: and $0xfffffffffffffff0,%rsp */
		      "\xc3" /* 4: ret */),
		 "0 sp+8, 4 none"},
		{EM_X86_64,
		 CODE("\x48\x89\xfc" /* 0: mov %rdi,%rsp */
		      "\xc3" /* 3: ret */),
		 "0 sp+8, 3 none"},
		{EM_X86_64,
		 CODE("\x48\x8d\x24\x04" /* 0: lea (%rsp,%rax,1),%rsp */
		      "\xc3" /* 4: ret */),
		 "0 sp+8, 4 none"},
		{EM_X86_64,
		 CODE("\x83\xec\x08" /* 0: sub $0x8,%esp */
		      "\xc3" /* 3: ret */),
		 "0 sp+8, 3 none"},
		{EM_X86_64,
		 CODE("\x5c" /* 0: pop %rsp */
		      "\xc3" /* 1: ret */),
		 "0 sp+8, 1 none"},
		{EM_AARCH64,
		 CODE("\xff\x63\x20\xcb" /* 0: sub sp, sp, x0 */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 none"},
		{EM_AARCH64,
		 CODE("\x1f\xec\x7c\x92" /* 0: and sp, x0, #0xfffffffffffffff0 */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 none"},
		{EM_AARCH64,
		 CODE("\xe0\x73\xdf\x4c" /* 0: ld1 {v0.16b}, [sp], #16 */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void return_address_taken_off_the_stack_ends_the_rules(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x58" /* 0: pop %rax */
		      "\xff\xe0" /* 1: jmp *%rax */),
		 "0 sp+8, 1 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void caller_frame_pointer_is_found_where_it_was_saved(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x83\xec\x18"     /* 0: sub $0x18,%rsp */
		      "\x48\x89\x6c\x24\x08" /* 4: mov %rbp,0x8(%rsp) */
		      "\x31\xed"	     /* 9: xor %ebp,%ebp */
		      "\x48\x8b\x6c\x24\x08" /* b: mov 0x8(%rsp),%rbp */
		      "\x48\x83\xc4\x18"     /* 10: add $0x18,%rsp */
		      "\xc3" /* 14: ret */),
		 "0 sp+8, 4 sp+32, 9 sp+32 fp-24, 14 sp+8"},
		{EM_X86_64,
		 CODE("\x55"	     /* 0: push %rbp */
		      "\x48\x89\xfd" /* 1: mov %rdi,%rbp */
		      "\x5d"	     /* 4: pop %rbp */
		      "\xc3" /* 5: ret */),
		 "0 sp+8, 1 sp+16 fp-16, 5 sp+8"},
		{EM_X86_64,
		 CODE("\x55"		 /* 0: push %rbp */
		      "\x48\x89\xe5"	 /* 1: mov %rsp,%rbp */
		      "\x53"		 /* 4: push %rbx */
		      "\x48\x89\x45\xf8" /* 5: mov %rax,-0x8(%rbp) */
		      "\x48\x8b\x5d\xf8" /* 9: mov -0x8(%rbp),%rbx */
		      "\xc9"		 /* d: leave */
		      "\xc3" /* e: ret */),
		 "0 sp+8, 1 sp+16 fp-16, 4 fp+16 fp-16, e sp+8"},
		{EM_AARCH64,
		 CODE("\xfd\x7b\xbe\xa9" /* 0: stp x29, x30, [sp, #-32]! */
		      "\xfd\x03\x00\x91" /* 4: mov x29, sp */
		      "\x40\x00\x00\x94" /* 8: bl 108 */
		      "\xfd\x7b\xc2\xa8" /* c: ldp x29, x30, [sp], #32 */
		      "\xc0\x03\x5f\xd6" /* 10: ret */),
		 "0 sp+0 lr, 4 sp+32 fp-32 ra-24, 10 sp+0 lr"},
		{EM_AARCH64,
		 CODE("\xff\xc3\x00\xd1" /* 0: sub sp, sp, #0x30 */
		      "\xfd\x7b\x02\xa9" /* 4: stp x29, x30, [sp, #32] */
		      "\xfd\x83\x00\x91" /* 8: add x29, sp, #0x20 */
		      "\x40\x00\x00\x94" /* c: bl 10c */
		      "\xfd\x7b\x42\xa9" /* 10: ldp x29, x30, [sp, #32] */
		      "\xff\xc3\x00\x91" /* 14: add sp, sp, #0x30 */
		      "\xc0\x03\x5f\xd6" /* 18: ret */),
		 "0 sp+0 lr, 4 sp+48 lr, 8 sp+48 fp-16 ra-8, 18 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void frame_pointer_with_another_value_is_lost(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x89\xfd" /* 0: mov %rdi,%rbp */
		      "\xc3" /* 3: ret */),
		 "0 sp+8, 3 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\x48\x0f\x44\xe8" /* 0: cmove %rax,%rbp */
		      "\xc3" /* 4: ret */),
		 "0 sp+8, 4 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\x40\x0f\x95\xc5" /* 0: setne %bpl */
		      "\xc3" /* 4: ret */),
		 "0 sp+8, 4 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\x59"	     /* 0: pop %rcx */
		      "\x51"	     /* 1: push %rcx */
		      "\x0f\xb6\xe8" /* 2: movzbl %al,%ebp */
		      "\xc3" /* 5: ret */),
		 "0 sp+8, 1 none"},
		{EM_X86_64,
		 CODE("\x0f\x50\xe8" /* 0: movmskps %xmm0,%ebp */
		      "\xc3" /* 3: ret */),
		 "0 sp+8, 3 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\xc4\xe2\xd0\xf3\xc8" /* 0: blsr %rax,%rbp */
		      "\xc3" /* 5: ret */),
		 "0 sp+8, 5 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\xc5\xf9\x7e\xcd" /* 0: vmovd %xmm1,%ebp */
		      "\xc3" /* 4: ret */),
		 "0 sp+8, 4 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\x48\x0f\xcd" /* 0: bswap %rbp */
		      "\xc3" /* 3: ret */),
		 "0 sp+8, 3 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\x48\x95" /* 0: xchg %rax,%rbp */
		      "\xc3" /* 2: ret */),
		 "0 sp+8, 2 sp+8 fp?"},
		{EM_AARCH64,
		 CODE("\xfd\x03\x01\xaa" /* 0: mov x29, x1 */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 sp+0 fp? lr"},
		{EM_AARCH64,
		 CODE("\x1d\x00\x40\xf9" /* 0: ldr x29, [x0] */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 sp+0 fp? lr"},
		{EM_AARCH64,
		 CODE("\x1d\x3c\x0c\x0e" /* 0: mov w29, v0.s[1] */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 sp+0 fp? lr"},
		{EM_AARCH64,
		 CODE("\x1d\x00\x00\x90" /* 0: adrp x29, 0 */
		      "\xc0\x03\x5f\xd6" /* 4: ret */),
		 "0 sp+0 lr, 4 sp+0 fp? lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void what_only_looks_like_the_frame_pointer_is_not_lost(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x83\xfd\x01" /* 0: cmp $0x1,%rbp */
		      "\x48\x85\xed"	 /* 4: test %rbp,%rbp */
		      "\x88\xe8"	 /* 7: mov %ch,%al */
		      "\xb5\x01"	 /* 9: mov $0x1,%ch */
		      "\xc5\x7c\x28\xed" /* b: vmovaps %ymm5,%ymm13 */
		      "\xc5\xf9\x6e\xe9" /* f: vmovd %ecx,%xmm5 */
		      "\x0f\xba\xe5\x03" /* 13: bt $0x3,%ebp */
		      "\x50"		 /* 17: push %rax */
		      "\x58"		 /* 18: pop %rax */
		      "\xc3" /* 19: ret */),
		 "0 sp+8, 18 sp+16, 19 sp+8"},
		{EM_AARCH64,
		 CODE("\xbf\x07\x00\xf1" /* 0: cmp x29, #0x1 */
		      "\x1d\x00\x00\xf9" /* 4: str x29, [x0] */
		      "\x3d\x00\x67\x9e" /* 8: fmov d29, x1 */
		      "\x3d\x00\x62\x9e" /* c: scvtf d29, x1 */
		      "\x2d\x08\x4d\xfa" /* 10: ccmp x1, #0xd, #0xd, eq */
		      "\xa0\x03\x80\xf9" /* 14: prfm pldl1keep, [x29] */
		      "\xc0\x03\x5f\xd6" /* 18: ret */),
		 "0 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void link_register_is_the_callers_until_a_call(void **state)
{
	static const struct snippet snippets[] = {
		{EM_AARCH64,
		 CODE("\xfe\x0f\x1f\xf8" /* 0: str x30, [sp, #-16]! */
		      "\x20\x00\x3f\xd6" /* 4: blr x1 */
		      "\xfe\x07\x41\xf8" /* 8: ldr x30, [sp], #16 */
		      "\xc0\x03\x5f\xd6" /* c: ret */),
		 "0 sp+0 lr, 4 sp+16 ra-16, c sp+0 lr"},
		{EM_AARCH64,
		 CODE("\xff\x43\x00\xd1" /* 0: sub sp, sp, #0x10 */
		      "\x40\x00\x00\x94" /* 4: bl 104 */
		      "\xc0\x03\x5f\xd6" /* 8: ret */),
		 "0 sp+0 lr, 4 sp+16 lr, 8 none"},
		{EM_AARCH64,
		 CODE("\x3f\x23\x03\xd5" /* 0: paciasp */
		      "\xfd\x7b\xbf\xa9" /* 4: stp x29, x30, [sp, #-16]! */
		      "\xfd\x7b\xc1\xa8" /* 8: ldp x29, x30, [sp], #16 */
		      "\xff\x0b\x5f\xd6" /* c: retaa */),
		 "0 sp+0 lr, 8 sp+16 fp-16 ra-8, c sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void large_frames_of_arm64_take_their_size_from_a_register(void **state)
{
	static const struct snippet snippets[] = {
		{EM_AARCH64,
		 CODE("\x0d\xcf\x8a\xd2" /* 0: mov x13, #0x5678 */
		      "\x2d\x00\xa0\xf2" /* 4: movk x13, #0x1, lsl #16 */
		      "\x20\x00\x80\xd2" /* 8: mov x0, #0x1 */
		      "\xff\x63\x2d\xcb" /* c: sub sp, sp, x13 */
		      "\x0d\xcf\x8a\xd2" /* 10: mov x13, #0x5678 */
		      "\x2d\x00\xa0\xf2" /* 14: movk x13, #0x1, lsl #16 */
		      "\xff\x63\x2d\x8b" /* 18: add sp, sp, x13 */
		      "\xc0\x03\x5f\xd6" /* 1c: ret */),
		 "0 sp+0 lr, 10 sp+87672 lr, 1c sp+0 lr"},
		{EM_AARCH64,
		 CODE("\x0d\xcf\x8a\xd2" /* 0: mov x13, #0x5678 */
		      "\xed\x03\x01\xaa" /* 4: mov x13, x1 */
		      "\xff\x63\x2d\xcb" /* 8: sub sp, sp, x13 */
		      "\xc0\x03\x5f\xd6" /* c: ret */),
		 "0 sp+0 lr, c none"},
		{EM_AARCH64,
		 CODE("\x40\x00\x00\xb4" /* 0: cbz x0, 8 */
		      "\x0d\xcf\x8a\xd2" /* 4: mov x13, #0x5678 */
		      "\x21\x00\x00\xb4" /* 8: cbz x1, c */
		      "\xff\x63\x2d\xcb" /* c: sub sp, sp, x13 */
		      "\xc0\x03\x5f\xd6" /* 10: ret */),
		 "0 sp+0 lr, 10 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void branch_brings_its_frame_along(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\x85\xff"	     /* 1: test %edi,%edi */
		      "\x74\x02"	     /* 3: je 0x7 */
		      "\x5b"		     /* 5: pop %rbx */
		      "\xc3"		     /* 6: ret */
		      "\xe8\x00\x01\x00\x00" /* 7: call 0x10c */
		      "\x5b"		     /* c: pop %rbx */
		      "\xc3" /* d: ret */),
		 "0 sp+8, 1 sp+16, 6 sp+8, 7 sp+16, d sp+8"},
		{EM_X86_64,
		 CODE("\x48\x83\xec\x08"     /* 0: sub $0x8,%rsp */
		      "\xeb\x05"	     /* 4: jmp 0xb */
		      "\xe8\x00\x01\x00\x00" /* 6: call 0x10b */
		      "\xff\xcf"	     /* b: dec %edi */
		      "\x75\xf7"	     /* d: jne 0x6 */
		      "\x48\x83\xc4\x08"     /* f: add $0x8,%rsp */
		      "\xc3" /* 13: ret */),
		 "0 sp+8, 4 sp+16, 13 sp+8"},
		{EM_X86_64,
		 CODE("\x53"			 /* 0: push %rbx */
		      "\x85\xff"		 /* 1: test %edi,%edi */
		      "\x0f\x85\xca\x00\x00\x00" /* 3: jne 0xd3 */
		      "\x5b"			 /* 9: pop %rbx */
		      "\xc3"			 /* a: ret */
		      NOPS_200			 /* b: nop … */
		      "\x5b"			 /* d3: pop %rbx */
		      "\xc3" /* d4: ret */),
		 "0 sp+8, 1 sp+16, a sp+8, d3 sp+16, d4 sp+8"},
		{EM_AARCH64,
		 CODE("\xfd\x7b\xbf\xa9" /* 0: stp x29, x30, [sp, #-16]! */
		      "\xa0\x00\x00\xb4" /* 4: cbz x0, 18 */
		      "\x81\x00\x18\x37" /* 8: tbnz w1, #3, 18 */
		      "\x60\x00\x00\x54" /* c: b.eq 18 */
		      "\xfd\x7b\xc1\xa8" /* 10: ldp x29, x30, [sp], #16 */
		      "\x40\x00\x00\x14" /* 14: b 114 */
		      "\x40\x00\x00\x94" /* 18: bl 118 */
		      "\xfd\x7b\xc1\xa8" /* 1c: ldp x29, x30, [sp], #16 */
		      "\xc0\x03\x5f\xd6" /* 20: ret */),
		 "0 sp+0 lr, 4 sp+16 fp-16 ra-8, 14 sp+0 lr, 18 sp+16 fp-16 ra-8, 20 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void paths_that_disagree_have_no_rule_where_they_meet(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x85\xff" /* 0: test %edi,%edi */
		      "\x74\x01" /* 2: je 0x5 */
		      "\x53"	 /* 4: push %rbx */
		      "\x90"	 /* 5: nop */
		      "\xc3" /* 6: ret */),
		 "0 sp+8, 5 none"},
		{EM_X86_64,
		 CODE("\x53"	 /* 0: push %rbx */
		      "\xff\xcf" /* 1: dec %edi */
		      "\x75\xfb" /* 3: jne 0x0 */
		      "\xc3" /* 5: ret */),
		 "0 sp+8, 1 sp+16"},
		{EM_X86_64,
		 CODE("\x55"	     /* 0: push %rbp */
		      "\x48\x89\xe5" /* 1: mov %rsp,%rbp */
		      "\x85\xff"     /* 4: test %edi,%edi */
		      "\x74\x01"     /* 6: je 0x9 */
		      "\x53"	     /* 8: push %rbx */
		      "\x90"	     /* 9: nop */
		      "\xc9"	     /* a: leave */
		      "\xc3" /* b: ret */),
		 "0 sp+8, 1 sp+16 fp-16, 4 fp+16 fp-16, b sp+8"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void case_of_a_switch_has_the_frame_of_the_jump_to_it(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x83\xec\x08"     /* 0: sub $0x8,%rsp */
		      "\xff\xe0"	     /* 4: jmp *%rax */
		      "\xb8\x01\x00\x00\x00" /* 6: mov $0x1,%eax */
		      "\x48\x83\xc4\x08"     /* b: add $0x8,%rsp */
		      "\xc3"		     /* f: ret */
		      "\xff\xe0" /* 10: jmp *%rax */),
		 "0 sp+8, 4 sp+16, f sp+8, 10 sp+16"},
		{EM_AARCH64,
		 CODE("\xfd\x7b\xbf\xa9" /* 0: stp x29, x30, [sp, #-16]! */
		      "\x00\x00\x1f\xd6" /* 4: br x0 */
		      "\x20\x00\x80\x52" /* 8: mov w0, #0x1 */
		      "\xfd\x7b\xc1\xa8" /* c: ldp x29, x30, [sp], #16 */
		      "\xc0\x03\x5f\xd6" /* 10: ret */),
		 "0 sp+0 lr, 4 sp+16 fp-16 ra-8, 10 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void code_that_nothing_leads_to_has_a_rule_only_with_a_proof(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\xc3"	 /* 0: ret */
		      "\xcc"	 /* 1: int3 */
		      "\xcc"	 /* 2: int3 */
		      "\x53"	 /* 3: push %rbx */
		      "\x89\xfb" /* 4: mov %edi,%ebx */
		      "\x5b"	 /* 6: pop %rbx */
		      "\xc3" /* 7: ret */),
		 "0 sp+8, 4 sp+16, 7 sp+8"},
		{EM_X86_64,
		 CODE("\xc3"	 /* 0: ret */
		      "\xcc"	 /* 1: int3 */
		      "\xcc"	 /* 2: int3 */
		      "\x89\xf8" /* 3: mov %edi,%eax */
		      "\x0f\x0b" /* 5: ud2 */),
		 "0 sp+8, 3 none"},
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\xe8\x00\x01\x00\x00" /* 1: call 0x106 */
		      "\x5b"		     /* 6: pop %rbx */
		      "\xc3"		     /* 7: ret */
		      "\x90"		     /* 8: nop */
		      "\xe8\x00\x01\x00\x00" /* 9: call 0x10e */
		      "\x5b"		     /* e: pop %rbx */
		      "\xc3"		     /* f: ret */
		      "\x90"		     /* 10: nop */
		      "\x58"		     /* 11: pop %rax */
		      "\x59"		     /* 12: pop %rcx */
		      "\x0f\x0b" /* 13: ud2 */),
		 "0 sp+8, 1 sp+16, 7 sp+8, 9 sp+16, f sp+8, 11 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

/* Functions that push and pop. */
static void much_code_that_nothing_leads_to_is_left_alone(void **state)
{
	static const uint8_t function[] = {0x53, 0x5b, 0xc3, 0xcc};
	static uint8_t code[128 << 10];

	(void)state;
	for (size_t i = 0; i < sizeof(code); i++)
		code[i] = function[i % sizeof(function)];
	for (unsigned int is_large = 0; is_large < 2; is_large++) {
		struct code_scan_region region = {
			.machine = EM_X86_64, .va = VA, .bytes = code, .n = is_large ? sizeof(code) : 4096};
		struct text text = {.machine = EM_X86_64};

		buf_init(&text.buf, 1 << 20);
		assert_int_equal(code_scan(&region, &(struct row_sink){add_row, &text}), 0);
		assert_non_null(buf_cstr(&text.buf));
		if (is_large)
			assert_string_equal(buf_cstr(&text.buf), "0 none");
		else
			assert_non_null(strstr(buf_cstr(&text.buf), "ffe sp+8"));
		buf_release(&text.buf);
	}
}

static void function_called_through_a_pointer_is_known_by_its_calls(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\xc3"		     /* 0: ret */
		      "\xcc"		     /* 1: int3 */
		      "\xcc"		     /* 2: int3 */
		      "\x53"		     /* 3: push %rbx */
		      "\xe8\x00\x01\x00\x00" /* 4: call 0x109 */
		      "\x0f\x0b" /* 9: ud2 */),
		 "0 sp+8, 4 sp+16"},
		{EM_X86_64,
		 CODE("\xc3"		     /* 0: ret */
		      "\xcc"		     /* 1: int3 */
		      "\xcc"		     /* 2: int3 */
		      "\x89\xf8"	     /* 3: mov %edi,%eax */
		      "\xe8\x00\x01\x00\x00" /* 5: call 0x10a */
		      "\x0f\x0b" /* a: ud2 */),
		 "0 sp+8, 3 none"},
		{EM_AARCH64,
		 CODE("\xc0\x03\x5f\xd6" /* 0: ret */
		      "\x1f\x20\x03\xd5" /* 4: nop */
		      "\xfd\x7b\xbf\xa9" /* 8: stp x29, x30, [sp, #-16]! */
		      "\x40\x00\x00\x94" /* c: bl 10c */
		      "\x20\x00\x20\xd4" /* 10: brk #0x1 */),
		 "0 sp+0 lr, c sp+16 fp-16 ra-8"},
		{EM_AARCH64,
		 CODE("\xc0\x03\x5f\xd6" /* 0: ret */
		      "\x1f\x20\x03\xd5" /* 4: nop */
		      "\xff\x43\x00\xd1" /* 8: sub sp, sp, #0x10 */
		      "\x40\x00\x00\x94" /* c: bl 10c */
		      "\x20\x00\x20\xd4" /* 10: brk #0x1 */),
		 "0 sp+0 lr, 8 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void call_before_padding_does_not_return(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\xe8\x00\x01\x00\x00" /* 1: call 0x106 */
		      "\x90"		     /* 6: nop */
		      "\x90"		     /* 7: nop */
		      "\x89\xf8"	     /* 8: mov %edi,%eax */
		      "\x0f\x0b" /* a: ud2 */),
		 "0 sp+8, 1 sp+16, 8 none"},
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\x85\xff"	     /* 1: test %edi,%edi */
		      "\x75\x07"	     /* 3: jne 0xc */
		      "\xe8\x00\x01\x00\x00" /* 5: call 0x10a */
		      "\x90"		     /* a: nop */
		      "\x90"		     /* b: nop */
		      "\x89\xf8"	     /* c: mov %edi,%eax */
		      "\x0f\x0b" /* e: ud2 */),
		 "0 sp+8, 1 sp+16"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void landing_is_not_reached_from_the_call_before_it(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\xe8\x00\x01\x00\x00" /* 1: call 0x106 */
		      "\xf3\x0f\x1e\xfa"     /* 6: endbr64 */
		      "\x89\xf8"	     /* a: mov %edi,%eax */
		      "\x0f\x0b" /* c: ud2 */),
		 "0 sp+8, 1 sp+16, 6 none"},
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\xe8\x00\x01\x00\x00" /* 1: call 0x106 */
		      "\xf3\x0f\x1e\xfa"     /* 6: endbr64 */
		      "\x5b"		     /* a: pop %rbx */
		      "\xc3" /* b: ret */),
		 "0 sp+8, 1 sp+16, b sp+8"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void case_that_may_belong_to_two_jumps_has_no_rule(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x83\xec\x08" /* 0: sub $0x8,%rsp */
		      "\x85\xff"	 /* 4: test %edi,%edi */
		      "\x74\x02"	 /* 6: je 0xa */
		      "\xff\xe0"	 /* 8: jmp *%rax */
		      "\x48\x83\xec\x10" /* a: sub $0x10,%rsp */
		      "\xff\xe0"	 /* e: jmp *%rax */
		      "\x89\xf8"	 /* 10: mov %edi,%eax */
		      "\x0f\x0b" /* 12: ud2 */),
		 "0 sp+8, 4 sp+16, e sp+32, 10 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void call_begins_a_function(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x48\x83\xec\x08"     /* 0: sub $0x8,%rsp */
		      "\xe8\x09\x00\x00\x00" /* 4: call 0x12 */
		      "\x48\x83\xc4\x08"     /* 9: add $0x8,%rsp */
		      "\xe9\x00\x01\x00\x00" /* d: jmp 0x112 */
		      "\x53"		     /* 12: push %rbx */
		      "\x0f\x0b" /* 13: ud2 */),
		 "0 sp+8, 4 sp+16, d sp+8, 13 sp+16"},
		{EM_X86_64,
		 CODE("\x48\x83\xec\x08"     /* 0: sub $0x8,%rsp */
		      "\xe8\x01\x00\x00\x00" /* 4: call 0xa */
		      "\x53"		     /* 9: push %rbx */
		      "\x5b"		     /* a: pop %rbx */
		      "\x0f\x0b" /* b: ud2 */),
		 "0 sp+8, 4 sp+16, a sp+24, b sp+16"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void callee_that_never_returns_ends_the_path(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x53"		     /* 0: push %rbx */
		      "\x85\xff"	     /* 1: test %edi,%edi */
		      "\x75\x09"	     /* 3: jne 0xe */
		      "\x6a\x01"	     /* 5: push $0x1 */
		      "\x6a\x02"	     /* 7: push $0x2 */
		      "\xe8\x04\x00\x00\x00" /* 9: call 0x12 */
		      "\x5b"		     /* e: pop %rbx */
		      "\xc3"		     /* f: ret */
		      "\xcc"		     /* 10: int3 */
		      "\xcc"		     /* 11: int3 */
		      "\x50"		     /* 12: push %rax */
		      "\xf4" /* 13: hlt */),
		 "0 sp+8, 1 sp+16, 7 sp+24, 9 sp+32, e sp+16, f sp+8, 13 sp+16"},
		{EM_AARCH64,
		 CODE("\xfd\x7b\xbf\xa9" /* 0: stp x29, x30, [sp, #-16]! */
		      "\x60\x00\x00\xb4" /* 4: cbz x0, 10 */
		      "\xff\x83\x00\xd1" /* 8: sub sp, sp, #0x20 */
		      "\x03\x00\x00\x94" /* c: bl 18 */
		      "\xfd\x7b\xc1\xa8" /* 10: ldp x29, x30, [sp], #16 */
		      "\xc0\x03\x5f\xd6" /* 14: ret */
		      "\x20\x00\x20\xd4" /* 18: brk #0x1 */),
		 "0 sp+0 lr, 4 sp+16 fp-16 ra-8, c sp+48 fp-16 ra-8, 10 sp+16 fp-16 ra-8, 14 sp+0 lr"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void unknown_instruction_ends_the_path(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x53"	 /* 0: push %rbx */
		      "\x06"	 /* 1: (bad) */
		      "\x0f\x0b" /* 2: ud2 */
		      "\x90"	 /* 4: nop */
		      "\x53"	 /* 5: push %rbx */
		      "\x0f\x0b" /* 6: ud2 */),
		 "0 sp+8, 1 sp+16, 2 none"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void signal_trampoline_is_found_one_byte_early(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\xc3"			     /* 0: ret */
		      "\x90"			     /* 1: nop */
		      "\x48\xc7\xc0\x0f\x00\x00\x00" /* 2: mov $0xf,%rax */
		      "\x0f\x05" /* 9: syscall */),
		 "0 sp+8, 1 signal"},
		{EM_X86_64,
		 CODE("\xc3"		     /* 0: ret */
		      "\x90"		     /* 1: nop */
		      "\xb8\x0f\x00\x00\x00" /* 2: mov $0xf,%eax */
		      "\x0f\x05" /* 7: syscall */),
		 "0 sp+8, 1 signal"},
		{EM_AARCH64,
		 CODE("\xc0\x03\x5f\xd6" /* 0: ret */
		      "\x1f\x20\x03\xd5" /* 4: nop */
		      "\x68\x11\x80\xd2" /* 8: mov x8, #0x8b */
		      "\x01\x00\x00\xd4" /* c: svc #0x0 */),
		 "0 sp+0 lr, 7 signal"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void first_function_of_a_thread_has_no_caller(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x31\xed"	     /* 0: xor %ebp,%ebp */
		      "\x48\x89\xe7"	     /* 2: mov %rsp,%rdi */
		      "\x48\x83\xe4\xf0"     /* 5: and $0xfffffffffffffff0,%rsp */
		      "\xe8\x00\x01\x00\x00" /* 9: call 0x10e */
		      "\xf4" /* e: hlt */),
		 "0 sp+8, 2 stop"},
		{EM_AARCH64,
		 CODE("\x1d\x00\x80\xd2" /* 0: mov x29, #0x0 */
		      "\x1e\x00\x80\xd2" /* 4: mov x30, #0x0 */
		      "\xe0\x03\x00\x91" /* 8: mov x0, sp */
		      "\x1f\xec\x7c\x92" /* c: and sp, x0, #0xfffffffffffffff0 */
		      "\x40\x00\x00\x14" /* 10: b 110 */),
		 "0 sp+0 lr, 4 stop"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

static void function_that_clears_the_frame_pointer_and_returns_has_a_caller(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\x31\xed" /* 0: xor %ebp,%ebp */
		      "\x53"	 /* 2: push %rbx */
		      "\x5b"	 /* 3: pop %rbx */
		      "\xc3" /* 4: ret */),
		 "0 sp+8, 2 sp+8 fp?, 3 sp+16 fp?, 4 sp+8 fp?"},
		{EM_X86_64,
		 CODE("\x55"	 /* 0: push %rbp */
		      "\x31\xed" /* 1: xor %ebp,%ebp */
		      "\xf4" /* 3: hlt */),
		 "0 sp+8, 1 sp+16 fp-16"},
	};

	(void)state;
	check_snippets(snippets, CASES(snippets));
}

/* --- linkage tables ------------------------------------------------------------------------------------------------
 */

static void entries_of_a_linkage_table_are_leaves(void **state)
{
	static const struct snippet snippets[] = {
		/* .plt.sec */
		{EM_X86_64,
		 CODE("\xf3\x0f\x1e\xfa"	     /* endbr64 */
		      "\xf2\xff\x25\x00\x10\x00\x00" /* bnd jmp *0x1000(%rip) */
		      "\x0f\x1f\x44\x00\x00"	     /* nopl 0x0(%rax,%rax,1) */
		      "\xf3\x0f\x1e\xfa"	     /* endbr64 */
		      "\xf2\xff\x25\x00\x10\x00\x00" /* bnd jmp *0x1000(%rip) */
		      "\x0f\x1f\x44\x00\x00" /* nopl 0x0(%rax,%rax,1) */),
		 "0 sp+8"},
		{EM_AARCH64,
		 CODE("\xf0\x7b\xbf\xa9" /* stp x16, x30, [sp, #-16]! */
		      "\x90\x00\x00\x90" /* adrp x16, 10000 */
		      "\x11\xfe\x47\xf9" /* ldr x17, [x16, #4088] */
		      "\x10\xe2\x3f\x91" /* add x16, x16, #0xff8 */
		      "\x20\x02\x1f\xd6" /* br x17 */
		      "\x1f\x20\x03\xd5" /* nop */
		      "\x90\x00\x00\xb0" /* adrp x16, 11000 */
		      "\x11\x02\x40\xf9" /* ldr x17, [x16] */
		      "\x10\x02\x00\x91" /* add x16, x16, #0x0 */
		      "\x20\x02\x1f\xd6" /* br x17 */),
		 "0 sp+0 lr, 4 sp+16 ra-8, 14 sp+0 lr"},
	};

	(void)state;
	for (size_t i = 0; i < CASES(snippets); i++)
		check_snippet(code_scan_plt, &snippets[i]);
}

static void lazy_linkage_table_has_one_rule_behind_its_first_entry(void **state)
{
	static const struct snippet snippets[] = {
		{EM_X86_64,
		 CODE("\xff\x35\x00\x10\x00\x00" /* push 0x1000(%rip) */
		      "\xff\x25\x00\x10\x00\x00" /* jmp *0x1000(%rip) */
		      "\x0f\x1f\x40\x00"	 /* nopl 0x0(%rax) */
		      "\xff\x25\x00\x10\x00\x00" /* jmp *0x1000(%rip) */
		      "\x68\x00\x00\x00\x00"	 /* push $0x0 */
		      "\xe9\xe0\xff\xff\xff"	 /* jmp 0 */
		      "\xff\x25\x00\x10\x00\x00" /* jmp *0x1000(%rip) */
		      "\x68\x01\x00\x00\x00"	 /* push $0x1 */
		      "\xe9\xd0\xff\xff\xff" /* jmp 0 */),
		 "0 sp+16, 6 sp+24, c sp+8, 10 plt+11"},
		{EM_X86_64,
		 CODE("\xff\x35\x00\x10\x00\x00"     /* push 0x1000(%rip) */
		      "\xf2\xff\x25\x00\x10\x00\x00" /* bnd jmp *0x1000(%rip) */
		      "\x0f\x1f\x00"		     /* nopl (%rax) */
		      "\xf3\x0f\x1e\xfa"	     /* endbr64 */
		      "\x68\x00\x00\x00\x00"	     /* push $0x0 */
		      "\xf2\xe9\xe1\xff\xff\xff"     /* bnd jmp 0 */
		      "\x90" /* nop */),
		 "0 sp+16, 6 sp+24, d sp+8, 10 plt+9"},
	};

	(void)state;
	for (size_t i = 0; i < CASES(snippets); i++)
		check_snippet(code_scan_plt, &snippets[i]);
}

/* --- the decoder ---------------------------------------------------------------------------------------------------
 */

/* Everything else is compared with objdump by tests/tables/scan_agreement.sh. */
static void instructions_have_their_length(void **state)
{
	static const struct {
		const char *bytes;
		size_t n, length;
	} cases[] = {
		{CODE("\x90"), 1},
		{CODE("\x66\x66\x48\xe8\x01\x02\x03\x04"), 8},		/* data16 call */
		{CODE("\x66\xb8\x01\x02"), 4},				/* mov $0x201,%ax */
		{CODE("\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08"), 10}, /* movabs */
		{CODE("\x48\xa1\x01\x02\x03\x04\x05\x06\x07\x08"), 10}, /* movabs (moffs),%rax */
		{CODE("\xf6\x00\x01"), 3},				/* testb $1,(%rax) */
		{CODE("\xf7\x00\x01\x02\x03\x04"), 6},			/* testl $…,(%rax) */
		{CODE("\xf7\x10"), 2},					/* notl (%rax) */
		{CODE("\x8b\x04\x25\x01\x02\x03\x04"), 7},		/* mov 0x4030201,%eax */
		{CODE("\x8b\x84\x24\x01\x02\x03\x04"), 7},		/* mov 0x4030201(%rsp),%eax */
		{CODE("\x8b\x05\x01\x02\x03\x04"), 6},			/* mov 0x4030201(%rip),%eax */
		{CODE("\x66\x0f\x3a\x0f\xc1\x08"), 6},			/* palignr */
		{CODE("\xc5\xf8\x77"), 3},				/* vzeroupper */
		{CODE("\xc5\xf9\x70\xc1\x01"), 5},			/* vpshufd */
		{CODE("\xc4\xe2\x7d\x18\x05\x01\x02\x03\x04"), 9},	/* vbroadcastss */
		{CODE("\xc4\xe3\x7d\x39\xc1\x01"), 6},			/* vextracti128 */
		{CODE("\x62\xf1\x7c\x48\x10\x44\x24\x01"), 8},		/* vmovups 64(%rsp),%zmm0 */
		{CODE("\x62\xf3\xfd\x48\x00\xc1\x01"), 7},		/* vpermq */
		{CODE("\x2e\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"), 10}, /* nopw */
		{CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"), 15},
		{CODE("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"), 0}, /* longer than 15 */
		{CODE("\x06"), 0},							       /* none in 64-bit mode */
		{CODE("\xc5\xf8"), 0},							       /* ends too early */
		{CODE("\x48"), 0},
		{CODE("\xc8\x10\x00\x01"), 0}, /* enter with nested frames */
		{CODE("\xff\x28"), 0},	       /* far jmp */
	};

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		struct guarded guarded = guarded_copy(cases[i].bytes, cases[i].n);
		struct scan_insn insn;

		code_scan_x86.decode(guarded.bytes, cases[i].n, 0, &insn);
		if (insn.length != cases[i].length)
			fail_msg("case %zu: length %u, not %zu", i, insn.length, cases[i].length);
		guarded_release(&guarded);
	}
}

/* --- regions -------------------------------------------------------------------------------------------------------
 */

static int refuse_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	(void)ctx;
	(void)va;
	(void)rule;
	return -ENOSPC;
}

static void what_cannot_be_scanned_is_an_error(void **state)
{
	uint8_t byte = 0xc3;
	struct code_scan_region region = {.machine = EM_X86_64, .va = VA, .bytes = &byte, .n = 1};
	struct row_sink sink = {refuse_row, NULL};

	(void)state;
	assert_int_equal(code_scan(&region, &sink), -ENOSPC);
	assert_int_equal(code_scan_plt(&region, &sink), -ENOSPC);
	region.machine = EM_386;
	assert_int_equal(code_scan(&region, &sink), -ENOTSUP);
	assert_int_equal(code_scan_plt(&region, &sink), -ENOTSUP);
	region.machine = EM_X86_64;
	region.n = CODE_SCAN_MAX_BYTES + 1;
	assert_int_equal(code_scan(&region, &sink), -E2BIG);
}

static void empty_region_has_no_rows(void **state)
{
	struct code_scan_region region = {.machine = EM_X86_64, .va = VA};
	struct row_sink sink = {refuse_row, NULL};

	(void)state;
	assert_int_equal(code_scan(&region, &sink), 0);
	assert_int_equal(code_scan_plt(&region, &sink), 0);
}

static void starts_outside_the_region_count_for_nothing(void **state)
{
	static const uint64_t starts[] = {0, VA - 1, VA + 2, VA + 3, UINT64_MAX};
	static const uint8_t code[] = {0x53, 0xf4, 0x53}; /* push %rbx; hlt; push %rbx */
	struct code_scan_region region = {
		.machine = EM_X86_64,
		.va = VA,
		.bytes = code,
		.n = sizeof(code),
		.starts = starts,
		.n_starts = CASES(starts),
	};
	struct text text = {.machine = EM_X86_64};

	(void)state;
	buf_init(&text.buf, 1 << 16);
	assert_int_equal(code_scan(&region, &(struct row_sink){add_row, &text}), 0);
	assert_non_null(buf_cstr(&text.buf));
	assert_string_equal(buf_cstr(&text.buf), "0 none, 2 sp+8");
	buf_release(&text.buf);
}

static void cold_part_has_the_frame_of_the_branch_to_it(void **state)
{
	/* The hot function begins at 4. */
	static const uint64_t start = VA + 4;
	static const char code[] = "\x59"     /* 0: pop %rcx */
				   "\xc3"     /* 1: ret */
				   "\xcc\xcc" /* 2: int3; int3 */
				   "\x53"     /* 4: push %rbx */
				   "\x85\xff" /* 5: test %edi,%edi */
				   "\x75\xf7" /* 7: jne 0 */
				   "\x5b"     /* 9: pop %rbx */
				   "\xc3";    /* a: ret */
	struct code_scan_region region = {
		.machine = EM_X86_64,
		.va = VA,
		.bytes = (const uint8_t *)code,
		.n = sizeof(code) - 1,
		.starts = &start,
		.n_starts = 1,
	};
	struct text text = {.machine = EM_X86_64};

	(void)state;
	buf_init(&text.buf, 1 << 16);
	assert_int_equal(code_scan(&region, &(struct row_sink){add_row, &text}), 0);
	assert_non_null(buf_cstr(&text.buf));
	assert_string_equal(buf_cstr(&text.buf), "0 sp+16, 1 sp+8, 5 sp+16, a sp+8");
	buf_release(&text.buf);
}

/* --- frame pointers ------------------------------------------------------------------------------------------------
 */

static void code_with_frame_pointers_is_told_from_code_without(void **state)
{
	static const struct {
		uint16_t machine;
		const char *function;
		size_t n;
		bool keeps;
	} cases[] = {
		/* push %rbp; mov %rsp,%rbp; pop %rbp; ret */
		{EM_X86_64, CODE("\x55\x48\x89\xe5\x5d\xc3"), true},
		/* push %rbp; mov %rdi,%rbp; pop %rbp; ret */
		{EM_X86_64, CODE("\x55\x48\x89\xfd\x5d\xc3"), false},
		/* push %rbp; sub $24,%rsp; lea 8(%rsp),%rbp; add $24,%rsp; pop %rbp; ret */
		{EM_X86_64, CODE("\x55\x48\x83\xec\x18\x48\x8d\x6c\x24\x08\x48\x83\xc4\x18\x5d\xc3"), false},
		/* stp x29, x30, [sp, #-16]!; mov x29, sp; ldp x29, x30, [sp], #16; ret */
		{EM_AARCH64, CODE("\xfd\x7b\xbf\xa9\xfd\x03\x00\x91\xfd\x7b\xc1\xa8\xc0\x03\x5f\xd6"), true},
		/* str x30, [sp, #-16]!; ldr x30, [sp], #16; ret */
		{EM_AARCH64, CODE("\xfe\x0f\x1f\xf8\xfe\x07\x41\xf8\xc0\x03\x5f\xd6"), false},
		{EM_386, CODE("\x55\x48\x89\xe5\x5d\xc3"), false},
	};
	static uint8_t code[1 << 16];

	(void)state;
	for (size_t i = 0; i < CASES(cases); i++) {
		size_t n = 0;

		while (n + cases[i].n <= sizeof(code)) {
			memcpy(code + n, cases[i].function, cases[i].n);
			n += cases[i].n;
		}
		if (code_keeps_frame_pointers(cases[i].machine, code, n) != cases[i].keeps)
			fail_msg("case %zu", i);
	}
	assert_false(code_keeps_frame_pointers(EM_X86_64, code, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_pop_and_arithmetic_move_the_cfa),
		cmocka_unit_test(frame_pointer_stands_in_for_a_lost_stack_pointer),
		cmocka_unit_test(stack_pointer_that_is_lost_without_a_frame_pointer_has_no_rule),
		cmocka_unit_test(return_address_taken_off_the_stack_ends_the_rules),
		cmocka_unit_test(caller_frame_pointer_is_found_where_it_was_saved),
		cmocka_unit_test(frame_pointer_with_another_value_is_lost),
		cmocka_unit_test(what_only_looks_like_the_frame_pointer_is_not_lost),
		cmocka_unit_test(link_register_is_the_callers_until_a_call),
		cmocka_unit_test(large_frames_of_arm64_take_their_size_from_a_register),
		cmocka_unit_test(branch_brings_its_frame_along),
		cmocka_unit_test(paths_that_disagree_have_no_rule_where_they_meet),
		cmocka_unit_test(case_of_a_switch_has_the_frame_of_the_jump_to_it),
		cmocka_unit_test(code_that_nothing_leads_to_has_a_rule_only_with_a_proof),
		cmocka_unit_test(much_code_that_nothing_leads_to_is_left_alone),
		cmocka_unit_test(function_called_through_a_pointer_is_known_by_its_calls),
		cmocka_unit_test(call_before_padding_does_not_return),
		cmocka_unit_test(landing_is_not_reached_from_the_call_before_it),
		cmocka_unit_test(case_that_may_belong_to_two_jumps_has_no_rule),
		cmocka_unit_test(call_begins_a_function),
		cmocka_unit_test(callee_that_never_returns_ends_the_path),
		cmocka_unit_test(unknown_instruction_ends_the_path),
		cmocka_unit_test(signal_trampoline_is_found_one_byte_early),
		cmocka_unit_test(first_function_of_a_thread_has_no_caller),
		cmocka_unit_test(function_that_clears_the_frame_pointer_and_returns_has_a_caller),
		cmocka_unit_test(entries_of_a_linkage_table_are_leaves),
		cmocka_unit_test(lazy_linkage_table_has_one_rule_behind_its_first_entry),
		cmocka_unit_test(instructions_have_their_length),
		cmocka_unit_test(what_cannot_be_scanned_is_an_error),
		cmocka_unit_test(empty_region_has_no_rows),
		cmocka_unit_test(starts_outside_the_region_count_for_nothing),
		cmocka_unit_test(cold_part_has_the_frame_of_the_branch_to_it),
		cmocka_unit_test(code_with_frame_pointers_is_told_from_code_without),
	};

	return cmocka_run_group_tests_name("code_scan", tests, NULL, NULL);
}
