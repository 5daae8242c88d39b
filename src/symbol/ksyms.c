/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel text is one run of symbols, each module another; kallsyms tells starts only, so ends are a matter of runs:
 *
 *     runs                                       symbols (8 bytes each)           names
 *     { base, limit, module "" }       ────►     { address - base, name } ──►     …\0__pfx_do_exit\0…
 *     { base, limit, module "xfs" }    ────►     { address - base, name } ──────────────────┘
 *
 * A symbol ends at the next one of its run, the last one with the run. The kernel's run ends at _etext, where the text
 * that is thrown away after boot begins. Where a module ends nobody says: its run ends where the next begins (that
 * one is found then), and LAST_SYMBOL_MAX behind its last symbol at most; no symbol of a module is longer than
 * MODULE_SYMBOL_MAX. Half of the symbols of a kernel built with call padding are "__pfx_NAME" right before "NAME": such
 * a pair has one copy in `names`.
 *
 * What BPF and ftrace make later comes as KSYMBOL records, with its length, and is kept in a list of its own (`added`).
 * Of modules there are no records: what a second reading found is kept beside the first (`later`). */
#include "symbol/ksyms.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/intern.h"
#include "base/io.h"
#include "base/partition_point.h"
#include "base/vec.h"

#define PIECE (64u << 10)
#define MAX_LINE 1024
#define MAX_SYMBOLS (4u << 20)
#define MAX_NAME_BYTES (256u << 20)
#define MAX_NAME 512 /* KSYM_NAME_LEN */
#define MAX_MODULES 65535
#define MAX_MODULE_BYTES (4u << 20)
#define MAX_ADDED (64u << 10)
#define LAST_SYMBOL_MAX (64u << 10)
#define MODULE_SYMBOL_MAX (1u << 20)

#define MODULE_KERNEL 0
#define PREFIX "__pfx_"

/* As read; only while reading. */
struct line {
	uint64_t address;
	uint32_t name;
	uint16_t module;
	uint16_t rank; /* RANK_*: the smaller is the better alias */
};

#define RANK_LOCAL 1
#define RANK_MARKER 2 /* says where something begins or ends, and is no function */

struct symbol_start {
	uint32_t offset; /* from the run's base */
	uint32_t name;
};

struct run {
	uint64_t base, limit;
	uint32_t first, n;
	uint32_t module;
	uint32_t symbol_max;
};

struct added {
	uint64_t start, limit;
	uint32_t name;	 /* into added_names */
	uint32_t module; /* as well */
	bool is_unclear; /* its place was another's while we ran, whose samples may be in it */
};

struct line_vec VEC(struct line);
struct symbol_vec VEC(struct symbol_start);
struct run_vec VEC(struct run);
struct added_vec VEC(struct added);

struct ksyms {
	struct run_vec runs;
	struct symbol_vec symbols;
	struct buf names;
	struct intern *modules;
	struct added_vec added; /* by address, never overlapping */
	struct intern *added_names;
	uint64_t text_start, text_end; /* 0: unknown */
	struct ksyms *later;	       /* modules alone; NULL: was not read again */
};

struct reading {
	struct line_vec lines;
	struct buf names;
	struct intern *modules;
	uint32_t bpf; /* id of the module "bpf" */
	uint64_t text, stext, etext;
	size_t zeros, bad;
	size_t last_name; /* offset of the name added last */
	bool only_modules;
};

static void tables_init(struct ksyms *ksyms)
{
	vec_init(&ksyms->runs, MAX_SYMBOLS);
	vec_init(&ksyms->symbols, MAX_SYMBOLS);
	vec_init(&ksyms->added, MAX_ADDED);
	buf_init(&ksyms->names, MAX_NAME_BYTES);
	ksyms->modules = ksyms->added_names = NULL;
	ksyms->text_start = ksyms->text_end = 0;
	ksyms->later = NULL;
}

static void tables_release(struct ksyms *ksyms)
{
	vec_release(&ksyms->runs);
	vec_release(&ksyms->symbols);
	vec_release(&ksyms->added);
	buf_release(&ksyms->names);
	intern_free(ksyms->modules);
	intern_free(ksyms->added_names);
	ksyms_free(ksyms->later);
}

