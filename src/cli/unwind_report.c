/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/unwind_report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/spell.h"
#include "table/row_store.h"

#define MAX_RULES (1u << 20)
#define MILLISECONDS(ns) ((double)(ns) / 1e6)

void unwind_report_init(struct unwind_report *report, const char *path)
{
	*report = (struct unwind_report){.path = path};
	map_init(&report->rules, sizeof(struct unwind_rule), 0, MAX_RULES);
}

void unwind_report_release(struct unwind_report *report)
{
	map_release(&report->rules);
}

static void add_gap(struct unwind_report *report, const struct message_gap *gap)
{
	uint32_t at = report->n_gaps;

	while (at && report->gaps[at - 1].bytes < gap->bytes)
		at--;
	if (at == MESSAGE_MAX_GAPS)
		return;
	if (report->n_gaps < MESSAGE_MAX_GAPS)
		report->n_gaps++;
	for (uint32_t i = report->n_gaps - 1; i > at; i--)
		report->gaps[i] = report->gaps[i - 1];
	report->gaps[at] = *gap;
}

/* All tables of a file have one directory. */
static uint64_t published_bytes(const struct unwind_report *report, const struct unwind_table *table)
{
	struct unwind_table directory = {.head = table->head};

	directory.head.n_pages = 0;
	return row_store_table_bytes(table) - (report->tables ? row_store_table_bytes(&directory) : 0);
}

static int add_table(struct unwind_report *report, const struct unwind_table *table)
{
	void *nothing;
	int err = 0;

	for (uint32_t i = 0; i < table->head.n_rules && !err; i++)
		err = map_insert(&report->rules, &table->rules[i], &nothing, NULL);
	if (err)
		return -ENOMEM;
	report->table_bytes += published_bytes(report, table);
	report->machine = table->head.machine;
	report->tables++;
	return 0;
}

int unwind_report_add(struct unwind_report *report, const struct message_table *message,
		      const struct unwind_table *table)
{
	int err = table ? add_table(report, table) : 0;

	if (err)
		return err;
	report->build_id_len = message->build_id_len;
	memcpy(report->build_id, message->build_id, sizeof(report->build_id));
	report->code += message->code;
	report->eh_frame += message->eh_frame;
	report->debug_frame += message->debug_frame;
	report->go += message->go;
	report->scanned += message->scanned;
	report->none += message->none;
	report->unsupported += message->unsupported;
	report->bad_entries += message->bad_entries;
	report->rows_given += message->rows_given;
	report->rows_merged += message->rows_merged;
	report->rows_written += message->rows_written;
	report->cpu_ns += message->cpu_ns;
	for (uint32_t i = 0; i < message->n_gaps; i++)
		add_gap(report, &message->gaps[i]);
	return 0;
}

/* --- views -------------------------------------------------------------------------------------------------------- */

static double bytes_per_row(const struct unwind_report *report)
{
	return report->rows_merged ? (double)report->table_bytes / (double)report->rows_merged : NAN;
}

static void print_source(FILE *to, const struct unwind_report *report, const char *name, uint64_t bytes)
{
	char share[16];

	fprintf(to, "  %-14s  %10" PRIu64 " bytes  %7s\n", name, bytes,
		spell_percent((double)bytes, (double)report->code, share));
}

/* One that is there. */
static void print_used(FILE *to, const struct unwind_report *report, const char *name, uint64_t bytes)
{
	if (bytes)
		print_source(to, report, name, bytes);
}

static void print_table(FILE *to, const struct unwind_report *report)
{
	char bytes[16];

	fprintf(to, "  %-14s  %" PRIu64 " given, %" PRIu64 " merged, %" PRIu64 " written; %zu rules\n", "rows",
		report->rows_given, report->rows_merged, report->rows_written, report->rules.len);
	fprintf(to, "  %-14s  %s, %.1f bytes a merged row; made in %.1f ms", "published",
		spell_bytes(report->table_bytes, bytes), bytes_per_row(report), MILLISECONDS(report->cpu_ns));
	if (report->tables > 1)
		fprintf(to, ", in %u windows", report->tables);
	fputc('\n', to);
}

