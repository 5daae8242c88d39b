/* SPDX-License-Identifier: Apache-2.0 */
/* Three views of one truth. The JSON object and the pairs for profile comments come from a single walk over the fields,
 * each with a dotted path ("lost.orphan"): the two cannot differ in name, order or value. The view for people is
 * prose and has its own order: what matters first. */
#include "cli/report.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/spell.h"
#include "cli/unnamed_report.h"
#include "cli/terminal.h"

#define MAX_FUNCTIONS 20
#define MAX_PROCESSES 10
#define MAX_ENDS 20
#define MAX_FILES 16

struct end_text {
	const char *name, *text;
	bool is_complete;
};

static const struct end_text ends[] = {
#define UNWIND_END(name, is_complete, text) {#name, text, is_complete},
#include "wire/unwind_end.def"
#undef UNWIND_END
};

static const char *const loss_names[] = {
#define LOSS(name, help) #name,
#include "wire/loss.def"
#undef LOSS
};

/* --- figures with names: JSON and pairs --- */

enum figure_type { FIGURE_COUNT, FIGURE_REAL, FIGURE_BOOL };

struct figure {
	enum figure_type type;
	uint64_t count; /* FIGURE_COUNT, FIGURE_BOOL */
	double real;
	int decimals;
};

typedef int figure_visit(void *ctx, const char *path, const struct figure *figure);

struct walk {
	figure_visit *visit;
	void *ctx;
	int err; /* the first; nothing is visited after it */
};

static void walk_figure(struct walk *walk, const char *path, const struct figure *figure)
{
	if (!walk->err)
		walk->err = walk->visit(walk->ctx, path, figure);
}

static void walk_count(struct walk *walk, const char *path, uint64_t count)
{
	walk_figure(walk, path, &(struct figure){.type = FIGURE_COUNT, .count = count});
}

static void walk_real(struct walk *walk, const char *path, double real, int decimals)
{
	walk_figure(walk, path, &(struct figure){.type = FIGURE_REAL, .real = real, .decimals = decimals});
}

/* "lost.orphan", "stacks.truncated.no_frame_pointer" */
static void walk_named_count(struct walk *walk, const char *parent, const char *name, uint64_t count)
{
	char path[96];
	size_t len = (size_t)snprintf(path, sizeof(path), "%s.", parent);

	for (; *name && len + 1 < sizeof(path); name++)
		path[len++] = (char)tolower((unsigned char)*name);
	path[len] = 0;
	walk_count(walk, path, count);
}

/* The documented object, in its order. */
static int truth_walk(const struct truth *truth, figure_visit *visit, void *ctx)
{
	const struct truth_memory *memory = &truth->memory_peak;
	struct walk walk = {visit, ctx, 0};

	walk_count(&walk, "taken", truth->taken);
	walk_count(&walk, "delivered", truth->delivered);
	for (size_t i = 0; i < LOSS_COUNT; i++)
		walk_named_count(&walk, "lost", loss_names[i], truth->lost[i]);
	walk_count(&walk, "stacks.complete", truth->stacks_complete);
	for (size_t i = 0; i < UNWIND_END_COUNT; i++)
		if (!ends[i].is_complete)
			walk_named_count(&walk, "stacks.truncated", ends[i].name, truth->stacks_by_end[i]);
	walk_count(&walk, "frames.named", truth->frames_named);
	walk_count(&walk, "frames.unnamed", truth->frames_unnamed);
	walk_real(&walk, "hz.wanted", truth->hz_wanted, 3);
	walk_real(&walk, "hz.achieved", truth->hz_achieved, 3);
	walk_real(&walk, "first_sample_ms", truth->first_sample_ms < 0 ? NAN : truth->first_sample_ms, 1);
	walk_real(&walk, "cost.cpu_seconds", truth->user_cpu_seconds, 6);
	walk_real(&walk, "cost.bpf_seconds", truth->bpf_seconds, 6);
	walk_count(&walk, "cost.peak_rss_bytes", truth_memory_sum(memory) - memory->bpf_bytes - memory->memfd_bytes);
	walk_count(&walk, "cost.bpf_map_bytes", truth->bpf_map_bytes);
	return walk.err;
}

