/* SPDX-License-Identifier: Apache-2.0 */
/* How far do the rules that code_scan() makes of code agree with the CFI that its compiler wrote? Of each file, byte by
 * byte of the code that has both; libdw reads the CFI. The scan is told where functions begin (by the FDEs that begin
 * with the frame of an entry), or only of the dynamic symbols (-d), as of a file that has nothing else.
 *
 *     scan_agreement [-d] [-l PERCENT] [-m PERCENT] [-v] FILE...
 *
 * Prints "ok NAME" or "not ok NAME" for each file: at least -l percent of the bytes must agree (99), and at most -m may
 * disagree (0.05). How many bytes agreed, disagreed, were lost (the scan gives no rule), or are beyond any scan (the
 * CFI has an expression there, or another register) goes to stderr, with -v each disagreement too. */
#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/vec.h"
#include "unwind/code_scan.h"
#include "unwind/code_scan_internal.h"

#define MAX_ITEMS (1u << 28)

struct row {
	uint64_t va;
	struct unwind_rule rule;
};

#define BASES 2 /* the CFA counted from sp and from fp where the scan knows both: the compiler chose one of them */

struct row_vec VEC(struct row);
struct start_vec VEC(uint64_t);

enum outcome {
	AGREED,
	WRONG_CFA,
	WRONG_FP,
	WRONG_RA,
	LOST,
	BEYOND, /* no scan could know */
	OUTCOMES,
};

static const char *const outcome_names[OUTCOMES] = {"agreed", "wrong cfa", "wrong fp", "wrong ra", "lost", "beyond"};

#define MAX_SLOTS 8

struct slots {
	int64_t offsets[MAX_SLOTS];
	unsigned int n;
};

struct file {
	const char *path;
	Elf *elf;
	Dwarf_CFI *cfi;
	uint16_t machine;
	struct start_vec starts, fdes;
	struct slots fp_slots, ra_slots; /* of the FDE that is being compared */
	uint64_t bytes[OUTCOMES];
};

static bool is_verbose, from_dynamic_symbols;
static double least_agreed = 99, most_disagreed = 0.05;

static unsigned int sp_register(const struct file *file)
{
	return file->machine == EM_X86_64 ? UNWIND_X86_RSP : UNWIND_ARM64_SP;
}

static unsigned int fp_register(const struct file *file)
{
	return file->machine == EM_X86_64 ? UNWIND_X86_RBP : UNWIND_ARM64_FP;
}

static unsigned int ra_register(const struct file *file)
{
	return file->machine == EM_X86_64 ? UNWIND_X86_RA : UNWIND_ARM64_LR;
}

/* --- what libdw says -----------------------------------------------------------------------------------------------
 */

/* The CFA as register and offset; false when it is something else. */
static bool cfa_of(Dwarf_Frame *frame, unsigned int *ret_register, int64_t *ret_offset)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_frame_cfa(frame, &ops, &n) || n != 1)
		return false;
	if (ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		*ret_register = ops[0].atom - DW_OP_breg0;
		*ret_offset = (int64_t)ops[0].number;
		return true;
	}
	if (ops[0].atom != DW_OP_bregx)
		return false;
	*ret_register = (unsigned int)ops[0].number;
	*ret_offset = (int64_t)ops[0].number2;
	return true;
}

enum saved {
	IN_PLACE,
	AT_OFFSET,
	UNDEFINED,
	COMPLEX,
};

static enum saved register_rule(Dwarf_Frame *frame, unsigned int number, int64_t *ret_offset)
{
	Dwarf_Op scratch[3], *ops;
	size_t n;

	if (dwarf_frame_register(frame, (int)number, scratch, &ops, &n))
		return COMPLEX;
	if (!n)
		return ops ? UNDEFINED : IN_PLACE;
	*ret_offset = 0;
	if (ops[0].atom == DW_OP_call_frame_cfa && n == 1)
		return AT_OFFSET;
	if (ops[0].atom == DW_OP_call_frame_cfa && n == 2 && ops[1].atom == DW_OP_plus_uconst) {
		*ret_offset = (int64_t)ops[1].number;
		return AT_OFFSET;
	}
	return COMPLEX;
}

/* --- comparison ----------------------------------------------------------------------------------------------------
 */

