/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the rows of a Go program with its .debug_frame as libdw reads it, at random pcs:
 *
 *     go_rows compare FILE PCS     one line of figures; exit 1 when there is a mismatch, which stderr tells
 *     go_rows names FILE           "ADDRESS NAME" of each function
 *     go_rows rows FILE            "ADDRESS RULE" of each row
 *     go_rows time FILE            milliseconds for all rows, the best of several
 *
 * The linker makes .debug_frame of the same deltas, but writes them by other code and libdw reads them by other code.
 * Where it cannot be right (functions that switch stacks), rows do not follow it: those are counted apart. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/partition_point.h"
#include "base/vec.h"
#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "unwind/go_rows.h"

struct row {
	uint64_t va;
	struct unwind_rule rule;
};

struct row_vec VEC(struct row);

static int add_row(void *ctx, uint64_t elf_va, const struct unwind_rule *rule)
{
	struct row_vec *rows = ctx;
	struct row *row = vec_push(rows);

	if (!row)
		return -ENOMEM;
	if (row > rows->items && row[-1].va >= elf_va)
		return -EBADMSG;
	*row = (struct row){elf_va, *rule};
	return 0;
}

static const char *const cfa_names[] = {"none",	    "sp",     "fp",   "register",    "plt",   "deref_sp",
					"deref_fp", "signal", "stop", "unsupported", "switch"};

static void print_rule(FILE *to, const struct unwind_rule *rule)
{
	fprintf(to, "%s%+d fp=%u%+d ra=%u%+d", cfa_names[rule->cfa], rule->cfa_off, rule->fp, rule->fp_off, rule->ra,
		rule->ra_off);
}

static const struct row *row_of(const struct row_vec *rows, uint64_t va)
{
	size_t n = partition_point(rows->len, i, rows->items[i].va <= va);
	return n ? &rows->items[n - 1] : NULL;
}

/* The CFA as a distance from sp, and the return address as one from the CFA (0: in its register). */
static bool reference(Dwarf_CFI *cfi, uint64_t va, bool is_arm64, int64_t *ret_cfa, int64_t *ret_ra)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops, memory[3];
	size_t n;
	bool has_cfa = false;

	if (dwarf_cfi_addrframe(cfi, va, &frame) || !frame)
		return false;
	if (!dwarf_frame_cfa(frame, &ops, &n) && n == 1) {
		unsigned int sp = is_arm64 ? 31 : 7;

		if (ops[0].atom == DW_OP_breg0 + sp) {
			*ret_cfa = (int64_t)ops[0].number;
			has_cfa = true;
		} else if (ops[0].atom == DW_OP_bregx && ops[0].number == sp) {
			*ret_cfa = (int64_t)ops[0].number2;
			has_cfa = true;
		}
	}
	*ret_ra = 0;
	if (has_cfa && !dwarf_frame_register(frame, is_arm64 ? 30 : 16, memory, &ops, &n) && n >= 1 &&
	    ops[0].atom == DW_OP_call_frame_cfa)
		*ret_ra = n == 2 && ops[1].atom == DW_OP_plus_uconst ? (int64_t)ops[1].number : 0;
	free(frame);
	return has_cfa;
}

struct figures {
	size_t compared, unreferenced, apart, mismatches;
};

static void compare_one(struct gopclntab *table, const struct row_vec *rows, Dwarf_CFI *cfi, bool is_arm64, uint64_t va,
			struct figures *figures)
{
	const struct row *row = row_of(rows, va);
	struct go_function function = {0};
	int64_t cfa, ra;
	char name[256] = "";
	size_t index;
	bool is_same;

	if (!reference(cfi, va, is_arm64, &cfa, &ra)) {
		figures->unreferenced++;
		return;
	}
	if (!gopclntab_find(table, va, &index) && !gopclntab_function(table, index, &function))
		gopclntab_name(table, &function, name, sizeof(name));
	if (!row || row->rule.cfa == UNWIND_CFA_NONE) {
		is_same = false;
	} else if (row->rule.cfa != UNWIND_CFA_SP) {
		figures->apart++;
		return;
	} else {
		bool is_injected = is_arm64 && row->rule.ra == UNWIND_RA_EXACT;

		/* The linker does not know that above its frame lies what the signal handler pushed. */
		if (is_injected) {
			cfa += UNWIND_ARM64_SAVED_LINK;
			ra -= ra ? UNWIND_ARM64_SAVED_LINK : 0;
		}
		is_same = row->rule.cfa_off == cfa;
		/* Where assembly moves sp in a frame the linker tells another place for it. */
		if (is_arm64 && !(function.flags & GO_FUNCTION_ASSEMBLY))
			is_same &= (is_injected || row->rule.ra == (ra ? UNWIND_RA_SAVED : UNWIND_RA_LINK)) &&
				   row->rule.ra_off == ra;
	}
	figures->compared++;
	if (is_same)
		return;
	if (figures->mismatches++ < 20) {
		fprintf(stderr, "0x%" PRIx64 " %s: sp%+" PRId64 " ra%+" PRId64 ", but the row is ", va, name, cfa, ra);
		if (row)
			print_rule(stderr, &row->rule);
		fputc('\n', stderr);
	}
}