/* What follows behind the files. Add at the end only. */
static int truth_walk_more(const struct truth *truth, figure_visit *visit, void *ctx)
{
	const struct truth_memory *memory = &truth->memory_peak;
	struct walk walk = {visit, ctx, 0};

	walk_real(&walk, "seconds", truth->seconds, 6);
	walk_count(&walk, "expected", truth->expected);
	walk_count(&walk, "ran", truth->ran);
	walk_real(&walk, "idle_share", truth->idle_share < 0 ? NAN : truth->idle_share, 4);
	walk_count(&walk, "self_samples", truth->self_samples);
	walk_figure(&walk, "bpf_is_estimated", &(struct figure){.type = FIGURE_BOOL, .count = truth->bpf_is_estimated});
	walk_count(&walk, "unwind.tables", truth->unwind.tables);
	walk_count(&walk, "unwind.tables_failed", truth->unwind.tables_failed);
	walk_count(&walk, "unwind.evictions", truth->unwind.evictions);
	walk_count(&walk, "unwind.rows", truth->unwind.rows);
	walk_count(&walk, "unwind.table_bytes", truth->unwind.table_bytes);
	walk_count(&walk, "unwind.copies", truth->unwind.copies);
	walk_count(&walk, "unwind.copies_refused", truth->unwind.copies_refused);
	walk_count(&walk, "unwind.walks", truth->unwind.walks);
	walk_count(&walk, "unwind.walks_given_up", truth->unwind.walks_given_up);
	walk_count(&walk, "memory_peak.bytes", truth_memory_sum(memory));
	walk_count(&walk, "memory_peak.limit_bytes", truth->memory_limit_bytes);
	walk_count(&walk, "memory_peak.collector_bytes", memory->collector_bytes);
	walk_count(&walk, "memory_peak.opener_bytes", memory->opener_bytes);
	walk_count(&walk, "memory_peak.resolver_bytes", memory->resolver_bytes);
	walk_count(&walk, "memory_peak.sender_bytes", memory->sender_bytes);
	walk_count(&walk, "memory_peak.bpf_bytes", memory->bpf_bytes);
	walk_count(&walk, "memory_peak.ring_bytes", memory->ring_bytes);
	walk_count(&walk, "memory_peak.memfd_bytes", memory->memfd_bytes);
	return walk.err;
}

static double figure_rounded(const struct figure *figure)
{
	double scale = pow(10, figure->decimals);

	return round(figure->real * scale) / scale;
}

static json_t *figure_to_json(const struct figure *figure)
{
	switch (figure->type) {
	case FIGURE_COUNT:
		return spell_json_count(figure->count);
	case FIGURE_REAL:
		return isfinite(figure->real) ? json_real(figure_rounded(figure)) : json_null();
	case FIGURE_BOOL:
		return json_boolean(figure->count != 0);
	}
	return NULL;
}

/* The object in `parent` under the first `len` bytes of `name`, made when it is not there. Borrowed, or NULL. */
static json_t *json_child(json_t *parent, const char *name, size_t len)
{
	char key[64];
	json_t *child;

	text_copy(key, len + 1 < sizeof(key) ? len + 1 : sizeof(key), name);
	child = json_object_get(parent, key);
	if (!child) {
		child = json_object();
		if (json_object_set_new(parent, key, child))
			return NULL;
	}
	return child;
}

static int add_to_json(void *ctx, const char *path, const struct figure *figure)
{
	json_t *parent = ctx;

	for (size_t len = strcspn(path, "."); path[len]; len = strcspn(path, ".")) {
		parent = json_child(parent, path, len);
		if (!parent)
			return -ENOMEM;
		path += len + 1;
	}
	return json_object_set_new(parent, path, figure_to_json(figure)) ? -ENOMEM : 0;
}

static int add_files(json_t *root, const struct report_file *files, size_t n_files)
{
	json_t *array = json_array();

	if (json_object_set_new(root, "files", array))
		return -ENOMEM;
	for (size_t i = 0; i < n_files; i++)
		if (json_array_append_new(array, json_pack("{s:o, s:o}", "path", spell_json_text(files[i].path),
							   "bytes", spell_json_count(files[i].bytes))))
			return -ENOMEM;
	return 0;
}

