/* SPDX-License-Identifier: Apache-2.0 */
/* Are our rules those of libdw? Places in the code of each file, half of them anywhere, half of them where a rule
 * begins or one byte before: there the rule of the reader's rows, and the one that the finished table has (packed,
 * steps and all), must say what dwarf_cfi_addrframe() says.
 *
 *     libdw_rows [-d] [-n PLACES] FILE...
 *
 * -d: .debug_frame, of files that have little in .eh_frame.
 * Prints "ok NAME" or "not ok NAME" for each file, and what differs to stderr. */
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/partition_point.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "table/unwind_table.h"
#include "unwind/cfi.h"
#include "unwind/table_build.h"

#define DEFAULT_PLACES 40000
#define MAX_SHOWN 10
#define X86_SIGNAL_SP 160	 /* of the interrupted sp in the kernel's frame, from sp */
#define MAX_BX_BYTES (64u << 10) /* of .eh_frame, where rules may tell of rbx */

struct row {
	uint64_t va, limit;
	struct unwind_rule rule;
};

struct row_vec VEC(struct row);

struct subject {
	const char *path, *section;
	struct elf_file *file;
	uint16_t machine;
	unsigned int sp, fp, link; /* DWARF numbers; link: 0 where calls push */
	bool tells_bx;		   /* of rbx, in all rules */
	/* libdw's */
	Elf *elf;
	Dwarf *dwarf; /* owns cfi when that is .debug_frame */
	Dwarf_CFI *cfi;
	/* ours */
	struct row_vec rows;
	void *bytes;
	size_t len;
	struct unwind_table table;
	uint32_t *first_rows; /* of each page */
	/* The range that rows are being added to. */
	uint64_t fde_limit;
};

static void die(const char *what, const char *path)
{
	fprintf(stderr, "libdw_rows: %s: %s\n", what, path);
	exit(2);
}

/* --- what libdw says ---------------------------------------------------------------------------------------------- */

/* The value of a register, as dwarf_frame_register() tells it. */
enum told { TOLD_SAME, TOLD_UNDEFINED, TOLD_AT_CFA, TOLD_CFA, TOLD_REGISTER, TOLD_AT_REGISTER, TOLD_EXPRESSION };

struct told_register {
	enum told what;
	unsigned int reg; /* of TOLD_AT_REGISTER */
	int64_t value;
};

static bool is_register(const Dwarf_Op *op, unsigned int *ret_reg, int64_t *ret_offset)
{
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		*ret_reg = op->atom - DW_OP_breg0;
		*ret_offset = (int64_t)op->number;
		return true;
	}
	*ret_reg = (unsigned int)op->number;
	*ret_offset = (int64_t)op->number2;
	return op->atom == DW_OP_bregx;
}

static struct told_register told_register(Dwarf_Frame *frame, unsigned int reg)
{
	struct told_register at = {.what = TOLD_AT_REGISTER};
	Dwarf_Op memory[3], *ops;
	size_t n;
	int64_t offset;

	if (dwarf_frame_register(frame, (int)reg, memory, &ops, &n))
		die("dwarf_frame_register", dwarf_errmsg(-1));
	if (!n)
		return (struct told_register){.what = ops ? TOLD_UNDEFINED : TOLD_SAME};
	if (n == 1 && ops[0].atom == DW_OP_regx)
		return (struct told_register){.what = TOLD_REGISTER, .value = (int64_t)ops[0].number};
	/* An expression is run with the CFA on its stack, and so is told behind it; what is in `memory` comes from an
	 * offset. */
	if (ops != memory && n == 2 && is_register(&ops[1], &at.reg, &at.value))
		return at;
	if (ops != memory || ops[0].atom != DW_OP_call_frame_cfa)
		return (struct told_register){.what = TOLD_EXPRESSION};
	offset = n > 1 && ops[1].atom == DW_OP_plus_uconst ? (int64_t)ops[1].number : 0;
	return (struct told_register){.what = ops[n - 1].atom == DW_OP_stack_value ? TOLD_CFA : TOLD_AT_CFA,
				      .value = offset};
}