static void print_rule(const struct unwind_rule *rule)
{
	static const char *const cfas[] = {"none", "sp", "fp", "reg", "plt", "*sp", "*fp", "signal", "stop", "unsup"};
	static const char *const fps[] = {"same", "saved", "lost"};
	static const char *const ras[] = {"saved", "reg", "link"};

	fprintf(stderr, "cfa %s%+d fp %s%+d ra %s%+d", cfas[rule->cfa], rule->cfa_off, fps[rule->fp], rule->fp_off,
		ras[rule->ra], rule->ra_off);
}

/* true when the FDE has this slot for the register elsewhere. Between the instruction that saves it (or restores it)
 * and the one for which the compiler says so, which may come some pushes later, it is in both places. */
static bool is_slot(const struct slots *slots, int64_t offset)
{
	for (unsigned int i = 0; i < slots->n; i++)
		if (slots->offsets[i] == offset)
			return true;
	return false;
}

static enum outcome compare_fp(const struct file *file, Dwarf_Frame *frame, const struct unwind_rule *rule)
{
	int64_t offset;

	switch (register_rule(frame, fp_register(file), &offset)) {
	case IN_PLACE:
		if (rule->fp == UNWIND_FP_SAVED && is_slot(&file->fp_slots, rule->fp_off))
			return AGREED;
		return rule->fp == UNWIND_FP_SAME ? AGREED : WRONG_FP;
	case AT_OFFSET:
		if (rule->fp == UNWIND_FP_SAVED && rule->fp_off == offset)
			return AGREED;
		/* Popped already: compilers let the rule stand, as the word still is in the red zone. */
		return rule->fp == UNWIND_FP_SAME && rule->cfa == UNWIND_CFA_SP && rule->cfa_off + offset < 0
			       ? AGREED
			       : WRONG_FP;
	case UNDEFINED:
		return AGREED;
	default:
		return BEYOND;
	}
}

static enum outcome compare_ra(const struct file *file, Dwarf_Frame *frame, const struct unwind_rule *rule)
{
	int64_t offset;

	switch (register_rule(frame, ra_register(file), &offset)) {
	case IN_PLACE:
		if (rule->ra == UNWIND_RA_SAVED && is_slot(&file->ra_slots, rule->ra_off))
			return AGREED;
		return rule->ra == UNWIND_RA_LINK ? AGREED : WRONG_RA;
	case AT_OFFSET:
		return rule->ra == UNWIND_RA_SAVED && rule->ra_off == offset ? AGREED : WRONG_RA;
	default:
		return WRONG_RA;
	}
}

static bool is_first_of_thread(const struct file *file, Dwarf_Frame *frame)
{
	int64_t offset;

	return register_rule(frame, ra_register(file), &offset) == UNDEFINED;
}

static enum outcome compare(const struct file *file, Dwarf_Frame *frame, const struct unwind_rule *rule)
{
	unsigned int base;
	int64_t cfa_offset;
	bool is_signal = false;
	enum outcome outcome;

	dwarf_frame_info(frame, NULL, NULL, &is_signal);
	if (rule->cfa == UNWIND_CFA_NONE)
		return LOST;
	if (rule->cfa == UNWIND_CFA_SIGNAL)
		return is_signal ? AGREED : WRONG_CFA;
	if (rule->cfa == UNWIND_CFA_STOP)
		return is_first_of_thread(file, frame) ? AGREED : WRONG_CFA;
	if (is_first_of_thread(file, frame))
		return WRONG_RA;
	if (!cfa_of(frame, &base, &cfa_offset) || (base != sp_register(file) && base != fp_register(file)))
		return BEYOND;
	if (base != (rule->cfa == UNWIND_CFA_SP ? sp_register(file) : fp_register(file)) || cfa_offset != rule->cfa_off)
		return WRONG_CFA;
	outcome = compare_ra(file, frame, rule);
	return outcome == AGREED ? compare_fp(file, frame, rule) : outcome;
}