static int compare(const char *path, const struct elf_file *file, struct go_rows *go, const struct row_vec *rows,
		   size_t pcs)
{
	bool is_arm64 = elf_file_machine(file) == EM_AARCH64;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Dwarf *dwarf = dwarf_begin(fd, DWARF_C_READ);
	Dwarf_CFI *cfi = dwarf ? dwarf_getcfi(dwarf) : NULL;
	struct figures figures = {0};
	struct gopclntab *table;
	uint64_t start, limit;

	if (!cfi || gopclntab_open(file, &table)) {
		fprintf(stderr, "%s: no .debug_frame\n", path);
		return 2;
	}
	go_rows_range(go, &start, &limit);
	srandom(1);
	for (size_t i = 0; i < pcs; i++) {
		uint64_t random_va = ((uint64_t)random() << 31 ^ (uint64_t)random()) % (limit - start);

		compare_one(table, rows, cfi, is_arm64, start + (is_arm64 ? random_va & ~3ull : random_va), &figures);
	}
	printf("%zu pcs: %zu compared, %zu without reference, %zu apart, %zu mismatches; %zu rows\n", pcs,
	       figures.compared, figures.unreferenced, figures.apart, figures.mismatches, rows->len);
	gopclntab_free(table);
	dwarf_end(dwarf);
	close(fd);
	return figures.mismatches || figures.compared < pcs / 2;
}

static int names(const struct elf_file *file)
{
	struct gopclntab *table;
	int err = gopclntab_open(file, &table);

	for (size_t i = 0; !err && i < gopclntab_count(table); i++) {
		struct go_function function;
		char name[4096];

		err = gopclntab_function(table, i, &function);
		if (err == -EBADMSG) { /* an empty one */
			err = 0;
			continue;
		}
		if (!err)
			err = gopclntab_name(table, &function, name, sizeof(name));
		if (!err)
			printf("%" PRIx64 " %s\n", function.start, name);
	}
	if (!err)
		gopclntab_free(table);
	return err ? 1 : 0;
}

static int no_row(void *ctx, uint64_t elf_va, const struct unwind_rule *rule)
{
	(void)elf_va;
	(void)rule;
	++*(size_t *)ctx;
	return 0;
}

static int measure(const struct elf_file *file)
{
	size_t count = 0;
	const struct row_sink sink = {no_row, &count};
	double best = 1e9;
	uint64_t start = 0, limit = 0;

	for (int i = 0; i < 20; i++) {
		struct timespec from, to;
		struct go_rows *go;
		double ms;

		count = 0;
		clock_gettime(CLOCK_MONOTONIC, &from);
		if (go_rows_open(file, &go) || go_rows_emit(go, 0, UINT64_MAX, &sink))
			return 1;
		clock_gettime(CLOCK_MONOTONIC, &to);
		go_rows_range(go, &start, &limit);
		go_rows_free(go);
		ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
		best = ms < best ? ms : best;
	}
	printf("%.2f ms, %zu rows, %.1f MB of code: %.2f ms for 10 MB\n", best, count, (double)(limit - start) / 1e6,
	       best * 1e7 / (double)(limit - start));
	return 0;
}

int main(int argc, char **argv)
{
	struct row_vec rows = VEC_INIT(64u << 20);
	const struct row_sink sink = {add_row, &rows};
	struct elf_file *file;
	struct go_rows *go;
	int err, status = 0;

	if (argc < 3)
		return 2;
	err = elf_file_open(open(argv[2], O_RDONLY | O_CLOEXEC), &file);
	if (!err)
		err = go_rows_open(file, &go);
	if (!err)
		err = go_rows_emit(go, 0, UINT64_MAX, &sink);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[2], err_name(err));
		return 2;
	}
	if (strcmp(argv[1], "compare") == 0 && argc == 4) {
		status = compare(argv[2], file, go, &rows, strtoul(argv[3], NULL, 10));
	} else if (strcmp(argv[1], "names") == 0) {
		status = names(file);
	} else if (strcmp(argv[1], "time") == 0) {
		status = measure(file);
	} else if (strcmp(argv[1], "rows") == 0) {
		vec_for_each (&rows, row) {
			printf("%" PRIx64 " ", row->va);
			print_rule(stdout, &row->rule);
			putchar('\n');
		}
	} else {
		status = 2;
	}
	go_rows_free(go);
	elf_file_free(file);
	vec_release(&rows);
	return status;
}
