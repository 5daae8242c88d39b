/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a section to rows:
 *
 *     file ──► cfi_section ──► cfi_entry ──► cfi_program ──► cfi_rule ──► rows
 *     pread    windows         CIE, FDE      instructions    what the walk can use of it
 *                                                 └── cfi_expression
 *
 * Only cfi_section does I/O. Everything else is given a cursor and may be called with any bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/vec.h"
#include "wire/unwind.h"

/* --- machines ----------------------------------------------------------------------------------------------------- */

/* DWARF numbers of the registers that matter. */
struct cfi_machine {
	uint16_t elf_machine;
	uint64_t sp, fp;
	uint64_t bx;   /* rbx, see UNWIND_BX_SAME; CFI_NO_REGISTER: nobody needs its like */
	uint64_t link; /* holds the return address on entry to a function; CFI_NO_REGISTER where a call pushes it */
	uint64_t registers; /* that hold values: numbers below this one */
};

#define CFI_NO_REGISTER UINT64_MAX

/* NULL: another machine. */
const struct cfi_machine *cfi_machine_find(uint16_t elf_machine);

/* --- bytes -------------------------------------------------------------------------------------------------------- */

#define CFI_WINDOWS 8u
#define CFI_WINDOW_BYTES (64u << 10)
#define CFI_READ_TWICE_BYTES (64u << 10)
#define CFI_MAX_READ (1u << 20) /* the longest entry that is believed; the longest ones seen have some KiB */

struct cfi_window {
	uint8_t *bytes;
	size_t len, cap;
	uint64_t start; /* in the section */
	uint64_t used;	/* section->uses at its last use */
};

/* A section behind a few windows. Whoever goes through functions by address meets their FDEs in several rising streams
 * (hot and cold parts, one object file after the other): each finds its window where it left it. */
struct cfi_section {
	int fd;
	bool is_eh_frame;
	const struct cfi_machine *machine;
	uint64_t va, offset, size;
	uint64_t uses;
	struct cfi_window windows[CFI_WINDOWS];
};

void cfi_section_release(struct cfi_section *section);
/* A cursor at `at` with n bytes, and whatever else is at hand behind them. It is valid until CFI_WINDOWS - 1 other
 * windows were read. -EBADMSG: not within the section, or n is 0 or over CFI_MAX_READ; -EIO, -ENOMEM. */
int cfi_section_read(struct cfi_section *section, uint64_t at, uint64_t n, struct cursor *ret);
size_t cfi_section_memory_bytes(const struct cfi_section *section);

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* Where the caller's value of a register is found. */
enum cfi_place {
	CFI_SAME,	 /* in the register itself */
	CFI_SAVED,	 /* at CFA + value */
	CFI_COMPUTED,	 /* it is CFA + value */
	CFI_IN_REGISTER, /* number `value` */
	CFI_UNDEFINED,	 /* nowhere */
	CFI_AT_FP,	 /* at the frame pointer + value */
	CFI_EXPRESSION,	 /* where, or as, an expression says */
};

struct cfi_register {
	enum cfi_place place;
	int64_t value;
};

/* kind is UNWIND_CFA_REGISTER (sp and fp too), PLT, DEREF_SP, DEREF_FP, UNSUPPORTED, or NONE: not said yet. */
struct cfi_cfa {
	uint8_t kind;
	uint64_t reg;
	int64_t offset;
	int64_t added; /* DEREF: to what was read */
};

/* What the instructions have said so far. */
struct cfi_state {
	struct cfi_cfa cfa;
	int64_t cfa_offset; /* of the last CFA that was a register and an offset */
	struct cfi_register sp, fp, ra, bx;
};

/* What an expression computes, as far as a rule can say it; UNSUPPORTED otherwise. */
void cfi_expression_reduce(struct cursor expression, const struct cfi_machine *machine, struct cfi_cfa *ret);