static json_t *end_name_to_json(uint32_t end)
{
	char name[64];
	size_t len = 0;

	for (; ends[end].name[len] && len + 1 < sizeof(name); len++)
		name[len] = (char)tolower((unsigned char)ends[end].name[len]);
	name[len] = 0;
	return json_string(name);
}

/* Where stacks end early, and whose they are, behind the figures of unwinding. */
static int add_truncated(json_t *root, const struct summary *summary)
{
	json_t *unwind = json_child(root, "unwind", strlen("unwind")), *by_object = json_array(),
	       *by_process = json_array();
	int err = json_object_set_new(unwind, "truncated_by_object", by_object);

	err |= json_object_set_new(unwind, "truncated_by_process", by_process);
	for (uint32_t i = 0; summary && !err && i < summary->n_ends; i++) {
		const struct summary_end *end = &summary->ends[i];

		err = json_array_append_new(
			by_object, json_pack("{s:o, s:o, s:o}", "module", spell_json_text(end->module), "reason",
					     end_name_to_json(end->end), "samples", spell_json_count(end->samples)));
	}
	for (uint32_t i = 0; summary && !err && i < summary->processes; i++) {
		const struct summary_row *row = &summary->rows[summary->functions + i];

		err = json_array_append_new(by_process, json_pack("{s:o, s:o, s:o}", "comm", spell_json_text(row->name),
								  "samples", spell_json_count(row->self), "truncated",
								  spell_json_count(row->truncated)));
	}
	return err ? -ENOMEM : 0;
}

int report_json(FILE *to, const struct summary *summary, const struct truth *truth, const struct report_file *files,
		size_t n_files)
{
	json_t *root = json_object();
	char *text = NULL;
	int err;

	if (!root)
		return -ENOMEM;
	err = truth_walk(truth, add_to_json, root);
	if (!err)
		err = add_files(root, files, n_files);
	if (!err)
		err = truth_walk_more(truth, add_to_json, root);
	if (!err)
		err = add_truncated(root, summary);
	if (!err)
		err = unnamed_report_json(json_child(root, "frames", strlen("frames")), summary);
	if (!err) {
		/* Values are rounded already; 15 digits print such a number without a tail. */
		text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(15));
		err = text ? 0 : -ENOMEM;
	}
	errno = 0;
	if (!err && (fprintf(to, "%s\n", text) < 0 || fflush(to)))
		err = errno ? -errno : -EIO;
	free(text);
	json_decref(root);
	return err;
}

struct pairs {
	void (*pair)(void *ctx, const char *key, const char *value);
	void *ctx;
};

/* `go tool pprof -top` prints all comments before its table: what is zero is left out, unless it is what the others are
 * parts of. */
static bool goes_without_saying(const char *path, const struct figure *figure)
{
	return figure->type == FIGURE_COUNT && !figure->count && strcmp(path, "taken") != 0 &&
	       strcmp(path, "delivered") != 0;
}

static int add_pair(void *ctx, const char *path, const struct figure *figure)
{
	const struct pairs *pairs = ctx;
	char value[48] = "null";

	if (goes_without_saying(path, figure))
		return 0;
	if (figure->type == FIGURE_COUNT)
		snprintf(value, sizeof(value), "%" PRIu64, figure->count);
	else if (figure->type == FIGURE_BOOL)
		text_copy(value, sizeof(value), figure->count ? "true" : "false");
	else if (isfinite(figure->real))
		snprintf(value, sizeof(value), "%.15g", figure_rounded(figure));
	pairs->pair(pairs->ctx, path, value);
	return 0;
}

void report_pairs(const struct truth *truth, void (*pair)(void *ctx, const char *key, const char *value), void *ctx)
{
	struct pairs pairs = {pair, ctx};

	truth_walk(truth, add_pair, &pairs);
	truth_walk_more(truth, add_pair, &pairs);
}

/* --- for people --- */

static const char *seconds_text(double seconds, char to[16])
{
	snprintf(to, 16, "%.*f s", seconds < 0.1 ? 3 : seconds < 10 ? 2 : 1, seconds);
	return to;
}

#define MODULE_MAX_WIDTH 24
#define FUNCTION_LEFT 21 /* columns before the name */