void unwind_report_print(FILE *to, const struct unwind_report *report)
{
	auto_free char *path = spell_name(report->path);
	const char *machine = spell_machine(report->machine);
	char id[2 * DEBUG_ID_MAX + 1];

	fprintf(to, "%s\n", path ? path : "");
	fprintf(to, "  %-14s  %s\n", "build id",
		report->build_id_len ? spell_hex(report->build_id, report->build_id_len, id, sizeof(id)) : "none");
	if (machine)
		fprintf(to, "  %-14s  %s\n", "machine", machine);
	if (report->debug_path)
		fprintf(to, "  %-14s  %s\n", "debug file", report->debug_path);
	print_source(to, report, "code", report->code);
	print_source(to, report, ".eh_frame", report->eh_frame);
	print_source(to, report, ".debug_frame", report->debug_frame);
	print_source(to, report, "Go's tables", report->go);
	print_source(to, report, "code scanned", report->scanned);
	print_source(to, report, "no rule", report->none);
	print_source(to, report, "not supported", report->unsupported);
	fprintf(to, "  %-14s  %10" PRIu64 "\n", "bad entries", report->bad_entries);
	if (report->tables)
		print_table(to, report);
	for (uint32_t i = 0; i < report->n_gaps; i++)
		fprintf(to,
			"  %-14s  %10" PRIu64 " bytes  0x%" PRIx64 "-0x%" PRIx64 " (in the file at 0x%" PRIx64 ")\n",
			i ? "" : "largest gaps", report->gaps[i].bytes, report->gaps[i].elf_va,
			report->gaps[i].elf_va + report->gaps[i].bytes, report->gaps[i].file_off);
}

void unwind_report_print_short(FILE *to, const struct unwind_report *report)
{
	print_used(to, report, ".eh_frame", report->eh_frame);
	print_used(to, report, ".debug_frame", report->debug_frame);
	print_used(to, report, "Go's tables", report->go);
	print_used(to, report, "code scanned", report->scanned);
	print_used(to, report, "no rule", report->none);
	print_used(to, report, "not supported", report->unsupported);
	if (report->tables)
		print_table(to, report);
}

static json_t *gaps_to_json(const struct unwind_report *report)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < report->n_gaps; i++)
		if (json_array_append_new(array, json_pack("{s:o, s:o, s:o}", "address",
							   spell_json_count(report->gaps[i].elf_va), "file_offset",
							   spell_json_count(report->gaps[i].file_off), "bytes",
							   spell_json_count(report->gaps[i].bytes)))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *coverage_to_json(const struct unwind_report *report)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "eh_frame", spell_json_count(report->eh_frame),
			 "debug_frame", spell_json_count(report->debug_frame), "go", spell_json_count(report->go),
			 "scanned", spell_json_count(report->scanned), "none", spell_json_count(report->none),
			 "unsupported", spell_json_count(report->unsupported));
}

static json_t *rows_to_json(const struct unwind_report *report)
{
	return json_pack("{s:o, s:o, s:o}", "given", spell_json_count(report->rows_given), "merged",
			 spell_json_count(report->rows_merged), "written", spell_json_count(report->rows_written));
}

json_t *unwind_report_to_json(const struct unwind_report *report)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o}", "code", spell_json_count(report->code),
			 "coverage", coverage_to_json(report), "bad_entries", spell_json_count(report->bad_entries),
			 "rows", rows_to_json(report), "rules", spell_json_count(report->rules.len), "tables",
			 spell_json_count(report->tables), "table_bytes", spell_json_count(report->table_bytes),
			 "seconds", round(MILLISECONDS(report->cpu_ns) * 1000) / 1e6, "gaps", gaps_to_json(report));
}

int unwind_report_json(FILE *to, const struct unwind_report *report)
{
	char id[2 * DEBUG_ID_MAX + 1];
	json_t *root = json_pack("{s:o, s:s, s:s?, s:s?}", "path", spell_json_text(report->path), "build_id",
				 spell_hex(report->build_id, report->build_id_len, id, sizeof(id)), "machine",
				 spell_machine(report->machine), "debug_file", report->debug_path);
	json_t *rest = unwind_report_to_json(report);
	int err = root && rest && !json_object_update(root, rest) ? 0 : -ENOMEM;

	if (!err)
		err = spell_json_line(to, root);
	json_decref(root);
	json_decref(rest);
	return err;
}