static void show(const struct file *file, enum outcome outcome, uint64_t first, uint64_t limit, Dwarf_Frame *frame,
		 const struct unwind_rule *rule)
{
	unsigned int base = 99;
	int64_t offset = 0, fp = 0, ra = 0;
	bool is_known = cfa_of(frame, &base, &offset);
	enum saved fp_saved = register_rule(frame, fp_register(file), &fp);
	enum saved ra_saved = register_rule(frame, ra_register(file), &ra);
	static const char *const saved[] = {"same", "saved", "undefined", "complex"};

	fprintf(stderr, "%s %" PRIx64 "-%" PRIx64 " %s: scan ", file->path, first, limit, outcome_names[outcome]);
	print_rule(rule);
	fprintf(stderr, " cfi cfa %s%+" PRId64 " fp %s%+" PRId64 " ra %s%+" PRId64 "\n",
		!is_known		    ? "complex"
		: base == sp_register(file) ? "sp"
		: base == fp_register(file) ? "fp"
					    : "reg",
		offset, saved[fp_saved], fp, saved[ra_saved], ra);
}

/* Nobody is in the padding behind a jump: the CFI may say what it likes there. */
static bool is_padding(const struct file *file, const struct code_scan_region *region, uint64_t first, uint64_t limit)
{
	const struct scan_machine *machine = file->machine == EM_X86_64 ? &code_scan_x86 : &code_scan_arm64;

	while (first < limit) {
		struct scan_insn insn;

		machine->decode(region->bytes, region->n, first - region->va, &insn);
		if (!insn.is_padding)
			return false;
		first += insn.length;
	}
	return true;
}

static void compare_range(struct file *file, const struct code_scan_region *region, uint64_t first, uint64_t limit,
			  Dwarf_Frame *frame, const struct unwind_rule *rules[BASES])
{
	enum outcome outcome = compare(file, frame, rules[0]);

	if (outcome != AGREED && compare(file, frame, rules[1]) == AGREED)
		outcome = AGREED;
	if (outcome != AGREED && is_padding(file, region, first, limit))
		return;
	file->bytes[outcome] += limit - first;
	if (is_verbose && outcome != AGREED)
		show(file, outcome, first, limit, frame, rules[0]);
}

/* The rule of rows at va; *at is where to begin, *limit is lowered to where the rule ends. */
static const struct unwind_rule *rule_at(const struct row_vec *rows, uint64_t va, size_t *at, uint64_t *limit)
{
	while (*at + 1 < rows->len && rows->items[*at + 1].va <= va)
		++*at;
	if (*at + 1 < rows->len && rows->items[*at + 1].va < *limit)
		*limit = rows->items[*at + 1].va;
	return &rows->items[*at].rule;
}

static void note_slot(struct slots *slots, Dwarf_Frame *frame, unsigned int number)
{
	int64_t offset;

	if (register_rule(frame, number, &offset) == AT_OFFSET && !is_slot(slots, offset) && slots->n < MAX_SLOTS)
		slots->offsets[slots->n++] = offset;
}

/* Where the FDE of [va, fde_limit) says that registers are saved. */
static void find_slots(struct file *file, uint64_t va, uint64_t fde_limit)
{
	file->fp_slots.n = file->ra_slots.n = 0;
	while (va < fde_limit) {
		Dwarf_Frame *frame;
		Dwarf_Addr first, limit;

		if (dwarf_cfi_addrframe(file->cfi, va, &frame))
			return;
		dwarf_frame_info(frame, &first, &limit, NULL);
		note_slot(&file->fp_slots, frame, fp_register(file));
		note_slot(&file->ra_slots, frame, ra_register(file));
		free(frame);
		if (limit <= va)
			return;
		va = limit;
	}
}

/* The rows over the region, against the CFI of each FDE in it. */
static void compare_region(struct file *file, const struct code_scan_region *region, const struct row_vec rows[BASES])
{
	uint64_t end = region->va + region->n;
	size_t at[BASES] = {0, 0};

	vec_for_each (&file->fdes, fde) {
		uint64_t va = *fde, fde_limit = fde + 1 < file->fdes.items + file->fdes.len ? fde[1] : end;

		if (va < region->va || va >= end)
			continue;
		find_slots(file, va, fde_limit);
		while (va < fde_limit && va < end) {
			Dwarf_Frame *frame;
			Dwarf_Addr first, limit;

			if (dwarf_cfi_addrframe(file->cfi, va, &frame))
				break; /* behind the FDE */
			if (dwarf_frame_info(frame, &first, &limit, NULL) < 0 || limit <= va)
				break;
			if (limit > end)
				limit = end;
			while (va < limit) {
				const struct unwind_rule *rules[BASES];
				uint64_t next = limit;

				for (int i = 0; i < BASES; i++)
					rules[i] = rule_at(&rows[i], va, &at[i], &next);
				compare_range(file, region, va, next, frame, rules);
				va = next;
			}
			free(frame);
		}
	}
}