int ksyms_new(struct ksyms **ret)
{
	struct ksyms *ksyms = calloc(1, sizeof(*ksyms));

	if (!ksyms)
		return -ENOMEM;
	tables_init(ksyms);
	*ret = ksyms;
	return 0;
}

void ksyms_free(struct ksyms *ksyms)
{
	if (!ksyms)
		return;
	tables_release(ksyms);
	free(ksyms);
}

/* --- reading -------------------------------------------------------------------------------------------------------
 */

static bool has_prefix(const char *name, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);

	return len >= n && memcmp(name, prefix, n) == 0;
}

static bool has_suffix(const char *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len >= n && memcmp(name + len - n, suffix, n) == 0;
}

static bool is_name(const char *name, size_t len, const char *other)
{
	return len == strlen(other) && memcmp(name, other, len) == 0;
}

/* Names of places rather than of functions. */
static bool is_marker(const char *name, size_t len)
{
	if (len < 5 || name[0] != '_')
		return false;
	return has_prefix(name, len, PREFIX) || has_prefix(name, len, "__cfi_") || has_suffix(name, len, "_text") ||
	       has_suffix(name, len, "_stext") || has_suffix(name, len, "_etext") ||
	       has_suffix(name, len, "_text_start") || has_suffix(name, len, "_text_end");
}

static int add_name(struct reading *reading, const char *name, size_t len, uint32_t *ret)
{
	const size_t prefix = strlen(PREFIX);
	int err;

	if (reading->names.len) {
		const char *last = (const char *)reading->names.data + reading->last_name;
		size_t last_len = reading->names.len - 1 - reading->last_name;

		if (last_len == len + prefix && memcmp(last, PREFIX, prefix) == 0 &&
		    memcmp(last + prefix, name, len) == 0) {
			*ret = (uint32_t)(reading->last_name + prefix);
			return 0;
		}
	}
	reading->last_name = reading->names.len;
	*ret = (uint32_t)reading->names.len;
	err = buf_append(&reading->names, name, len);
	return err ? err : buf_append_byte(&reading->names, '\0');
}

/* 0 for a line that was taken or is of no interest, -EBADMSG for a bad one, -ENOMEM or -E2BIG. */
static int read_line(struct reading *reading, const char *bytes, size_t n)
{
	struct cursor line, word;
	struct line *slot;
	uint64_t address;
	uint32_t module = MODULE_KERNEL, name_at;
	const char *name;
	size_t len;
	uint8_t type;
	int err;

	if (memchr(bytes, '\0', n))
		return -EBADMSG;
	cursor_init(&line, bytes, n);
	address = cursor_hex(&line);
	cursor_expect(&line, ' ');
	type = cursor_u8(&line);
	cursor_expect(&line, ' ');
	if (!cursor_ok(&line))
		return -EBADMSG;
	if (type != 't' && type != 'T' && type != 'w' && type != 'W')
		return 0;
	if (!cursor_word(&line, &word) || cursor_left(&word) >= MAX_NAME)
		return -EBADMSG;
	name = (const char *)word.pos;
	len = cursor_left(&word);
	if (!address) {
		reading->zeros++;
		return 0;
	}
	if (cursor_word(&line, &word)) {
		size_t module_len = cursor_left(&word);

		if (module_len < 3 || word.pos[0] != '[' || word.pos[module_len - 1] != ']')
			return -EBADMSG;
		err = intern_add(reading->modules, (const char *)word.pos + 1, module_len - 2, &module);
		if (err)
			return err;
	} else if (is_name(name, len, "_stext")) {
		reading->stext = address;
	} else if (is_name(name, len, "_text")) {
		reading->text = address;
	} else if (is_name(name, len, "_etext")) {
		reading->etext = address;
	}
	if (reading->only_modules && module == MODULE_KERNEL)
		return 0;
	err = add_name(reading, name, len, &name_at);
	if (err)
		return err;
	err = vec_reserve(&reading->lines, reading->lines.len + 1);
	if (err)
		return err;
	slot = &reading->lines.items[reading->lines.len++];
	*slot = (struct line){.address = address, .name = name_at, .module = (uint16_t)module};
	slot->rank = (type == 't' || type == 'w' ? RANK_LOCAL : 0) | (is_marker(name, len) ? RANK_MARKER : 0);
	return 0;
}