struct cfi_cie;
/* The rule that says the same as the state; UNWIND_CFA_UNSUPPORTED where there is none. */
void cfi_rule_make(const struct cfi_state *state, const struct cfi_cie *cie, const struct cfi_machine *machine,
		   bool tells_bx, struct unwind_rule *ret);

/* --- entries ------------------------------------------------------------------------------------------------------ */

#define CFI_MAX_CIE_BYTES 4096u
#define CFI_FDE_HEAD_BYTES 64u /* holds an FDE's address and size, whatever their form */

enum cfi_entry_kind {
	CFI_ENTRY_CIE,
	CFI_ENTRY_FDE,
	CFI_ENTRY_END,	  /* of one of the sections that ld joined */
	CFI_ENTRY_BROKEN, /* it has no id, or one that leads out of the section */
};

struct cfi_entry {
	enum cfi_entry_kind kind;
	uint64_t start, limit; /* in the section */
	uint64_t cie;	       /* FDE: where its CIE starts */
	struct cursor cursor;  /* CIE, FDE: its first byte is the entry's, its position behind the id */
};

struct cfi_cie {
	uint64_t start;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra; /* number of the register, or column, of the return address */
	uint8_t pointer_encoding;
	bool has_augmentation, is_signal_frame;
	int err;		/* 0, or -EBADMSG: its FDEs have no place */
	int program_err;	/* the same of its instructions: its FDEs have a place but no rules */
	struct cfi_state state; /* after its instructions */
};

/* Reads the head of the entry at `at`; the cursor has the entry's bytes, but at most `enough` of them. -EBADMSG: it
 * does not say where it ends, or ends outside the section. */
int cfi_entry_read(struct cfi_section *section, uint64_t at, uint64_t enough, struct cfi_entry *ret);
/* ret->err says whether the bytes are a CIE; its instructions are run by the caller, from the cursor's position. */
void cfi_cie_read(const struct cfi_section *section, struct cfi_entry *entry, struct cfi_cie *ret);
/* Leaves the cursor behind the size. -EBADMSG. The range may be empty. */
int cfi_fde_read(const struct cfi_section *section, struct cfi_entry *entry, const struct cfi_cie *cie,
		 uint64_t *ret_start, uint64_t *ret_limit);
/* Reads a pointer in one of the encodings DW_EH_PE_*; start_va is the address of the cursor's first byte, data_va what
 * DW_EH_PE_datarel is relative to (0: nothing). What cannot be known from the bytes alone fails the cursor. */
uint64_t cfi_pointer_read(struct cursor *cursor, uint8_t encoding, uint64_t start_va, uint64_t data_va);

#define CFI_POINTER_ABSOLUTE 0x00u
#define CFI_POINTER_TABLE 0x3bu /* of the table in .eh_frame_hdr: 32 bits, signed, relative to its section */

/* --- instructions ------------------------------------------------------------------------------------------------- */

#define CFI_MAX_REMEMBERED 32

struct cfi_row {
	uint64_t va;
	struct unwind_rule rule;
};

struct cfi_row_vec VEC(struct cfi_row);

struct cfi_program {
	const struct cfi_machine *machine;
	const struct cfi_cie *cie;
	uint64_t start_va; /* of the cursor's first byte */
	uint64_t va, limit;
	struct cfi_state state;
	bool is_changed;	  /* since the last row */
	bool tells_bx;		  /* rules say what became of rbx */
	struct cfi_row_vec *rows; /* rows are added here; NULL: a CIE's instructions, which make none */
	size_t n_remembered;
	struct cfi_state remembered[CFI_MAX_REMEMBERED];
};

/* The state of a function's entry before any instruction. */
struct cfi_state cfi_state_initial(void);
/* Runs the instructions of the FDE [va, limit) or, without rows, of the CIE. -EBADMSG, -ENOMEM. */
int cfi_program_run(struct cfi_program *program, struct cursor *cursor);