static void print_functions(const struct terminal *terminal, const struct summary *summary)
{
	const struct summary_row *rows = summary->rows;
	unsigned int n = summary->functions < MAX_FUNCTIONS ? summary->functions : MAX_FUNCTIONS;
	unsigned int name_width = 8, module_width = 6, left; /* of the titles */
	char self[16], total[16], title[TERMINAL_MAX_WIDTH + 16];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int columns = terminal_name_columns(rows[i].name),
			     module_columns = terminal_name_columns(rows[i].module);

		name_width = columns > name_width ? columns : name_width;
		module_width = module_columns > module_width ? module_columns : module_width;
	}
	module_width = module_width > MODULE_MAX_WIDTH ? MODULE_MAX_WIDTH : module_width;
	left = terminal->width - FUNCTION_LEFT - 2 - module_width;
	name_width = name_width > left ? left : name_width;
	snprintf(title, sizeof(title), "%8s  %8s   %-*s  %s", "self", "total", (int)name_width, "function", "module");
	terminal_title(terminal, title);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int columns;

		fprintf(terminal->to, "%8s  %8s   ",
			spell_percent((double)rows[i].self, (double)summary->samples, self),
			spell_percent((double)rows[i].total, (double)summary->samples, total));
		columns = terminal_name(terminal, rows[i].name, name_width);
		if (rows[i].module[0]) {
			fprintf(terminal->to, "%*s", (int)(name_width - columns + 2), "");
			terminal_colour(terminal, TERMINAL_DIM);
			terminal_name(terminal, rows[i].module, MODULE_MAX_WIDTH);
			terminal_colour(terminal, TERMINAL_OFF);
		}
		fputc('\n', terminal->to);
	}
}

static void print_processes(const struct terminal *terminal, const struct summary *summary)
{
	const struct summary_row *rows = summary->rows + summary->functions;
	unsigned int n = summary->processes < MAX_PROCESSES ? summary->processes : MAX_PROCESSES;
	char share[16];

	terminal_title(terminal, "   share   samples   process");
	for (unsigned int i = 0; i < n; i++) {
		fprintf(terminal->to, "%8s  %8" PRIu64 "   ",
			spell_percent((double)rows[i].self, (double)summary->samples, share), rows[i].self);
		terminal_name(terminal, rows[i].name, terminal->width - FUNCTION_LEFT);
		fputc('\n', terminal->to);
	}
}

void report_print_ends(FILE *to, const struct summary *summary)
{
	static const char heading[] = "stacks end early in";
	unsigned int n = summary->n_ends < MAX_ENDS ? summary->n_ends : MAX_ENDS, module_width = sizeof(heading) - 1;
	struct terminal terminal;
	char title[128], share[16];

	if (!n)
		return;
	terminal_init(&terminal, to);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int columns = terminal_name_columns(summary->ends[i].module);

		module_width = columns > module_width ? columns : module_width;
	}
	module_width = module_width > MODULE_MAX_WIDTH ? MODULE_MAX_WIDTH : module_width;
	fputc('\n', to);
	snprintf(title, sizeof(title), "   share   samples   %-*s  because", (int)module_width, heading);
	terminal_title(&terminal, title);
	for (unsigned int i = 0; i < n; i++) {
		const struct summary_end *end = &summary->ends[i];
		unsigned int columns;

		fprintf(to, "%8s  %8" PRIu64 "   ",
			spell_percent((double)end->samples, (double)summary->samples, share), end->samples);
		columns = terminal_name(&terminal, end->module, module_width);
		fprintf(to, "%*s", (int)(module_width - columns + 2), "");
		terminal_name(&terminal, ends[end->end].text, terminal.width - FUNCTION_LEFT - module_width - 2);
		fputc('\n', to);
	}
	fflush(to);
}

/* Words that are wrapped at the width; a piece is not broken. */
struct paragraph {
	const struct terminal *terminal;
	unsigned int column;
};

