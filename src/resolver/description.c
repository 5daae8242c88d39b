/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/description.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "dwarf/dwarf.h"
#include "elf/debug_link.h"
#include "elf/dynamic.h"
#include "elf/symbol_count.h"
#include "ipc/message.h"
#include "resolver/object_cache.h"
#include "resolver/view.h"
#include "symbol/file_names.h"

#define DWARF_BYTES (1u << 20) /* of units, of which none is read */

_Static_assert(DESCRIPTION_NAME_BYTES >= DEBUG_LINK_MAX_NAME, "a link's name fits its message");
_Static_assert(DESCRIPTION_NAME_BYTES >= DWARF_MAX_NAME_BYTES, "a supplementary file's name fits its message");
_Static_assert(DEBUG_ID_MAX >= DWARF_MAX_LINK_ID_BYTES, "its id fits, too");

static uint32_t go_since(enum go_layout layout)
{
	switch (layout) {
	case GO_LAYOUT_1_2:
		return 2;
	case GO_LAYOUT_1_16:
		return 16;
	case GO_LAYOUT_1_18:
		return 18;
	case GO_LAYOUT_1_20:
		break;
	}
	return 20;
}

static bool has_dwarf(const struct elf_file *file)
{
	const struct elf_section *section = elf_file_section(file, ".debug_info");

	if (!section)
		section = elf_file_section(file, ".zdebug_info");
	return section && section->type != SHT_NOBITS && section->size;
}

static void describe_symbols(const struct elf_file *file, uint32_t type, struct message_symbols *ret)
{
	struct symbol_count count;

	if (!symbol_count(file, type, &count))
		*ret = (struct message_symbols){1, 0, count.symbols, count.functions};
}

static void describe_link(const struct elf_file *file, struct message_description *ret)
{
	struct debug_link link;

	if (debug_link_read(file, &link))
		return;
	ret->link_crc = link.crc;
	text_copy(ret->link_name, sizeof(ret->link_name), link.name);
}

static void describe_supplementary(const struct elf_file *file, struct message_description *ret)
{
	struct dwarf_link link;

	/* strip leaves the link and takes what needs it. */
	if (!has_dwarf(file) || dwarf_supplementary_of(file, &link))
		return;
	ret->supplementary_id_len = (uint32_t)link.id_bytes;
	memcpy(ret->supplementary_id, link.id, link.id_bytes);
	text_copy(ret->supplementary_name, sizeof(ret->supplementary_name), link.name);
}

static void keep_dwarf(const struct dwarf_summary *summary, struct message_description *ret)
{
	ret->dwarf_units = summary->units;
	ret->dwarf_split = summary->split;
	ret->dwarf_versions = summary->versions;
}

/* Names of Go programs are not taken from DWARF, but it may be there. */
static void describe_unused_dwarf(const struct elf_file *file, struct message_description *ret)
{
	struct dwarf_summary summary;
	struct dwarf *dwarf;

	if (dwarf_open(&(struct dwarf_files){.file = file}, DWARF_BYTES, &dwarf))
		return;
	if (!dwarf_summarize(dwarf, &summary))
		keep_dwarf(&summary, ret);
	dwarf_free(dwarf);
}

static void describe_names(struct view *view, struct message_description *ret)
{
	const struct file_names *names = view_names(view);
	const struct elf_file *file = view_image(view)->file;
	struct file_names_summary summary;

	ret->err = names ? file_names_summarize(names, file, &summary) : -EIO;
	if (ret->err)
		return;
	if (summary.has_go) {
		ret->go_since = go_since(summary.go_layout);
		ret->go_functions = summary.go_functions;
		describe_unused_dwarf(file, ret);
	}
	if (summary.has_dwarf)
		keep_dwarf(&summary.dwarf, ret);
	ret->dwarf_is_debug = summary.has_dwarf && !has_dwarf(file);
	ret->functions = summary.functions;
	ret->code = summary.coverage.code;
	ret->named = summary.coverage.named;
	ret->with_lines = summary.coverage.with_lines;
}

static void describe_files(const struct view *view, struct message_description *ret)
{
	const struct elf_file *file = view_image(view)->file;
	const struct image *debug = view_debug(view);
	const struct elf_section *debugdata = elf_file_section(file, ".gnu_debugdata");

	ret->machine = elf_file_machine(file);
	ret->type = elf_file_type(file);
	ret->is_pie = dynamic_is_pie(file);
	ret->build_id_len = (uint32_t)view_image(view)->build_id.len;
	memcpy(ret->build_id, view_image(view)->build_id.bytes, ret->build_id_len);
	describe_symbols(file, SHT_SYMTAB, &ret->symtab);
	describe_symbols(file, SHT_DYNSYM, &ret->dynsym);
	if (debug)
		describe_symbols(debug->file, SHT_SYMTAB, &ret->debug_symtab);
	if (debugdata && debugdata->type != SHT_NOBITS)
		ret->debugdata_bytes = debugdata->size;
	ret->debugdata_err = view_embedded_err(view);
	describe_link(file, ret);
	describe_supplementary(debug && !has_dwarf(file) ? debug->file : file, ret);
}

void description_make(struct object_cache *cache, uint32_t object, struct message_description *ret)
{
	uint64_t symbols, index_bytes;
	struct view *view;

	*ret = (struct message_description){.object = object};
	ret->err = object_cache_parse(cache, object, &symbols, &index_bytes);
	view = object_cache_view(cache, object);
	if (!ret->err && !view)
		ret->err = -ENOENT;
	if (!ret->err)
		describe_names(view, ret);
	if (ret->err)
		*ret = (struct message_description){.object = object, .err = ret->err};
	else
		describe_files(view, ret);
}