static int take_line(struct reading *reading, const char *bytes, size_t n)
{
	int err = n ? read_line(reading, bytes, n) : 0;

	if (err != -EBADMSG)
		return err;
	reading->bad++;
	return 0;
}

/* All lines of the descriptor. `piece` has room for the beginning of a line that the last read cut. */
static int read_lines(struct reading *reading, int fd, char *piece)
{
	bool is_skipping = false; /* within a line that is too long */
	uint64_t offset = 0;
	size_t kept = 0;
	ssize_t got;

	while ((got = io_pread_full(fd, piece + kept, PIECE, offset)) > 0) {
		const char *at = piece, *end = piece + kept + got, *newline;

		offset += (uint64_t)got;
		while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
			int err = is_skipping ? 0 : take_line(reading, at, (size_t)(newline - at));

			if (err)
				return err;
			is_skipping = false;
			at = newline + 1;
		}
		kept = is_skipping ? 0 : (size_t)(end - at);
		if (kept > MAX_LINE) {
			reading->bad++;
			is_skipping = true;
			kept = 0;
		}
		memmove(piece, at, kept);
	}
	if (got < 0)
		return (int)got;
	return take_line(reading, piece, kept);
}

/* --- the table -----------------------------------------------------------------------------------------------------
 */

static int compare_lines(const void *left, const void *right, void *names)
{
	const struct line *a = left, *b = right;
	const char *name_a, *name_b;
	size_t len_a, len_b;

	if (a->address != b->address)
		return (a->address > b->address) - (a->address < b->address);
	if (a->rank != b->rank)
		return (a->rank > b->rank) - (a->rank < b->rank);
	name_a = (const char *)names + a->name;
	name_b = (const char *)names + b->name;
	len_a = strlen(name_a);
	len_b = strlen(name_b);
	if (len_a != len_b)
		return (len_a > len_b) - (len_a < len_b);
	return memcmp(name_a, name_b, len_a);
}

static void sort_lines(struct reading *reading)
{
	struct line_vec *lines = &reading->lines;

	for (size_t i = 1; i < lines->len; i++) {
		if (compare_lines(&lines->items[i - 1], &lines->items[i], reading->names.data) > 0) {
			qsort_r(lines->items, lines->len, sizeof(*lines->items), compare_lines, reading->names.data);
			return;
		}
	}
}

/* Whether the symbol can be named at all: text of the kernel proper that is gone after boot cannot. */
static bool is_kept(const struct ksyms *ksyms, const struct line *line)
{
	if (line->module != MODULE_KERNEL)
		return true;
	return line->address >= ksyms->text_start && (!ksyms->text_end || line->address < ksyms->text_end);
}

static int add_symbol(struct ksyms *ksyms, const struct reading *reading, const struct line *line)
{
	struct run *run = ksyms->runs.len ? &ksyms->runs.items[ksyms->runs.len - 1] : NULL;
	bool is_short = line->module == reading->bpf;
	struct symbol_start *symbol;

	if (!run || run->module != line->module || line->address - run->base > UINT32_MAX) {
		if (vec_reserve(&ksyms->runs, ksyms->runs.len + 1))
			return -ENOMEM;
		assert(ksyms->runs.items);
		run = &ksyms->runs.items[ksyms->runs.len++];
		*run = (struct run){.base = line->address, .first = (uint32_t)ksyms->symbols.len};
		run->module = line->module;
		run->symbol_max = line->module == MODULE_KERNEL ? UINT32_MAX
				  : is_short			? LAST_SYMBOL_MAX
								: MODULE_SYMBOL_MAX;
	}
	symbol = vec_push(&ksyms->symbols);
	if (!symbol)
		return -ENOMEM;
	symbol->offset = (uint32_t)(line->address - run->base);
	symbol->name = line->name;
	run->n++;
	if (!checked_add(line->address, LAST_SYMBOL_MAX, &run->limit))
		run->limit = UINT64_MAX;
	if (line->module == MODULE_KERNEL && ksyms->text_end && run->limit > ksyms->text_end)
		run->limit = ksyms->text_end;
	return 0;
}

