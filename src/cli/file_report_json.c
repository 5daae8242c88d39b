/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>

#include "base/err.h"
#include "cli/spell.h"
#include "cli/unwind_report.h"
#include "file_report_internal.h"

static json_t *symbols_to_json(const struct message_symbols *symbols)
{
	if (!symbols->is_there)
		return json_null();
	return json_pack("{s:o, s:o}", "symbols", spell_json_count(symbols->symbols), "functions",
			 spell_json_count(symbols->functions));
}

/* "" is null. */
static json_t *text_or_null(const char *text)
{
	return *text ? spell_json_text(text) : json_null();
}

static json_t *err_to_json(int err)
{
	return err ? json_string(err_name(err)) : json_null();
}

static json_t *debugdata_to_json(const struct message_description *description)
{
	if (!description->debugdata_bytes)
		return json_null();
	return json_pack("{s:o, s:o}", "bytes", spell_json_count(description->debugdata_bytes), "error",
			 err_to_json(description->debugdata_err));
}

static json_t *go_to_json(const struct message_description *description)
{
	char since[16];

	if (!description->go_since)
		return json_null();
	snprintf(since, sizeof(since), "1.%" PRIu32, description->go_since);
	return json_pack("{s:o, s:s}", "functions", spell_json_count(description->go_functions), "since", since);
}

static json_t *dwarf_to_json(const struct message_description *description)
{
	json_t *versions;

	if (!description->dwarf_units)
		return json_null();
	versions = json_array();
	for (uint32_t version = 0; version < 32; version++)
		if (description->dwarf_versions >> version & 1)
			json_array_append_new(versions, json_integer(version));
	return json_pack("{s:o, s:o, s:o, s:s}", "versions", versions, "units",
			 spell_json_count(description->dwarf_units), "split_units",
			 spell_json_count(description->dwarf_split), "in",
			 description->dwarf_is_debug ? "debug file" : "file");
}

/* The search for a file of the kind; null: there was none. */
static json_t *search_to_json(const struct file_report *report, enum source_kind kind, const char *path)
{
	const struct message_source *source = file_report_source(report, kind);

	if (!source)
		return json_null();
	return json_pack("{s:o, s:o}", "path", source->err ? json_null() : text_or_null(path), "error",
			 err_to_json(source->err));
}

static json_t *link_to_json(const struct message_description *description)
{
	char crc[16];

	if (!*description->link_name)
		return json_null();
	snprintf(crc, sizeof(crc), "%08" PRIx32, description->link_crc);
	return json_pack("{s:o, s:s}", "name", spell_json_text(description->link_name), "crc", crc);
}

static json_t *supplementary_to_json(const struct file_report *report)
{
	const struct message_description *description = report->description;
	char id[2 * DEBUG_ID_MAX + 1];

	if (!description->supplementary_id_len)
		return json_null();
	return json_pack("{s:o, s:s, s:o}", "name", spell_json_text(description->supplementary_name), "build_id",
			 spell_hex(description->supplementary_id, description->supplementary_id_len, id, sizeof(id)),
			 "search", search_to_json(report, SOURCE_SUPPLEMENTARY, report->supplementary_path));
}

static json_t *names_to_json(const struct message_description *description)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "functions", spell_json_count(description->functions), "code",
			 spell_json_count(description->code), "named", spell_json_count(description->named),
			 "with_lines", spell_json_count(description->with_lines));
}

static json_t *advice_to_json(const struct file_report *report)
{
	struct file_report_advice advice = {.n = 0};
	json_t *array = json_array();

	file_report_find_advice(report, &advice);
	for (size_t i = 0; i < advice.n; i++)
		json_array_append_new(array, json_string(advice.texts[i]));
	return array;
}

int file_report_json(FILE *to, const struct file_report *report)
{
	const struct message_description *description = report->description;
	char id[2 * DEBUG_ID_MAX + 1], machine[32];
	json_t *root = json_pack(
		"{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "path",
		spell_json_text(report->path), "type", file_report_type(report), "machine",
		file_report_machine(report, machine, sizeof(machine)), "build_id",
		text_or_null(spell_hex(description->build_id, description->build_id_len, id, sizeof(id))), "symtab",
		symbols_to_json(&description->symtab), "dynsym", symbols_to_json(&description->dynsym), "debugdata",
		debugdata_to_json(description), "go", go_to_json(description), "dwarf", dwarf_to_json(description),
		"debug_link", link_to_json(description), "debug_by_build_id",
		search_to_json(report, SOURCE_BUILD_ID, report->debug_path), "debug_by_link",
		search_to_json(report, SOURCE_LINK, report->debug_path), "debug_by_server",
		search_to_json(report, SOURCE_SERVER, report->debug_path), "supplementary",
		supplementary_to_json(report), "names", names_to_json(description), "unwind",
		report->unwind_err ? json_null() : unwind_report_to_json(report->unwind), "advice",
		advice_to_json(report));
	int err = root ? spell_json_line(to, root) : -ENOMEM;

	json_decref(root);
	return err;
}