/* breg7 8, breg16 0, lit15, and, lit11, ge, lit3, shl, plus */
static bool is_plt(const Dwarf_Op *ops, size_t n)
{
	return n == 9 && ops[0].atom == DW_OP_breg7 && ops[0].number == 8 && ops[1].atom == DW_OP_breg16 &&
	       !ops[1].number && ops[2].atom == DW_OP_lit15 && ops[3].atom == DW_OP_and && ops[4].atom >= DW_OP_lit0 &&
	       ops[4].atom <= DW_OP_lit15 && ops[5].atom == DW_OP_ge && ops[6].atom == DW_OP_lit3 &&
	       ops[7].atom == DW_OP_shl && ops[8].atom == DW_OP_plus;
}

/* What the CFA's part of a rule should be; kinds that have no such part are UNSUPPORTED, NONE: libdw refuses to say. */
static struct unwind_rule expected_cfa(const struct subject *subject, Dwarf_Frame *frame)
{
	struct unwind_rule rule = {.cfa = UNWIND_CFA_UNSUPPORTED};
	Dwarf_Op *ops;
	int64_t offset;
	unsigned int reg;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n))
		return (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	if (!n)
		return rule;
	if (subject->machine == EM_X86_64 && is_plt(ops, n))
		return (struct unwind_rule){.cfa = UNWIND_CFA_PLT, .cfa_off = ops[4].atom - DW_OP_lit0};
	if (!is_register(&ops[0], &reg, &offset))
		return rule;
	if (n == 1 && reg == subject->sp)
		return (struct unwind_rule){.cfa = UNWIND_CFA_SP, .cfa_off = (int32_t)offset};
	if (n == 1 && reg == subject->fp)
		return (struct unwind_rule){.cfa = UNWIND_CFA_FP, .cfa_off = (int32_t)offset};
	if (n == 1)
		return (struct unwind_rule){
			.cfa = UNWIND_CFA_REGISTER, .reg = (uint8_t)reg, .cfa_off = (int32_t)offset};
	if ((reg != subject->sp && reg != subject->fp) || ops[1].atom != DW_OP_deref || n > 3 ||
	    (n == 3 && ops[2].atom != DW_OP_plus_uconst))
		return rule;
	rule.cfa = reg == subject->sp ? UNWIND_CFA_DEREF_SP : UNWIND_CFA_DEREF_FP;
	rule.cfa_off = (int32_t)offset;
	rule.ra_off = n == 3 ? (int16_t)ops[2].number : 0;
	return rule;
}

/* What a rule has no room for it does not say. */
static bool fits(int64_t offset)
{
	return offset == (int16_t)offset;
}

static bool set_ra(const struct subject *subject, struct told_register ra, unsigned int column,
		   struct unwind_rule *rule)
{
	switch (ra.what) {
	case TOLD_AT_CFA:
		if (rule->cfa >= UNWIND_CFA_PLT)
			return ra.value == -8;
		rule->ra_off = (int16_t)ra.value;
		return fits(ra.value);
	case TOLD_SAME:
		ra.value = column;
		/* fall through */
	case TOLD_REGISTER:
		if (rule->cfa >= UNWIND_CFA_PLT)
			return false;
		if (subject->link && ra.value == subject->link) {
			rule->ra = UNWIND_RA_LINK;
			return true;
		}
		rule->ra = UNWIND_RA_REGISTER;
		if (rule->cfa == UNWIND_CFA_REGISTER)
			return false;
		rule->reg = (uint8_t)ra.value;
		return true;
	default:
		return false;
	}
}

/* Of the other registers, where the rule has room for it. */
static void set_fp(struct told_register fp, unsigned int fp_register, struct unwind_rule *rule)
{
	if (fp.what == TOLD_AT_CFA && fits(fp.value)) {
		rule->fp = UNWIND_FP_SAVED;
		rule->fp_off = (int16_t)fp.value;
	} else if (fp.what == TOLD_AT_REGISTER && fp.reg == fp_register && fits(fp.value)) {
		rule->fp = UNWIND_FP_AT_FP;
		rule->fp_off = (int16_t)fp.value;
	} else if (fp.what != TOLD_SAME) {
		rule->fp = UNWIND_FP_LOST;
	}
}

static void set_bx(struct told_register bx, struct unwind_rule *rule)
{
	if ((rule->cfa != UNWIND_CFA_SP && rule->cfa != UNWIND_CFA_FP) || rule->ra != UNWIND_RA_SAVED)
		return;
	if (bx.what == TOLD_SAME ||
	    bx.what == TOLD_UNDEFINED) /* libdw 0.188: the ABI's default counts for nothing here */
		rule->reg = UNWIND_BX_SAME;
	else if (bx.what == TOLD_AT_CFA && bx.value < 0 && bx.value % 8 == 0 && bx.value / -8 < UNWIND_BX_SAME)
		rule->reg = (uint8_t)(bx.value / -8);
}

