/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/debug_search.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "dwarf/dwarf.h"
#include "elf/debug_link.h"

/* Of one kind: places are few, so more is somebody's game. */
#define MAX_TRIES 64

enum step { STEP_BUILD_ID, STEP_LINK, STEP_SERVER, STEP_SUPPLEMENTARY, STEP_SUPPLEMENTARY_SERVER, STEP_OVER };

struct debug_search {
	struct debug_search_options options;
	enum step step;
	uint32_t request, place, tries;
	uint32_t answered; /* the request that was answered last */
	int err;	   /* of the step: the most telling so far */
	uint32_t origin;
	struct debug_link link;
	struct dwarf_link supplementary_link;
	struct image *debug, *supplementary;
	struct message_sources sources;
};

static void note(struct debug_search *search, enum source_kind kind, int err, uint32_t origin)
{
	struct message_sources *sources = &search->sources;

	if (sources->n < MESSAGE_MAX_SOURCES)
		sources->sources[sources->n++] = (struct message_source){
			.kind = kind, .err = err, .origin = origin, .request = search->answered};
}

/* --- what the file has itself ------------------------------------------------------------------------------------- */

static bool has_table(const struct elf_file *file, uint32_t type)
{
	const struct elf_section *sections;
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++)
		if (sections[i].type == type && sections[i].size)
			return true;
	return false;
}

static bool has_section(const struct elf_file *file, const char *name)
{
	const struct elf_section *section = elf_file_section(file, name);

	return section && section->size && section->type != SHT_NOBITS;
}

static bool has_dwarf(const struct elf_file *file)
{
	return has_section(file, ".debug_info") || has_section(file, ".zdebug_info");
}

static void note_presence(struct debug_search *search, enum source_kind kind, bool is_there)
{
	note(search, kind, is_there ? 0 : -ENOENT, 0);
}

static void note_own(struct debug_search *search)
{
	const struct elf_file *file = search->options.image->file;

	note_presence(search, SOURCE_SYMTAB, has_table(file, SHT_SYMTAB));
	note_presence(search, SOURCE_DWARF, has_dwarf(file));
	note_presence(search, SOURCE_DEBUGDATA, has_section(file, ".gnu_debugdata"));
	note_presence(search, SOURCE_DYNSYM, has_table(file, SHT_DYNSYM));
	note_presence(search, SOURCE_GO, has_section(file, ".gopclntab"));
}

/* --- is it the one? ----------------------------------------------------------------------------------------------- */

static int check_debug(const struct debug_search *search, struct image *debug)
{
	const struct image *image = search->options.image;
	bool have_ids = image->build_id.len && debug->build_id.len;
	uint32_t checksum;
	int err;

	if (debug->dev == image->dev && debug->ino == image->ino)
		return -ELOOP;
	if (search->step != STEP_LINK && !have_ids)
		return -ESTALE;
	if (have_ids && !build_id_is_same(&image->build_id, &debug->build_id))
		return -ESTALE;
	err = debug_link_check_layout(image->file, debug->file);
	if (err || search->step != STEP_LINK)
		return err;
	err = image_checksum(debug, &checksum);
	if (err)
		return err;
	return checksum == search->link.crc ? 0 : -ESTALE;
}

static int check_supplementary(const struct debug_search *search, const struct image *supplementary)
{
	const struct dwarf_link *link = &search->supplementary_link;

	if (elf_file_machine(supplementary->file) != elf_file_machine(search->options.image->file) ||
	    supplementary->build_id.len != link->id_bytes ||
	    memcmp(supplementary->build_id.bytes, link->id, link->id_bytes) != 0)
		return -ESTALE;
	return 0;
}

static bool is_for_supplementary(const struct debug_search *search)
{
	return search->step == STEP_SUPPLEMENTARY || search->step == STEP_SUPPLEMENTARY_SERVER;
}

/* Takes over the descriptor. */
static int accept(struct debug_search *search, int fd)
{
	struct image **found = is_for_supplementary(search) ? &search->supplementary : &search->debug;
	struct image *image;
	int err = image_open(fd, &image);

	if (err)
		return err;
	err = is_for_supplementary(search) ? check_supplementary(search, image) : check_debug(search, image);
	if (!err)
		err = image_intern(search->options.images, image, found);
	if (err)
		image_free(image);
	return err;
}

/* --- one step after the other ------------------------------------------------------------------------------------- */

static bool lacks_debug(const struct debug_search *search)
{
	const struct elf_file *file = search->options.image->file;

	return !search->debug && !(has_table(file, SHT_SYMTAB) && has_dwarf(file));
}

static int describe_build_id(struct debug_search *search, struct message_want_debug *want)
{
	const struct build_id *id = &search->options.image->build_id;

	if (!lacks_debug(search) || id->len < DEBUG_ID_MIN)
		return -ENOENT;
	want->kind = DEBUG_BUILD_ID;
	want->id_len = (uint32_t)id->len;
	memcpy(want->id, id->bytes, id->len);
	return 0;
}