/* Gives back what doubling took too much; keeping it is no error. */
static void shrink(void **items, size_t *cap, size_t len, size_t item_size)
{
	void *shrunk = len ? realloc(*items, len * item_size) : NULL;

	if (shrunk) {
		*items = shrunk;
		*cap = len;
	}
}

static int build_tables(struct ksyms *ksyms, struct reading *reading)
{
	ksyms->text_start = reading->stext ? reading->stext : reading->text;
	ksyms->text_end = reading->etext > ksyms->text_start ? reading->etext : 0;
	sort_lines(reading);
	for (size_t i = 0; i < reading->lines.len; i++) {
		const struct line *line = &reading->lines.items[i];
		int err;

		if (i && line->address == line[-1].address)
			continue;
		err = is_kept(ksyms, line) ? add_symbol(ksyms, reading, line) : 0;
		if (err)
			return err;
	}
	shrink((void **)&ksyms->symbols.items, &ksyms->symbols.cap, ksyms->symbols.len, sizeof(struct symbol_start));
	shrink((void **)&ksyms->runs.items, &ksyms->runs.cap, ksyms->runs.len, sizeof(struct run));
	shrink((void **)&reading->names.data, &reading->names.cap, reading->names.len, 1);
	ksyms->names = reading->names;
	ksyms->modules = reading->modules;
	buf_init(&reading->names, MAX_NAME_BYTES);
	reading->modules = NULL;
	return 0;
}

static int read_tables(struct reading *reading, int fd, struct ksyms *ret)
{
	auto_free char *piece = malloc(PIECE + MAX_LINE + 1);
	int err = -ENOMEM;

	vec_init(&reading->lines, MAX_SYMBOLS);
	buf_init(&reading->names, MAX_NAME_BYTES);
	if (piece)
		err = intern_new(MAX_MODULES, MAX_MODULE_BYTES, &reading->modules);
	if (!err)
		err = intern_add_str(reading->modules, "bpf", &reading->bpf);
	if (!err)
		err = read_lines(reading, fd, piece);
	if (!err)
		err = build_tables(ret, reading);
	vec_release(&reading->lines);
	buf_release(&reading->names);
	intern_free(reading->modules);
	return err;
}

int ksyms_read(struct ksyms *ksyms, int fd, bool *ret_restricted, size_t *ret_bad)
{
	struct reading reading = {.zeros = 0};
	struct ksyms fresh;
	int err;

	tables_init(&fresh);
	err = read_tables(&reading, fd, &fresh);
	if (err) {
		tables_release(&fresh);
		return err;
	}
	tables_release(ksyms);
	*ksyms = fresh;
	*ret_restricted = reading.zeros && !ksyms->symbols.len;
	if (ret_bad)
		*ret_bad = reading.bad;
	return 0;
}

int ksyms_read_again(struct ksyms *ksyms, int fd)
{
	struct reading reading = {.only_modules = true};
	struct ksyms *later = NULL;
	int err = ksyms_new(&later);

	if (!err)
		err = read_tables(&reading, fd, later);
	if (err) {
		ksyms_free(later);
		return err;
	}
	ksyms_free(ksyms->later);
	ksyms->later = later;
	return 0;
}

/* --- looking up ----------------------------------------------------------------------------------------------------
 */

static const struct run *find_run(const struct ksyms *ksyms, uint64_t address)
{
	size_t n = partition_point(ksyms->runs.len, i, ksyms->runs.items[i].base <= address);
	return n && address < ksyms->runs.items[n - 1].limit ? &ksyms->runs.items[n - 1] : NULL;
}