enum answer { ANSWER_RULE, ANSWER_NONE /* no FDE has the address */, ANSWER_REFUSED };

static enum answer expected_rule(const struct subject *subject, uint64_t va, struct unwind_rule *ret)
{
	static const struct unwind_rule unsupported = {.cfa = UNWIND_CFA_UNSUPPORTED};
	struct told_register ra, fp, sp, bx;
	struct unwind_rule rule;
	Dwarf_Frame *frame;
	bool is_signal;
	int column;

	if (dwarf_cfi_addrframe(subject->cfi, va, &frame))
		return ANSWER_NONE;
	column = dwarf_frame_info(frame, NULL, NULL, &is_signal);
	ra = told_register(frame, (unsigned int)column);
	/* A column of its own (x15 in glibc's rawmemchr): libdw's defaults know nothing of it; unwinders read the
	 * register. */
	if (ra.what == TOLD_UNDEFINED && column != (subject->link ? UNWIND_ARM64_LR : UNWIND_X86_RA))
		ra = (struct told_register){.what = TOLD_SAME};
	fp = told_register(frame, subject->fp);
	sp = told_register(frame, subject->sp);
	bx = told_register(frame, UNWIND_X86_RBX);
	rule = expected_cfa(subject, frame);
	free(frame);
	if (rule.cfa == UNWIND_CFA_NONE)
		return ANSWER_REFUSED;

	*ret = unsupported;
	if (is_signal) {
		if (subject->machine == EM_AARCH64 ||
		    (rule.cfa == UNWIND_CFA_DEREF_SP && rule.cfa_off == X86_SIGNAL_SP && !rule.ra_off))
			ret->cfa = UNWIND_CFA_SIGNAL;
	} else if (ra.what == TOLD_UNDEFINED) {
		ret->cfa = UNWIND_CFA_STOP;
	} else if (rule.cfa != UNWIND_CFA_UNSUPPORTED && sp.what == TOLD_CFA && !sp.value &&
		   set_ra(subject, ra, (unsigned int)column, &rule)) {
		if (rule.cfa == UNWIND_CFA_PLT)
			rule.ra_off = -8;
		else
			set_fp(fp, subject->fp, &rule);
		if (subject->tells_bx)
			set_bx(bx, &rule);
		*ret = rule;
	}
	return ANSWER_RULE;
}

/* --- what we say -------------------------------------------------------------------------------------------------- */

static int add_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct subject *subject = ctx;
	struct row *row;

	if (subject->rows.len && subject->rows.items[subject->rows.len - 1].limit == subject->fde_limit)
		subject->rows.items[subject->rows.len - 1].limit = va;
	row = vec_push(&subject->rows);
	if (!row)
		return -ENOMEM;
	*row = (struct row){.va = va, .limit = subject->fde_limit, .rule = *rule};
	return 0;
}

static void read_rows(struct subject *subject)
{
	const struct elf_section *section = elf_file_section(subject->file, subject->section);
	const struct cfi_fde *fdes;
	struct cfi *cfi;
	size_t n;

	if (!section || cfi_open(subject->file, section, 0, UINT64_MAX, &cfi))
		die("no CFI", subject->path);
	vec_init(&subject->rows, SIZE_MAX / sizeof(struct row));
	fdes = cfi_fdes(cfi, &n);
	for (size_t i = 0; i < n; i++) {
		struct unwind_rule broken = {.cfa = UNWIND_CFA_UNSUPPORTED};

		subject->fde_limit = fdes[i].limit;
		if (cfi_rows(cfi, i, &(struct row_sink){.row = add_row, .ctx = subject}))
			add_row(subject, fdes[i].start, &broken);
	}
	if (!subject->rows.len)
		die("no FDEs", subject->path);
	vec_for_each (&subject->rows, row)
		subject->tells_bx |= subject->machine == EM_X86_64 && section->size <= MAX_BX_BYTES &&
				     row->rule.cfa == UNWIND_CFA_REGISTER && row->rule.reg == UNWIND_X86_RBX;
	cfi_free(cfi);
}