static int describe_link(struct debug_search *search, struct message_want_debug *want, const char **ret_name)
{
	int err = lacks_debug(search) ? debug_link_read(search->options.image->file, &search->link) : -ENOENT;

	if (err)
		return err;
	want->kind = DEBUG_LINK;
	*ret_name = search->link.name;
	return 0;
}

/* Of the file that has the DWARF. */
static int describe_supplementary(struct debug_search *search, struct message_want_debug *want, const char **ret_name)
{
	const struct image *image = search->options.image;
	struct dwarf_link *link = &search->supplementary_link;
	int err;

	if (!has_dwarf(image->file))
		image = search->debug;
	err = image ? dwarf_supplementary_of(image->file, link) : -ENOENT;
	if (!err && (link->id_bytes < DEBUG_ID_MIN || link->id_bytes > DEBUG_ID_MAX))
		err = -EBADMSG;
	if (err)
		return err;
	want->kind = DEBUG_SUPPLEMENTARY;
	want->id_len = (uint32_t)link->id_bytes;
	memcpy(want->id, link->id, link->id_bytes);
	*ret_name = link->name;
	return 0;
}

/* By the id alone, of a server. */
static int describe_remote(struct debug_search *search, struct message_want_debug *want)
{
	const char *name;
	int err = -ENOENT;

	if (search->options.has_servers && search->step == STEP_SERVER)
		err = describe_build_id(search, want);
	else if (search->options.has_servers && !search->supplementary)
		err = describe_supplementary(search, want, &name);
	want->kind = DEBUG_REMOTE;
	return err;
}

static int describe(struct debug_search *search, struct message_want_debug *want, const char **ret_name)
{
	*ret_name = "";
	switch (search->step) {
	case STEP_BUILD_ID:
		return describe_build_id(search, want);
	case STEP_LINK:
		return describe_link(search, want, ret_name);
	case STEP_SUPPLEMENTARY:
		return describe_supplementary(search, want, ret_name);
	default:
		return describe_remote(search, want);
	}
}

static enum source_kind source_of(enum step step)
{
	switch (step) {
	case STEP_BUILD_ID:
		return SOURCE_BUILD_ID;
	case STEP_LINK:
		return SOURCE_LINK;
	case STEP_SERVER:
		return SOURCE_SERVER;
	default:
		return SOURCE_SUPPLEMENTARY;
	}
}

/* Asks for what comes next, from this step on. -ENOENT of a step: the file names no such thing. */
static int ask(struct debug_search *search)
{
	for (; search->step < STEP_OVER; search->step++, search->place = search->tries = 0) {
		struct message_want_debug want = {.object = search->options.object, .place = search->place};
		const char *name = "";
		int err;

		search->err = search->tries ? search->err : -ENOENT;
		err = search->tries++ < MAX_TRIES ? describe(search, &want, &name) : search->err;
		if (!err) {
			want.name_len = (uint32_t)strlen(name);
			err = search->options.want(search->options.ctx, &want, name);
			search->request = err < 0 ? 0 : want.request;
			return err < 0 ? err : 0;
		}
		if (err != -ENOENT)
			note(search, source_of(search->step), err, search->origin);
	}
	return 0;
}

int debug_search_new(const struct debug_search_options *options, struct debug_search **ret)
{
	struct debug_search *search = calloc(1, sizeof(*search));
	int err;

	if (!search)
		return -ENOMEM;
	search->options = *options;
	search->sources.object = options->object;
	note_own(search);
	if (options->is_lone || !options->want)
		search->step = STEP_OVER;
	err = ask(search);
	if (err) {
		debug_search_free(search);
		return err;
	}
	*ret = search;
	return 0;
}

void debug_search_free(struct debug_search *search)
{
	if (!search)
		return;
	image_unref(search->options.images, search->debug);
	image_unref(search->options.images, search->supplementary);
	free(search);
}

uint32_t debug_search_request(const struct debug_search *search)
{
	return search->request;
}

int debug_search_answer(struct debug_search *search, const struct message_debug_opened *answer, int fd)
{
	auto_close int taken = fd;
	int err = answer->err;

	search->request = 0;
	search->answered = answer->request;
	if (!err)
		err = taken < 0 ? -EBADF : accept(search, take_fd(&taken));
	if (err && err != -ENOENT) {
		search->err = err;
		search->origin = answer->origin;
	}
	if (err && !answer->err) { /* not the one: there may be another behind it */
		search->place = answer->place + 1;
		return ask(search);
	}
	note(search, source_of(search->step), err ? search->err : 0, err ? search->origin : answer->origin);
	search->step++;
	search->place = search->tries = 0;
	return ask(search);
}

struct image *debug_search_debug(const struct debug_search *search)
{
	return search->debug;
}

struct image *debug_search_supplementary(const struct debug_search *search)
{
	return search->supplementary;
}

void debug_search_sources(const struct debug_search *search, struct message_sources *ret)
{
	*ret = search->sources;
}