/* --- the file ------------------------------------------------------------------------------------------------------
 */

static void die(const char *what)
{
	fprintf(stderr, "scan_agreement: %s\n", what);
	exit(1);
}

/* The sorted table of .eh_frame_hdr, as all linkers write it: offsets of four bytes, relative to the section. */
static void read_fdes(struct file *file, const GElf_Shdr *shdr, Elf_Data *data)
{
	const uint8_t *bytes = data->d_buf;
	uint32_t n;

	if (data->d_size < 12 || bytes[0] != 1 || bytes[2] != 0x03 || bytes[3] != 0x3b)
		die("no sorted table in .eh_frame_hdr");
	memcpy(&n, bytes + 8, sizeof(n));
	for (uint32_t i = 0; i < n && 12 + 8 * (size_t)i + 8 <= data->d_size; i++) {
		int32_t offset;
		uint64_t *slot = vec_push(&file->fdes);

		if (!slot)
			die("no memory");
		memcpy(&offset, bytes + 12 + 8 * (size_t)i, sizeof(offset));
		*slot = shdr->sh_addr + (uint64_t)(int64_t)offset;
	}
}

static void find_starts(struct file *file)
{
	struct unwind_rule entry = {.cfa = UNWIND_CFA_SP, .cfa_off = 8, .ra_off = -8};

	if (file->machine == EM_AARCH64)
		entry = (struct unwind_rule){.cfa = UNWIND_CFA_SP, .ra = UNWIND_RA_LINK};
	vec_for_each (&file->fdes, fde) {
		Dwarf_Frame *frame;
		uint64_t *slot;

		if (dwarf_cfi_addrframe(file->cfi, *fde, &frame))
			continue;
		if (compare(file, frame, &entry) == AGREED || is_first_of_thread(file, frame)) {
			slot = vec_push(&file->starts);
			if (!slot)
				die("no memory");
			*slot = *fde;
		}
		free(frame);
	}
}

