/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol/file_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "dwarf/dwarf.h"
#include "elf/elf_file.h"
#include "elf/gopclntab.h"
#include "elf/symtab.h"

#define MAX_TEXT 4096	       /* longer ones are cut */
#define DWARF_BYTES (8u << 20) /* of units that are held, of one file */
#define DWARF_PART 4	       /* … and of max_bytes */

struct file_names {
	struct gopclntab *go;  /* NULL: no Go program */
	struct symtab *symtab; /* NULL: it could not be read */
	struct dwarf *dwarf;   /* NULL: it has none */
};

/* A source that cannot be read, for whatever it holds, is one less. */
static int pass_over_bad(int err)
{
	return err == -ENOMEM || err == -EIO ? err : 0;
}

/* From the file, else from its debug file. */
static int open_dwarf(const struct file_names_files *files, struct dwarf **ret)
{
	struct dwarf_files dwarf = {
		.file = files->file,
		.supplementary = files->supplementary,
		.split = files->split,
		.temporary = files->temporary,
		.temporary_left = files->temporary_left,
		.ctx = files->ctx,
	};
	size_t held = files->max_bytes && files->max_bytes / DWARF_PART < DWARF_BYTES ? files->max_bytes / DWARF_PART
										      : DWARF_BYTES;
	int err = dwarf_open(&dwarf, held, ret);

	if (err != -ENOENT || !files->debug)
		return err;
	dwarf.file = files->debug;
	return dwarf_open(&dwarf, held, ret);
}

int file_names_new(const struct file_names_files *files, struct file_names **ret)
{
	struct symtab_files symtab = {
		.file = files->file, .debug = files->debug, .embedded = files->embedded, .max_bytes = files->max_bytes};
	struct file_names *names = calloc(1, sizeof(*names));
	int err;

	if (!names)
		return -ENOMEM;
	err = pass_over_bad(gopclntab_open(files->file, &names->go));
	if (!err)
		err = symtab_new_from(&symtab, &names->symtab);
	if (err && files->debug) { /* which costs only itself */
		symtab.debug = NULL;
		err = symtab_new_from(&symtab, &names->symtab);
	}
	if (names->go && !files->embedded)
		err = pass_over_bad(err);
	if (!err && !names->go)
		err = pass_over_bad(open_dwarf(files, &names->dwarf));
	if (err) {
		file_names_free(names);
		return err;
	}
	*ret = names;
	return 0;
}

void file_names_free(struct file_names *names)
{
	if (!names)
		return;
	gopclntab_free(names->go);
	symtab_free(names->symtab);
	dwarf_free(names->dwarf);
	free(names);
}

size_t file_names_count(const struct file_names *names)
{
	return (names->go ? gopclntab_count(names->go) : 0) + (names->symtab ? symtab_count(names->symtab) : 0);
}

bool file_names_has_go(const struct file_names *names)
{
	return names->go != NULL;
}

size_t file_names_memory_bytes(const struct file_names *names)
{
	return sizeof(*names) + (names->go ? gopclntab_memory_bytes(names->go) : 0) +
	       (names->symtab ? symtab_memory_bytes(names->symtab) : 0) +
	       (names->dwarf ? dwarf_memory_bytes(names->dwarf) : 0);
}

int file_names_summarize(const struct file_names *names, const struct elf_file *file, struct file_names_summary *ret)
{
	const struct coverage_sources sources = {.symtab = names->symtab, .go = names->go, .dwarf = names->dwarf};
	struct file_names_summary summary = {.has_go = names->go, .has_dwarf = names->dwarf};
	int err = names->dwarf ? dwarf_summarize(names->dwarf, &summary.dwarf) : 0;

	summary.functions = names->symtab ? symtab_count(names->symtab) : 0;
	if (names->go) {
		summary.go_layout = gopclntab_layout(names->go);
		summary.go_functions = gopclntab_count(names->go);
		/* The symbol table, where it was not stripped, has the same ones, and those of C. */
		if (summary.functions < summary.go_functions)
			summary.functions = summary.go_functions;
	}
	if (!err)
		err = coverage_measure(file, &sources, &summary.coverage);
	if (!err)
		*ret = summary;
	return err;
}

/* --- places ------------------------------------------------------------------------------------------------------- */

/* Room for a text: where it goes and how much of it there is. */
static char *text_room(struct code_place *place, size_t *ret_size)
{
	size_t left = sizeof(place->text) - place->text_bytes;

	*ret_size = left < MAX_TEXT ? left : MAX_TEXT;
	return place->text + place->text_bytes;
}

/* The text in that room is part of the place. */
static uint32_t text_keep(struct code_place *place)
{
	uint32_t at = (uint32_t)place->text_bytes;

	place->text_bytes += strlen(place->text + at) + 1;
	return at;
}