/* NULL: no FDE has the address. */
static const struct unwind_rule *row_at(const struct subject *subject, uint64_t va)
{
	size_t n = partition_point(subject->rows.len, i, subject->rows.items[i].va <= va);
	return n && va < subject->rows.items[n - 1].limit ? &subject->rows.items[n - 1].rule : NULL;
}

static void read_table(struct subject *subject)
{
	struct table_writer_stats stats;
	struct table_coverage coverage;
	int fd = memfd_create("table", MFD_CLOEXEC);
	uint32_t row = 0;

	if (fd < 0 || table_build(subject->file, NULL, 0, fd, &stats, &coverage))
		die("no table", subject->path);
	subject->len = (size_t)lseek(fd, 0, SEEK_END);
	subject->bytes = mmap(NULL, subject->len, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (subject->bytes == MAP_FAILED ||
	    unwind_table_read(subject->bytes, subject->len, subject->machine, &subject->table))
		die("the table cannot be read", subject->path);
	subject->first_rows = calloc(subject->table.head.n_pages, sizeof(uint32_t));
	if (!subject->first_rows)
		die("no memory", subject->path);
	for (uint32_t i = 0; i < subject->table.head.n_pages; i++) {
		subject->first_rows[i] = row;
		row += subject->table.pages[i].n_rows;
	}
}

static struct unwind_rule table_rule_at(const struct subject *subject, uint64_t file_off)
{
	const struct unwind_table *table = &subject->table;
	uint32_t page = (uint32_t)(file_off >> UNWIND_PAGE_SHIFT) - table->head.first_page;
	uint32_t offset = file_off & (UNWIND_PAGE_BYTES - 1), n, low = 0;
	const uint32_t *rows;

	if (page >= table->head.n_pages)
		return (struct unwind_rule){.cfa = UNWIND_CFA_NONE};
	n = table->pages[page].n_rows;
	if (!n)
		return table->rules[table->pages[page].rule];
	rows = table->rows + subject->first_rows[page];
	while (low < n) {
		uint32_t middle = low + (n - low) / 2;

		if (unwind_row_offset(rows[middle]) <= offset)
			low = middle + 1;
		else
			n = middle;
	}
	return unwind_rule_stepped(&table->rules[unwind_row_rule(rows[low - 1])],
				   offset - unwind_row_offset(rows[low - 1]));
}

static bool va_to_offset(const struct elf_file *file, uint64_t va, uint64_t *ret)
{
	const struct elf_segment *segments;
	size_t n;

	segments = elf_file_segments(file, &n);
	for (size_t i = 0; i < n; i++) {
		if ((segments[i].flags & PF_X) && va >= segments[i].vaddr &&
		    va - segments[i].vaddr < segments[i].filesz) {
			*ret = segments[i].offset + (va - segments[i].vaddr);
			return true;
		}
	}
	return false;
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

struct tally {
	size_t with_rule, without, refused, differ;
};

static void show(const struct subject *subject, const char *whose, uint64_t va, const struct unwind_rule *ours,
		 const struct unwind_rule *theirs)
{
	fprintf(stderr, "%s 0x%" PRIx64 ": %s", subject->path, va, whose);
	for (int i = 0; i < 2; i++) {
		const struct unwind_rule *rule = i ? theirs : ours;

		fprintf(stderr, "%s {cfa %u fp %u ra %u reg %u, %d, %d, %d}", i ? "; libdw" : "", rule->cfa, rule->fp,
			rule->ra, rule->reg, rule->cfa_off, rule->fp_off, rule->ra_off);
	}
	fputc('\n', stderr);
}

static void compare(const struct subject *subject, uint64_t va, struct tally *tally)
{
	static const struct unwind_rule none = {.cfa = UNWIND_CFA_NONE};
	const struct unwind_rule *row = row_at(subject, va);
	struct unwind_rule theirs = none, ours;
	uint64_t file_off;
	enum answer answer = expected_rule(subject, va, &theirs);
	bool is_known = answer == ANSWER_RULE, differs = false;

	tally->with_rule += is_known;
	tally->without += answer == ANSWER_NONE;
	tally->refused += answer == ANSWER_REFUSED;
	/* libdw knows no register of an expression that went before; libgcrypt has such code. */
	if (answer == ANSWER_REFUSED)
		return;
	if (!row != !is_known || (row && memcmp(row, &theirs, sizeof(theirs)) != 0)) {
		differs = true;
		if (tally->differ < MAX_SHOWN)
			show(subject, "rows", va, row ? row : &none, &theirs);
	}
	if (is_known && va_to_offset(subject->file, va, &file_off)) {
		ours = table_rule_at(subject, file_off);
		if (memcmp(&ours, &theirs, sizeof(theirs)) != 0) {
			differs = true;
			if (tally->differ < MAX_SHOWN)
				show(subject, "table", va, &ours, &theirs);
		}
	}
	tally->differ += differs;
}

static uint64_t random_below(uint64_t limit)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

/* Any place in the code sections. */
static uint64_t random_place(const struct subject *subject)
{
	const struct elf_section *sections;
	uint64_t bytes = 0, place;
	size_t n;

	sections = elf_file_sections(subject->file, &n);
	for (size_t i = 0; i < n; i++)
		bytes += sections[i].flags & SHF_EXECINSTR ? sections[i].size : 0;
	place = random_below(bytes);
	for (size_t i = 0; i < n; i++) {
		if (!(sections[i].flags & SHF_EXECINSTR))
			continue;
		if (place < sections[i].size)
			return sections[i].addr + place;
		place -= sections[i].size;
	}
	return 0;
}

static void open_subject(struct subject *subject, const char *path, const char *section)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*subject = (struct subject){.path = path, .section = section};
	if (fd < 0 || elf_file_open(dup(fd), &subject->file))
		die("cannot be read", path);
	subject->machine = elf_file_machine(subject->file);
	if (subject->machine == EM_X86_64)
		subject->sp = UNWIND_X86_RSP, subject->fp = UNWIND_X86_RBP;
	else
		subject->sp = UNWIND_ARM64_SP, subject->fp = UNWIND_ARM64_FP, subject->link = UNWIND_ARM64_LR;
	subject->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (strcmp(section, ".debug_frame") == 0) {
		subject->dwarf = dwarf_begin_elf(subject->elf, DWARF_C_READ, NULL);
		subject->cfi = dwarf_getcfi(subject->dwarf);
	} else {
		subject->cfi = dwarf_getcfi_elf(subject->elf);
	}
	if (!subject->cfi)
		die("libdw finds no CFI", path);
	read_rows(subject);
	read_table(subject);
}

static void close_subject(struct subject *subject)
{
	vec_release(&subject->rows);
	munmap(subject->bytes, subject->len);
	free(subject->first_rows);
	if (subject->dwarf)
		dwarf_end(subject->dwarf);
	else
		dwarf_cfi_end(subject->cfi);
	elf_end(subject->elf);
	elf_file_free(subject->file);
}

/* true when all agree. */
static bool check_file(const char *path, const char *section, size_t places)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct tally tally = {0};
	struct subject subject;
	bool is_good;

	open_subject(&subject, path, section);
	for (size_t i = 0; i < places / 2; i++) {
		const struct row *row = &subject.rows.items[random_below(subject.rows.len)];

		compare(&subject, random_place(&subject), &tally);
		compare(&subject, row->va - i % 2, &tally);
	}
	is_good = !tally.differ && tally.with_rule > places / 4 && tally.refused < places / 100;
	printf("%s libdw_rows_%s_%s: %zu places with a rule, %zu without, %zu refused, %zu differ\n",
	       is_good ? "ok" : "not ok", subject.machine == EM_X86_64 ? "x86_64" : "arm64", name, tally.with_rule,
	       tally.without, tally.refused, tally.differ);
	close_subject(&subject);
	return is_good;
}

int main(int argc, char **argv)
{
	const char *section = ".eh_frame";
	size_t places = DEFAULT_PLACES;
	bool is_good = true;
	int option;

	while ((option = getopt(argc, argv, "dn:")) != -1) {
		if (option == 'd')
			section = ".debug_frame";
		else if (option == 'n')
			places = strtoul(optarg, NULL, 10);
		else
			return 2;
	}
	if (elf_version(EV_CURRENT) == EV_NONE || optind == argc || places < 4)
		die("usage", "libdw_rows [-d] [-n PLACES] FILE...");
	for (int i = optind; i < argc; i++)
		is_good &= check_file(argv[i], section, places);
	return is_good ? 0 : 1;
}