/* "bpf_prog_6deef7357e7b4530_sd_fw_egress" is program sd_fw_egress; without a name of its own it keeps its tag. */
static const char *without_bpf_tag(const char *name)
{
	const size_t tag = strlen("bpf_prog_"), end = tag + 16;

	if (strncmp(name, "bpf_prog_", tag) != 0 || strspn(name + tag, "0123456789abcdef") != end - tag ||
	    name[end] != '_' || !name[end + 1])
		return name;
	return name + end + 1;
}

static struct ksym symbol_of(uint64_t address, const char *name, const char *module)
{
	return (struct ksym){.address = address,
			     .name = strcmp(module, "bpf") ? name : without_bpf_tag(name),
			     .system_name = name,
			     .module = module};
}

/* Index of the first added range that ends behind the address. */
static size_t find_added(const struct added_vec *added, uint64_t address)
{
	return partition_point(added->len, i, added->items[i].limit <= address);
}

/* Of what kallsyms said at one reading. *ret_is_module: not of the kernel proper. */
static int find_at_once(const struct ksyms *ksyms, uint64_t address, struct ksym *ret, bool *ret_is_module)
{
	const struct run *run = find_run(ksyms, address);
	const struct symbol_start *symbols;
	size_t n;

	if (!run)
		return -ENOENT;
	symbols = &ksyms->symbols.items[run->first];
	n = partition_point(run->n, i, symbols[i].offset <= address - run->base);
	/* n > 0: the first symbol is the run's base. */
	if (address - run->base - symbols[n - 1].offset >= run->symbol_max)
		return -ENOENT;
	*ret = symbol_of(run->base + symbols[n - 1].offset, (const char *)ksyms->names.data + symbols[n - 1].name,
			 intern_str(ksyms->modules, run->module));
	/* Between two programs of BPF there may be room, too. */
	ret->has_no_end = run->module != MODULE_KERNEL && (n == run->n || run->symbol_max == LAST_SYMBOL_MAX);
	*ret_is_module = run->module != MODULE_KERNEL;
	return 0;
}

static bool is_same(const struct ksym *a, const struct ksym *b)
{
	return strcmp(a->module, b->module) == 0 && strcmp(a->system_name, b->system_name) == 0;
}

/* A record told where the symbol ends. */
static bool ended_before(const struct ksyms *ksyms, uint64_t symbol, uint64_t address)
{
	size_t at = find_added(&ksyms->added, symbol);

	return at < ksyms->added.len && ksyms->added.items[at].start == symbol &&
	       ksyms->added.items[at].limit <= address;
}

/* What seemed to be the end of `before` is of another, which came while it was there. A program of BPF that went while
 * we ran would have told so by its record, and so was there all the time. */
static bool is_behind(const struct ksyms *ksyms, const struct ksym *before, const struct ksym *later)
{
	struct ksym same;
	bool is_module;

	if (!find_at_once(ksyms->later, before->address, &same, &is_module) && is_same(before, &same))
		return true;
	return strcmp(before->module, "bpf") == 0 && later->address > before->address;
}

/* Of what kallsyms said at both readings. Where it said two things the samples may be of either. */
static int find_read(const struct ksyms *ksyms, uint64_t address, struct ksym *ret)
{
	bool is_module, is_module_later;
	int err = find_at_once(ksyms, address, ret, &is_module);
	struct ksym later;

	if (!err && ended_before(ksyms, ret->address, address))
		err = -ENOENT;
	if (!ksyms->later || (!err && !is_module))
		return err;
	if (find_at_once(ksyms->later, address, &later, &is_module_later))
		return err; /* a module that was unloaded */
	if (!err && !is_same(ret, &later) && !is_behind(ksyms, ret, &later))
		return -ENOENT;
	*ret = later;
	return 0;
}

/* --- records -------------------------------------------------------------------------------------------------------
 */