static void place_init(struct code_place *place)
{
	place->n = 0;
	place->is_go = false;
	place->text[0] = '\0'; /* the unknown */
	place->text_bytes = 1;
}

/* A name that stands at `at`: "" is none. */
static int place_add_function(struct code_place *place, int err)
{
	const char *name = place->text + place->text_bytes;

	if (err || !*name)
		return err ? err : -ENOENT;
	place->lines[place->n++] = (struct code_line){.function = text_keep(place)};
	return 0;
}

static int go_line(struct gopclntab *go, const struct go_line *from, struct code_place *place)
{
	struct code_line *line = &place->lines[place->n];
	size_t size;
	char *room = text_room(place, &size);
	int err = place_add_function(place, gopclntab_line_name(go, from, room, size));

	if (err)
		return err;
	room = text_room(place, &size);
	err = gopclntab_line_file(go, from, room, size);
	if (err)
		return err;
	line->file = text_keep(place);
	line->line = from->line;
	line->start_line = from->start_line;
	return 0;
}

/* With lines, or none of them: those of a chain that is not whole would be told of the wrong functions. */
static int go_lines(struct gopclntab *go, const struct go_function *function, uint64_t elf_va, struct code_place *place)
{
	struct go_line lines[CODE_MAX_LINES];
	size_t n;
	int err = gopclntab_lines(go, function, elf_va, lines, CODE_MAX_LINES, &n);

	for (size_t i = 0; i < n && !err; i++)
		err = go_line(go, &lines[i], place);
	return err;
}

static int find_in_go(struct gopclntab *go, uint64_t elf_va, struct code_place *place)
{
	struct go_function function;
	size_t index, size;
	char *room;
	int err = gopclntab_find(go, elf_va, &index);

	if (!err)
		err = gopclntab_function(go, index, &function);
	if (err)
		return err;
	if (go_lines(go, &function, elf_va, place)) {
		place_init(place);
		room = text_room(place, &size);
		err = place_add_function(place, gopclntab_name(go, &function, room, size));
	}
	place->is_go = true;
	place->start = function.start;
	return err;
}

static int find_symbol(const struct symtab *symtab, uint64_t elf_va, struct code_place *place)
{
	struct symbol symbol;
	size_t size;
	char *room = text_room(place, &size);
	int err = place_add_function(place, symtab_find(symtab, elf_va, &symbol, room, size));

	if (!err)
		place->start = symbol.elf_va;
	return err;
}

/* The text in the place, cut; 0, the unknown one, where there is no room. */
static uint32_t keep_text(struct code_place *place, const char *text)
{
	size_t size;
	char *room = text_room(place, &size);

	if (!*text || size < 2)
		return 0;
	text_copy(room, size, text);
	return text_keep(place);
}

/* What DWARF knows of the address. The function that holds it keeps the name that the symbol table has for it, if any:
 * that tells clones and versions apart. */
static int find_in_dwarf(struct dwarf *dwarf, uint64_t elf_va, struct code_place *place)
{
	struct code_line holder = place->n ? place->lines[0] : (struct code_line){0};
	struct dwarf_frames frames;
	int err = dwarf_find(dwarf, elf_va, &frames);

	if (err)
		return err;
	if (frames.n > CODE_MAX_LINES || (!holder.function && !*frames.items[frames.n - 1].name))
		return -ENOENT;
	for (size_t i = 0; i < frames.n; i++) {
		const struct dwarf_frame *frame = &frames.items[i];
		const char *name = *frame->linkage_name ? frame->linkage_name : frame->name;
		bool is_holder = i == frames.n - 1 && holder.function;

		place->lines[i] = (struct code_line){
			.function = is_holder ? holder.function : keep_text(place, name),
			.file = keep_text(place, frame->file),
			.line = frame->line,
		};
		if (!place->lines[i].function)
			return -ENOENT;
	}
	if (!holder.function)
		place->start = elf_va;
	place->n = frames.n;
	return 0;
}

int file_names_find(const struct file_names *names, uint64_t elf_va, struct code_place *ret)
{
	struct code_line symbol;
	size_t n;

	place_init(ret);
	if (names->go && !find_in_go(names->go, elf_va, ret))
		return 0;
	place_init(ret);
	if (names->symtab && find_symbol(names->symtab, elf_va, ret))
		ret->n = 0;
	n = ret->n;
	symbol = n ? ret->lines[0] : (struct code_line){0};
	if (names->dwarf && find_in_dwarf(names->dwarf, elf_va, ret)) {
		ret->n = n;
		ret->lines[0] = symbol;
	}
	return ret->n ? 0 : -ENOENT;
}