static void paragraph_add(struct paragraph *paragraph, const char *colour, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void paragraph_add(struct paragraph *paragraph, const char *colour, const char *format, ...)
{
	const struct terminal *terminal = paragraph->terminal;
	char piece[128];
	unsigned int columns;
	va_list args;

	va_start(args, format);
	vsnprintf(piece, sizeof(piece), format, args);
	va_end(args);
	columns = terminal_columns(piece);
	if (paragraph->column && paragraph->column + 1 + columns > terminal->width) {
		fputs("\n  ", terminal->to);
		paragraph->column = 2;
	} else if (paragraph->column) {
		fputc(' ', terminal->to);
		paragraph->column++;
	}
	if (colour)
		terminal_colour(terminal, colour);
	fputs(piece, terminal->to);
	if (colour)
		terminal_colour(terminal, TERMINAL_OFF);
	paragraph->column += columns;
}

static void add_losses(struct paragraph *paragraph, const struct truth *truth)
{
	uint64_t lost = 0, left, told = 0;

	for (size_t i = 0; i < LOSS_COUNT; i++)
		lost += truth->lost[i];
	if (!lost)
		paragraph_add(paragraph, NULL, "0 lost;");
	else
		paragraph_add(paragraph, TERMINAL_ALARM, "%" PRIu64 " lost", lost);
	for (size_t i = 0; i < LOSS_COUNT; i++) {
		if (!truth->lost[i])
			continue;
		left = lost - told - truth->lost[i];
		paragraph_add(paragraph, NULL, "%s%s %" PRIu64 "%s", told ? "" : "(", loss_names[i], truth->lost[i],
			      left ? "," : ");");
		told += truth->lost[i];
	}
	/* Each sample is delivered or counted as lost; a difference would be a fault of ours, so it is told. */
	if (truth->taken != truth->delivered + lost)
		paragraph_add(paragraph, TERMINAL_ALARM, "%" PRId64 " NOT ACCOUNTED FOR;",
			      (int64_t)(truth->taken - truth->delivered - lost));
}

static void add_stacks(struct paragraph *paragraph, const struct truth *truth)
{
	bool is_told[UNWIND_END_COUNT] = {false};
	uint64_t truncated = 0, all, left;
	char share[16];

	for (size_t i = 0; i < UNWIND_END_COUNT; i++)
		truncated += ends[i].is_complete ? 0 : truth->stacks_by_end[i];
	all = truth->stacks_complete + truncated;
	if (!all)
		return;
	paragraph_add(paragraph, NULL, "stacks: %s complete%s",
		      spell_percent((double)truth->stacks_complete, (double)all, share), truncated ? "," : ";");
	if (truncated)
		paragraph_add(paragraph, NULL, "%s truncated", spell_percent((double)truncated, (double)all, share));
	for (left = truncated; left;) {
		size_t most = UNWIND_END_COUNT;

		for (size_t i = 0; i < UNWIND_END_COUNT; i++)
			if (!ends[i].is_complete && !is_told[i] && truth->stacks_by_end[i] &&
			    (most == UNWIND_END_COUNT || truth->stacks_by_end[i] > truth->stacks_by_end[most]))
				most = i;
		paragraph_add(paragraph, NULL, "%s%s %s%s", left == truncated ? "(" : "", ends[most].text,
			      spell_percent((double)truth->stacks_by_end[most], (double)all, share),
			      left > truth->stacks_by_end[most] ? "," : ");");
		is_told[most] = true;
		left -= truth->stacks_by_end[most];
	}
}

static void add_cost(struct paragraph *paragraph, const struct truth *truth)
{
	double cost = truth->user_cpu_seconds + truth->bpf_seconds;
	double capacity = truth->hz_wanted > 0 ? (double)truth->expected / truth->hz_wanted : 0;
	char text[16], limit[16];

	if (capacity > 0)
		paragraph_add(paragraph, NULL, "cost %.2f %% of the CPU time", 100 * cost / capacity);
	else
		paragraph_add(paragraph, NULL, "cost");
	paragraph_add(paragraph, NULL, "(processes %s,", seconds_text(truth->user_cpu_seconds, text));
	paragraph_add(paragraph, NULL, "BPF %s%s),", seconds_text(truth->bpf_seconds, text),
		      truth->bpf_is_estimated ? " estimated" : "");
	paragraph_add(paragraph, NULL, "memory %s of %s;", spell_bytes(truth_memory_sum(&truth->memory_peak), text),
		      spell_bytes(truth->memory_limit_bytes, limit));
}

static void print_truth(const struct terminal *terminal, const struct truth *truth)
{
	struct paragraph paragraph = {terminal, 0};
	uint64_t frames = truth->frames_named + truth->frames_unnamed;
	char text[16];

	paragraph_add(&paragraph, TERMINAL_BOLD, "%" PRIu64 " samples taken", truth->taken);
	paragraph_add(&paragraph, NULL, "in %.1f s,", truth->seconds);
	paragraph_add(&paragraph, NULL, "%" PRIu64 " delivered,", truth->delivered);
	add_losses(&paragraph, truth);
	add_stacks(&paragraph, truth);
	if (frames)
		paragraph_add(&paragraph, NULL, "frames named %s;",
			      spell_percent((double)truth->frames_named, (double)frames, text));
	if (truth->taken && isfinite(truth->hz_achieved)) {
		paragraph_add(&paragraph, NULL, "%.10g Hz wanted,", truth->hz_wanted);
		paragraph_add(&paragraph, NULL, "%.1f achieved;", truth->hz_achieved);
	}
	if (truth->idle_share >= 0)
		paragraph_add(&paragraph, NULL, "idle %.0f %% (derived);", 100 * truth->idle_share);
	add_cost(&paragraph, truth);
	if (truth->first_sample_ms >= 0)
		paragraph_add(&paragraph, NULL, "first sample after %.0f ms", truth->first_sample_ms);
	else
		paragraph_add(&paragraph, NULL, "no sample came");
	fputc('\n', terminal->to);
}

static bool ends_with(const char *path, const char *suffix)
{
	size_t len = strlen(path), n = strlen(suffix);

	return len >= n && !strcmp(path + len - n, suffix);
}

static bool is_pprof(const char *path)
{
	return ends_with(path, ".pb.gz") || ends_with(path, ".pb") || ends_with(path, ".pprof");
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The files of the whole run; the others of a directory are one process each, and may be hundreds. */
static bool is_main_file(const char *path)
{
	return !strcmp(base_name(path), "all.pb.gz") || !is_pprof(path);
}

static void print_file(const struct terminal *terminal, const struct report_file *file)
{
	auto_free char *path = spell_name(file->path);
	char size[16];

	fprintf(terminal->to, "%10s  %s\n", spell_bytes(file->bytes, size), path ? path : "");
}

/* The argument as a shell reads it back. */
static void print_shell_word(FILE *to, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/+-=@%,:";

	if (*word && *word != '-' && !word[strspn(word, plain)]) {
		fputs(word, to);
		return;
	}
	fputs(*word == '-' ? "'./" : "'", to);
	for (; *word; word++)
		fprintf(to, *word == '\'' ? "'\\%c'" : "%c", *word);
	fputc('\'', to);
}

static void print_files(const struct terminal *terminal, const struct report_file *files, size_t n_files)
{
	const char *profile = NULL;
	uint64_t more_bytes = 0;
	size_t told = 0;
	char size[16];

	if (!n_files)
		return;
	terminal_title(terminal, "Written:");
	for (int is_second = 0; is_second < 2; is_second++) {
		for (size_t i = 0; i < n_files; i++) {
			if (is_main_file(files[i].path) == is_second)
				continue;
			if (told < MAX_FILES) {
				print_file(terminal, &files[i]);
				told++;
			} else {
				more_bytes += files[i].bytes;
			}
		}
	}
	if (told < n_files)
		fprintf(terminal->to, "%10s  in %zu more\n", spell_bytes(more_bytes, size), n_files - told);
	for (size_t i = 0; i < n_files; i++)
		if (is_pprof(files[i].path) && (!profile || !strcmp(base_name(files[i].path), "all.pb.gz")))
			profile = files[i].path;
	if (profile) {
		auto_free char *path = spell_name(profile);

		fputs("go tool pprof -http=: ", terminal->to);
		print_shell_word(terminal->to, path ? path : "");
		fputc('\n', terminal->to);
	}
}

void report_print(FILE *to, const struct summary *summary, const struct truth *truth, const struct report_file *files,
		  size_t n_files)
{
	struct terminal terminal;

	terminal_init(&terminal, to);
	if (summary && summary->functions) {
		print_functions(&terminal, summary);
		fputc('\n', to);
	}
	if (summary && summary->processes) {
		print_processes(&terminal, summary);
		fputc('\n', to);
	}
	print_truth(&terminal, truth);
	print_files(&terminal, files, n_files);
	fflush(to);
}