static int compare_addresses(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void read_symbols(struct file *file, const GElf_Shdr *shdr, Elf_Data *data)
{
	GElf_Sym sym;

	(void)shdr;
	for (int i = 0; gelf_getsym(data, i, &sym); i++) {
		uint64_t *slot;

		if (GELF_ST_TYPE(sym.st_info) != STT_FUNC || sym.st_shndx == SHN_UNDEF)
			continue;
		slot = vec_push(&file->starts);
		if (!slot)
			die("no memory");
		*slot = sym.st_value;
	}
	qsort(file->starts.items, file->starts.len, sizeof(uint64_t), compare_addresses);
}

static int keep_row(void *ctx, uint64_t va, const struct unwind_rule *rule)
{
	struct row_vec *rows = ctx;
	struct row *row = vec_push(rows);

	if (!row)
		return -ENOMEM;
	*row = (struct row){va, *rule};
	return 0;
}

static void scan_section(struct file *file, const GElf_Shdr *shdr, Elf_Data *data)
{
	for (uint64_t at = 0; at < shdr->sh_size; at += CODE_SCAN_MAX_BYTES) {
		uint64_t left = shdr->sh_size - at;
		struct code_scan_region region = {
			.machine = file->machine,
			.va = shdr->sh_addr + at,
			.bytes = (const uint8_t *)data->d_buf + at,
			.n = left < CODE_SCAN_MAX_BYTES ? left : CODE_SCAN_MAX_BYTES,
			.starts = file->starts.items,
			.n_starts = file->starts.len,
		};
		struct scan_machine other = file->machine == EM_X86_64 ? code_scan_x86 : code_scan_arm64;
		struct row_vec rows[BASES] = {VEC_INIT(MAX_ITEMS), VEC_INIT(MAX_ITEMS)};

		other.prefers_fp = !other.prefers_fp;
		if (code_scan(&region, &(struct row_sink){keep_row, &rows[0]}) ||
		    code_scan_with(&other, &region, &(struct row_sink){keep_row, &rows[1]}))
			die("the scan failed");
		compare_region(file, &region, rows);
		vec_release(&rows[0]);
		vec_release(&rows[1]);
	}
}

static void for_each_section(struct file *file, bool (*wanted)(const GElf_Shdr *shdr, const char *name),
			     void (*use)(struct file *file, const GElf_Shdr *shdr, Elf_Data *data))
{
	Elf_Scn *scn = NULL;
	size_t names;
	GElf_Shdr shdr;

	elf_getshdrstrndx(file->elf, &names);
	while ((scn = elf_nextscn(file->elf, scn))) {
		const char *name;

		if (!gelf_getshdr(scn, &shdr))
			continue;
		name = elf_strptr(file->elf, names, shdr.sh_name);
		if (name && wanted(&shdr, name))
			use(file, &shdr, elf_getdata(scn, NULL));
	}
}

static bool is_fde_table(const GElf_Shdr *shdr, const char *name)
{
	(void)shdr;
	return !strcmp(name, ".eh_frame_hdr");
}

static bool is_dynamic_symbols(const GElf_Shdr *shdr, const char *name)
{
	(void)name;
	return shdr->sh_type == SHT_DYNSYM;
}

static bool is_code(const GElf_Shdr *shdr, const char *name)
{
	return shdr->sh_type == SHT_PROGBITS && shdr->sh_flags & SHF_EXECINSTR && strncmp(name, ".plt", 4);
}

/* Prints the verdict; true when it is a good one. */
static bool judge(const char *name, const uint64_t bytes[OUTCOMES])
{
	uint64_t wrong = bytes[WRONG_CFA] + bytes[WRONG_FP] + bytes[WRONG_RA];
	uint64_t all = bytes[AGREED] + wrong + bytes[LOST] + bytes[BEYOND];
	double percent = all ? 100.0 / (double)all : 0;
	bool is_good = (double)bytes[AGREED] * percent >= least_agreed && (double)wrong * percent <= most_disagreed;

	printf("%s scan_agrees_with_cfi_of_%s%s\n", is_good ? "ok" : "not ok", name,
	       from_dynamic_symbols ? "_by_its_symbols" : "");
	fprintf(stderr,
		"%-24s %9" PRIu64 " bytes: %.3f %% agreed, %.4f %% disagreed (cfa %" PRIu64 ", fp %" PRIu64
		", ra %" PRIu64 "), %.3f %% lost, %.3f %% beyond\n",
		name, all, (double)bytes[AGREED] * percent, (double)wrong * percent, bytes[WRONG_CFA], bytes[WRONG_FP],
		bytes[WRONG_RA], (double)bytes[LOST] * percent, (double)bytes[BEYOND] * percent);
	return is_good;
}

static bool compare_file(const char *path)
{
	struct file file = {.path = path, .starts = VEC_INIT(MAX_ITEMS), .fdes = VEC_INIT(MAX_ITEMS)};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	GElf_Ehdr ehdr;
	bool is_good;

	if (fd < 0)
		die(path);
	file.elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	file.cfi = dwarf_getcfi_elf(file.elf);
	if (!file.cfi || !gelf_getehdr(file.elf, &ehdr))
		die(path);
	file.machine = ehdr.e_machine;
	for_each_section(&file, is_fde_table, read_fdes);
	if (from_dynamic_symbols || !file.fdes.len)
		for_each_section(&file, is_dynamic_symbols, read_symbols);
	else
		find_starts(&file);
	for_each_section(&file, is_code, scan_section);
	is_good = judge(strrchr(path, '/') ? strrchr(path, '/') + 1 : path, file.bytes);
	vec_release(&file.starts);
	vec_release(&file.fdes);
	dwarf_cfi_end(file.cfi);
	elf_end(file.elf);
	close(fd);
	return is_good;
}

int main(int argc, char **argv)
{
	bool are_good = true;
	int option;

	while ((option = getopt(argc, argv, "dl:m:v")) != -1) {
		switch (option) {
		case 'd':
			from_dynamic_symbols = true;
			break;
		case 'l':
			least_agreed = strtod(optarg, NULL);
			break;
		case 'm':
			most_disagreed = strtod(optarg, NULL);
			break;
		case 'v':
			is_verbose = true;
			break;
		default:
			return 2;
		}
	}
	elf_version(EV_CURRENT);
	for (int i = optind; i < argc; i++)
		are_good &= compare_file(argv[i]);
	return are_good ? 0 : 1;
}