/* What lies outside of the kernel's text and modules says whose it is by its name; modules as in kallsyms. */
static const char *module_of_added(const char *name, size_t len)
{
	static const struct {
		const char *prefix, *module;
	} modules[] = {{"bpf_", "bpf"}, {"ftrace_trampoline", "__builtin__ftrace"}, {"kprobe_", "__builtin__kprobes"}};

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (has_prefix(name, len, modules[i].prefix))
			return modules[i].module;
	return "";
}

static int name_added(struct ksyms *ksyms, const char *name, size_t len, struct added *entry)
{
	int err = 0;

	if (!ksyms->added_names)
		err = intern_new(MAX_ADDED + 1, MAX_ADDED * (size_t)MAX_NAME, &ksyms->added_names);
	if (!err)
		err = intern_add(ksyms->added_names, name, len, &entry->name);
	return err ? err : intern_add_str(ksyms->added_names, module_of_added(name, len), &entry->module);
}

/* Samples tell an address and, by now, no time: where two lay one after the other, neither can be named. kallsyms knows
 * no ends, so of its symbols those count that begin in the range. */
static bool was_of_another(const struct ksyms *ksyms, const struct added *entry)
{
	const char *name = intern_str(ksyms->added_names, entry->name);
	struct ksym sym;

	for (size_t i = find_added(&ksyms->added, entry->start);
	     i < ksyms->added.len && ksyms->added.items[i].start < entry->limit; i++)
		if (ksyms->added.items[i].name != entry->name || ksyms->added.items[i].is_unclear)
			return true;
	return !find_read(ksyms, entry->limit - 1, &sym) && sym.address >= entry->start &&
	       strcmp(sym.system_name, name) != 0;
}

int ksyms_add(struct ksyms *ksyms, uint64_t address, uint64_t len, const char *name)
{
	struct added_vec *added = &ksyms->added;
	size_t name_len = strnlen(name, MAX_NAME), first, last;
	struct added entry = {.start = address};
	int err;

	if (!address || !len || !name_len || !checked_add(address, len, &entry.limit))
		return -EINVAL;
	err = name_added(ksyms, name, name_len, &entry);
	if (!err)
		err = vec_reserve(added, added->len + 1);
	if (err)
		return err;
	entry.is_unclear = was_of_another(ksyms, &entry);
	/* What lay there before is gone: the kernel would not reuse its place otherwise. */
	first = last = find_added(added, entry.start);
	while (last < added->len && added->items[last].start < entry.limit)
		last++;
	memmove(&added->items[first + 1], &added->items[last], (added->len - last) * sizeof(entry));
	added->items[first] = entry;
	added->len += 1 + first - last;
	return 0;
}

int ksyms_find(const struct ksyms *ksyms, uint64_t address, struct ksym *ret)
{
	size_t at = find_added(&ksyms->added, address);
	const struct added *added;

	if (at == ksyms->added.len || ksyms->added.items[at].start > address)
		return find_read(ksyms, address, ret);
	added = &ksyms->added.items[at];
	if (added->is_unclear)
		return -ENOENT;
	*ret = symbol_of(added->start, intern_str(ksyms->added_names, added->name),
			 intern_str(ksyms->added_names, added->module));
	return 0;
}

bool ksyms_text(const struct ksyms *ksyms, uint64_t *start, uint64_t *end)
{
	if (!ksyms->text_start || !ksyms->text_end)
		return false;
	*start = ksyms->text_start;
	*end = ksyms->text_end;
	return true;
}

size_t ksyms_count(const struct ksyms *ksyms)
{
	return ksyms->symbols.len + ksyms->added.len + (ksyms->later ? ksyms_count(ksyms->later) : 0);
}

size_t ksyms_memory_bytes(const struct ksyms *ksyms)
{
	return sizeof(*ksyms) + ksyms->runs.cap * sizeof(struct run) +
	       ksyms->symbols.cap * sizeof(struct symbol_start) + ksyms->names.cap +
	       ksyms->added.cap * sizeof(struct added) + (ksyms->modules ? intern_memory_bytes(ksyms->modules) : 0) +
	       (ksyms->added_names ? intern_memory_bytes(ksyms->added_names) : 0) +
	       (ksyms->later ? ksyms_memory_bytes(ksyms->later) : 0);
}
