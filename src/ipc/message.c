/* SPDX-License-Identifier: Apache-2.0 */
/* One row a message type: how long the fixed part is, where it says how long the text behind it is, what text may be
 * there, whether a descriptor travels along, and a function for what only this type knows. A payload may lie anywhere
 * (a buffer of the sender, of a fuzzer), so the fixed part is copied before it is looked at. */
#include "ipc/message.h"

#include <errno.h>
#include <string.h>

#include "base/demangle_mode.h"
#include "base/cursor.h"
#include "ipc/channel.h"

#define MESSAGE_MAX_NAME 255	   /* NAME_MAX: one file name component */
#define MESSAGE_MAX_PID (1u << 22) /* PID_MAX_LIMIT of the kernel */
#define MESSAGE_MAX_ERRNO 4095	   /* MAX_ERRNO of the kernel */

enum fd_rule {
	FD_NONE,
	FD_REQUIRED,
	FD_AS_CONTENT_SAYS /* `needs_fd` answers */
};

enum text_rule {
	TEXT_NONE,
	TEXT_PATH,	    /* 1 … MESSAGE_MAX_PATH bytes without NUL */
	TEXT_OPTIONAL_PATH, /* or none */
	TEXT_COMPONENT,	    /* empty, or one file name component of any bytes */
	TEXT_NAME,	    /* empty, or one file name component of harmless bytes */
	TEXT_OF_MAPPINGS    /* the mappings, then their paths */
};

/* Large enough for each fixed part, aligned as the strictest. */
union fixed_part {
	uint64_t alignment;
	struct message_start start;
	struct message_ready ready;
	struct message_pong pong;
	struct message_scan scan;
	struct message_process process;
	struct message_mappings mappings;
	struct message_scan_done scan_done;
	struct message_hold_root hold_root;
	struct message_open_object open_object;
	struct message_open_perf_map open_perf_map;
	struct message_object_opened object_opened;
	struct message_kernel_symbols kernel_symbols;
	struct message_output_prepare output_prepare;
	struct message_output_result output_result;
	struct message_output_write output_write;
	struct message_object object;
	struct message_parsing parsing;
	struct message_parsed parsed;
	struct message_batch batch;
	struct message_output output;
	struct message_summary summary;
	struct message_batch_done batch_done;
	struct message_make_table make_table;
	struct message_table table;
	struct message_name_addresses name_addresses;
	struct message_addresses_named addresses_named;
	struct message_debug_directory debug_directory;
	struct message_debug_directory_opened debug_directory_opened;
	struct message_open_debug open_debug;
	struct message_debug_opened debug_opened;
	struct message_want_debug want_debug;
	struct message_sources sources;
	struct message_describe describe;
	struct message_description description;
	struct message_profile_files profile_files;
	struct message_symbolized symbolized;
	struct message_keep_debug keep_debug;
	struct message_debug_kept debug_kept;
	struct message_debug_server debug_server;
	struct message_fetch_debug fetch_debug;
	struct message_fetch_progress fetch_progress;
	struct message_debug_fetched debug_fetched;
};

struct layout {
	const char *name;
	uint32_t fixed;	    /* bytes */
	uint32_t length_at; /* offset of the text's length in the fixed part */
	uint8_t fd_rule;    /* enum fd_rule */
	uint8_t text_rule;  /* enum text_rule */
	bool (*is_right)(const union fixed_part *part);
	bool (*needs_fd)(const union fixed_part *part);
};

static bool is_err(int32_t err)
{
	return err <= 0 && err >= -MESSAGE_MAX_ERRNO;
}

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, 0, size);
}

static bool ready_is_right(const union fixed_part *part)
{
	return is_terminated(part->ready.capabilities, sizeof(part->ready.capabilities));
}

static bool start_is_right(const union fixed_part *part)
{
	return part->start.demangle < DEMANGLE_MODE_COUNT && part->start.has_servers <= 1;
}

static bool scan_is_right(const union fixed_part *part)
{
	return part->scan.tgid <= MESSAGE_MAX_PID;
}

static bool process_is_right(const union fixed_part *part)
{
	return part->process.tgid && part->process.tgid <= MESSAGE_MAX_PID &&
	       is_terminated(part->process.comm, sizeof(part->process.comm));
}

static bool mappings_is_right(const union fixed_part *part)
{
	return part->mappings.tgid && part->mappings.tgid <= MESSAGE_MAX_PID && part->mappings.is_last <= 1;
}

static bool scan_done_is_right(const union fixed_part *part)
{
	return part->scan_done.tgid <= MESSAGE_MAX_PID;
}

static bool hold_root_is_right(const union fixed_part *part)
{
	return part->hold_root.tgid && part->hold_root.tgid <= MESSAGE_MAX_PID;
}

static bool candidates_are_right(const struct message_candidate *candidates, uint32_t n)
{
	if (n > OPEN_CANDIDATES)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!candidates[i].tgid || candidates[i].tgid > MESSAGE_MAX_PID)
			return false;
		if (candidates[i].map_start > candidates[i].map_limit)
			return false;
	}
	return true;
}

static bool open_object_is_right(const union fixed_part *part)
{
	return candidates_are_right(part->open_object.candidate, part->open_object.candidates);
}

static bool open_perf_map_is_right(const union fixed_part *part)
{
	return part->open_perf_map.tgid && part->open_perf_map.tgid <= MESSAGE_MAX_PID &&
	       part->open_perf_map.inner_tgid <= MESSAGE_MAX_PID;
}

static bool object_opened_is_right(const union fixed_part *part)
{
	return is_err(part->object_opened.err);
}

static bool object_opened_needs_fd(const union fixed_part *part)
{
	return !part->object_opened.err;
}

static bool kernel_symbols_is_right(const union fixed_part *part)
{
	return is_err(part->kernel_symbols.err) && part->kernel_symbols.is_restricted <= 1;
}

static bool kernel_symbols_needs_fd(const union fixed_part *part)
{
	return !part->kernel_symbols.err;
}

static bool output_prepare_is_right(const union fixed_part *part)
{
	return part->output_prepare.place <= OUTPUT_DIRECTORY &&
	       !(part->output_prepare.flags & ~(OUTPUT_FORCE | OUTPUT_AGAIN));
}

static bool output_result_is_right(const union fixed_part *part)
{
	return is_err(part->output_result.err);
}

static bool object_is_right(const union fixed_part *part)
{
	return part->object.kind < OBJECT_KIND_COUNT && part->object.build_id_len <= BUILD_ID_MAX &&
	       !(part->object.flags & ~(OBJECT_QUARANTINED | OBJECT_DELETED | OBJECT_LONE)) && is_err(part->object.err);
}

static bool object_needs_fd(const union fixed_part *part)
{
	bool is_file = part->object.kind == OBJECT_FILE || part->object.kind == OBJECT_PERF_MAP ||
		       part->object.kind == OBJECT_JITDUMP;

	return !part->object.err && is_file && !(part->object.flags & OBJECT_QUARANTINED);
}

static bool parsing_is_right(const union fixed_part *part)
{
	return part->parsing.is_debug <= 1;
}

static bool parsed_is_right(const union fixed_part *part)
{
	return is_err(part->parsed.err) && is_err(part->parsed.embedded_err);
}

static bool batch_done_is_right(const union fixed_part *part)
{
	return is_err(part->batch_done.err);
}

static bool table_is_right(const union fixed_part *part)
{
	return is_err(part->table.err) && part->table.awaits_debug <= 1 && part->table.build_id_len <= DEBUG_ID_MAX &&
	       part->table.is_whole <= 1 && part->table.n_gaps <= MESSAGE_MAX_GAPS;
}

static bool table_needs_fd(const union fixed_part *part)
{
	return !part->table.err && !part->table.same_as;
}

static bool addresses_named_is_right(const union fixed_part *part)
{
	return is_err(part->addresses_named.err);
}

static bool addresses_named_needs_fd(const union fixed_part *part)
{
	return !part->addresses_named.err;
}

static bool debug_directory_is_right(const union fixed_part *part)
{
	return part->debug_directory.index <= DEBUG_CACHE_DIRECTORY;
}

static bool debug_directory_opened_is_right(const union fixed_part *part)
{
	return part->debug_directory_opened.index <= DEBUG_CACHE_DIRECTORY && is_err(part->debug_directory_opened.err);
}

/* What it is asked for by: an id, or a name. */
static bool is_debug_request(uint32_t kind, uint32_t id_len, bool has_name)
{
	switch (kind) {
	case DEBUG_BUILD_ID:
	case DEBUG_REMOTE:
		return id_len >= DEBUG_ID_MIN && id_len <= DEBUG_ID_MAX && !has_name;
	case DEBUG_SUPPLEMENTARY:
		return id_len >= DEBUG_ID_MIN && id_len <= DEBUG_ID_MAX && has_name;
	case DEBUG_LINK:
	case DEBUG_SPLIT:
		return !id_len && has_name;
	case DEBUG_TEMPORARY:
		return !id_len && !has_name;
	default:
		return false;
	}
}

static bool open_debug_is_right(const union fixed_part *part)
{
	const struct message_open_debug *request = &part->open_debug;

	return request->kind < DEBUG_KINDS && request->id_len <= DEBUG_ID_MAX &&
	       candidates_are_right(request->candidate, request->candidates);
}

static bool debug_opened_is_right(const union fixed_part *part)
{
	return is_err(part->debug_opened.err) && part->debug_opened.origin < DEBUG_ORIGINS;
}

static bool debug_opened_needs_fd(const union fixed_part *part)
{
	return !part->debug_opened.err;
}

static bool want_debug_is_right(const union fixed_part *part)
{
	const struct message_want_debug *request = &part->want_debug;

	return request->request && is_debug_request(request->kind, request->id_len, request->name_len);
}

static bool sources_is_right(const union fixed_part *part)
{
	const struct message_sources *sources = &part->sources;

	if (sources->is_table_stale > 1 || sources->n > MESSAGE_MAX_SOURCES)
		return false;
	for (uint32_t i = 0; i < sources->n; i++) {
		const struct message_source *source = &sources->sources[i];

		if (source->kind >= SOURCE_KINDS || !is_err(source->err) || source->origin >= DEBUG_ORIGINS)
			return false;
	}
	return true;
}

static bool description_is_right(const union fixed_part *part)
{
	const struct message_description *description = &part->description;

	return is_err(description->err) && is_err(description->debugdata_err) && description->is_pie <= 1 &&
	       description->symtab.is_there <= 1 && description->dynsym.is_there <= 1 &&
	       description->debug_symtab.is_there <= 1 && description->dwarf_is_debug <= 1 &&
	       description->build_id_len <= DEBUG_ID_MAX && description->supplementary_id_len <= DEBUG_ID_MAX &&
	       is_terminated(description->link_name, sizeof(description->link_name)) &&
	       is_terminated(description->supplementary_name, sizeof(description->supplementary_name));
}

static bool profile_files_is_right(const union fixed_part *part)
{
	return is_err(part->profile_files.err);
}

static bool profile_files_needs_fd(const union fixed_part *part)
{
	return !part->profile_files.err;
}

static bool symbolized_is_right(const union fixed_part *part)
{
	return is_err(part->symbolized.err);
}

static bool symbolized_needs_fd(const union fixed_part *part)
{
	return !part->symbolized.err;
}

static bool is_debug_id(uint32_t len)
{
	return len >= DEBUG_ID_MIN && len <= DEBUG_ID_MAX;
}

static bool keep_debug_is_right(const union fixed_part *part)
{
	return is_debug_id(part->keep_debug.id_len);
}

static bool debug_kept_is_right(const union fixed_part *part)
{
	return is_err(part->debug_kept.err);
}

static bool fetch_debug_is_right(const union fixed_part *part)
{
	return is_debug_id(part->fetch_debug.id_len) && part->fetch_debug.server < DEBUG_MAX_SERVERS;
}

static bool fetch_progress_is_right(const union fixed_part *part)
{
	return part->fetch_progress.server < DEBUG_MAX_SERVERS;
}

static bool debug_fetched_is_right(const union fixed_part *part)
{
	return is_err(part->debug_fetched.err) && part->debug_fetched.server < DEBUG_MAX_SERVERS;
}

#define WITH_TEXT(rule, type, field) .text_rule = (rule), .length_at = offsetof(type, field)

static const struct layout layouts[MESSAGE_TYPE_COUNT] = {
	[MESSAGE_START] = {.name = "START", .fixed = sizeof(struct message_start), .is_right = start_is_right},
	[MESSAGE_READY] = {.name = "READY", .fixed = sizeof(struct message_ready), .is_right = ready_is_right},
	[MESSAGE_PING] = {.name = "PING"},
	[MESSAGE_PONG] = {.name = "PONG", .fixed = sizeof(struct message_pong)},
	[MESSAGE_SCAN] = {.name = "SCAN", .fixed = sizeof(struct message_scan), .is_right = scan_is_right},
	[MESSAGE_PROCESS] = {.name = "PROCESS",
			     .fixed = sizeof(struct message_process),
			     WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_process, cgroup_len),
			     .is_right = process_is_right},
	[MESSAGE_MAPPINGS] = {.name = "MAPPINGS",
			      .fixed = sizeof(struct message_mappings),
			      WITH_TEXT(TEXT_OF_MAPPINGS, struct message_mappings, n),
			      .is_right = mappings_is_right},
	[MESSAGE_SCAN_DONE] = {.name = "SCAN_DONE",
			       .fixed = sizeof(struct message_scan_done),
			       .is_right = scan_done_is_right},
	[MESSAGE_HOLD_ROOT] = {.name = "HOLD_ROOT",
			       .fixed = sizeof(struct message_hold_root),
			       .is_right = hold_root_is_right},
	[MESSAGE_OPEN_OBJECT] = {.name = "OPEN_OBJECT",
				 .fixed = sizeof(struct message_open_object),
				 WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_open_object, path_len),
				 .is_right = open_object_is_right},
	[MESSAGE_OPEN_PERF_MAP] = {.name = "OPEN_PERF_MAP",
				   .fixed = sizeof(struct message_open_perf_map),
				   .is_right = open_perf_map_is_right},
	[MESSAGE_OBJECT_OPENED] = {.name = "OBJECT_OPENED",
				   .fixed = sizeof(struct message_object_opened),
				   .fd_rule = FD_AS_CONTENT_SAYS,
				   .is_right = object_opened_is_right,
				   .needs_fd = object_opened_needs_fd},
	[MESSAGE_OPEN_KERNEL_SYMBOLS] = {.name = "OPEN_KERNEL_SYMBOLS"},
	[MESSAGE_KERNEL_SYMBOLS] = {.name = "KERNEL_SYMBOLS",
				    .fixed = sizeof(struct message_kernel_symbols),
				    .fd_rule = FD_AS_CONTENT_SAYS,
				    .is_right = kernel_symbols_is_right,
				    .needs_fd = kernel_symbols_needs_fd},
	[MESSAGE_OUTPUT_PREPARE] = {.name = "OUTPUT_PREPARE",
				    .fixed = sizeof(struct message_output_prepare),
				    WITH_TEXT(TEXT_PATH, struct message_output_prepare, path_len),
				    .is_right = output_prepare_is_right},
	[MESSAGE_OUTPUT_PREPARED] = {.name = "OUTPUT_PREPARED",
				     .fixed = sizeof(struct message_output_result),
				     WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_output_result, path_len),
				     .is_right = output_result_is_right},
	[MESSAGE_OUTPUT_WRITE] = {.name = "OUTPUT_WRITE",
				  .fixed = sizeof(struct message_output_write),
				  WITH_TEXT(TEXT_NAME, struct message_output_write, name_len),
				  .fd_rule = FD_REQUIRED},
	[MESSAGE_OUTPUT_WRITTEN] = {.name = "OUTPUT_WRITTEN",
				    .fixed = sizeof(struct message_output_result),
				    WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_output_result, path_len),
				    .is_right = output_result_is_right},
	[MESSAGE_OBJECT] = {.name = "OBJECT",
			    .fixed = sizeof(struct message_object),
			    WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_object, path_len),
			    .fd_rule = FD_AS_CONTENT_SAYS,
			    .is_right = object_is_right,
			    .needs_fd = object_needs_fd},
	[MESSAGE_PARSING] = {.name = "PARSING", .fixed = sizeof(struct message_parsing), .is_right = parsing_is_right},
	[MESSAGE_PARSED] = {.name = "PARSED", .fixed = sizeof(struct message_parsed), .is_right = parsed_is_right},
	[MESSAGE_BATCH] = {.name = "BATCH", .fixed = sizeof(struct message_batch), .fd_rule = FD_REQUIRED},
	[MESSAGE_OUTPUT] = {.name = "OUTPUT",
			    .fixed = sizeof(struct message_output),
			    WITH_TEXT(TEXT_NAME, struct message_output, name_len),
			    .fd_rule = FD_REQUIRED},
	[MESSAGE_SUMMARY] = {.name = "SUMMARY", .fixed = sizeof(struct message_summary), .fd_rule = FD_REQUIRED},
	[MESSAGE_BATCH_DONE] = {.name = "BATCH_DONE",
				.fixed = sizeof(struct message_batch_done),
				.is_right = batch_done_is_right},
	[MESSAGE_MAKE_TABLE] = {.name = "MAKE_TABLE", .fixed = sizeof(struct message_make_table)},
	[MESSAGE_TABLE] = {.name = "TABLE",
			   .fixed = sizeof(struct message_table),
			   .fd_rule = FD_AS_CONTENT_SAYS,
			   .is_right = table_is_right,
			   .needs_fd = table_needs_fd},
	[MESSAGE_NAME_ADDRESSES] = {.name = "NAME_ADDRESSES",
				    .fixed = sizeof(struct message_name_addresses),
				    .fd_rule = FD_REQUIRED},
	[MESSAGE_ADDRESSES_NAMED] = {.name = "ADDRESSES_NAMED",
				     .fixed = sizeof(struct message_addresses_named),
				     .fd_rule = FD_AS_CONTENT_SAYS,
				     .is_right = addresses_named_is_right,
				     .needs_fd = addresses_named_needs_fd},
	[MESSAGE_DEBUG_DIRECTORY] = {.name = "DEBUG_DIRECTORY",
				     .fixed = sizeof(struct message_debug_directory),
				     WITH_TEXT(TEXT_PATH, struct message_debug_directory, path_len),
				     .is_right = debug_directory_is_right},
	[MESSAGE_DEBUG_DIRECTORY_OPENED] = {.name = "DEBUG_DIRECTORY_OPENED",
					    .fixed = sizeof(struct message_debug_directory_opened),
					    .is_right = debug_directory_opened_is_right},
	[MESSAGE_OPEN_DEBUG] = {.name = "OPEN_DEBUG",
				.fixed = sizeof(struct message_open_debug),
				WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_open_debug, path_len),
				.is_right = open_debug_is_right},
	[MESSAGE_DEBUG_OPENED] = {.name = "DEBUG_OPENED",
				  .fixed = sizeof(struct message_debug_opened),
				  WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_debug_opened, path_len),
				  .fd_rule = FD_AS_CONTENT_SAYS,
				  .is_right = debug_opened_is_right,
				  .needs_fd = debug_opened_needs_fd},
	[MESSAGE_WANT_DEBUG] = {.name = "WANT_DEBUG",
				.fixed = sizeof(struct message_want_debug),
				WITH_TEXT(TEXT_COMPONENT, struct message_want_debug, name_len),
				.is_right = want_debug_is_right},
	[MESSAGE_DEBUG_FILE] = {.name = "DEBUG_FILE",
				.fixed = sizeof(struct message_debug_opened),
				WITH_TEXT(TEXT_OPTIONAL_PATH, struct message_debug_opened, path_len),
				.fd_rule = FD_AS_CONTENT_SAYS,
				.is_right = debug_opened_is_right,
				.needs_fd = debug_opened_needs_fd},
	[MESSAGE_SOURCES] = {.name = "SOURCES", .fixed = sizeof(struct message_sources), .is_right = sources_is_right},
	[MESSAGE_DESCRIBE] = {.name = "DESCRIBE", .fixed = sizeof(struct message_describe)},
	[MESSAGE_DESCRIPTION] = {.name = "DESCRIPTION",
				 .fixed = sizeof(struct message_description),
				 .is_right = description_is_right},
	[MESSAGE_PROFILE] = {.name = "PROFILE", .fd_rule = FD_REQUIRED},
	[MESSAGE_PROFILE_FILES] = {.name = "PROFILE_FILES",
				   .fixed = sizeof(struct message_profile_files),
				   .fd_rule = FD_AS_CONTENT_SAYS,
				   .is_right = profile_files_is_right,
				   .needs_fd = profile_files_needs_fd},
	[MESSAGE_SYMBOLIZE] = {.name = "SYMBOLIZE"},
	[MESSAGE_SYMBOLIZED] = {.name = "SYMBOLIZED",
				.fixed = sizeof(struct message_symbolized),
				.fd_rule = FD_AS_CONTENT_SAYS,
				.is_right = symbolized_is_right,
				.needs_fd = symbolized_needs_fd},
	[MESSAGE_KEEP_DEBUG] = {.name = "KEEP_DEBUG",
				.fixed = sizeof(struct message_keep_debug),
				.fd_rule = FD_REQUIRED,
				.is_right = keep_debug_is_right},
	[MESSAGE_DEBUG_KEPT] = {.name = "DEBUG_KEPT",
				.fixed = sizeof(struct message_debug_kept),
				.is_right = debug_kept_is_right},
	[MESSAGE_DEBUG_SERVER] = {.name = "DEBUG_SERVER",
				  .fixed = sizeof(struct message_debug_server),
				  WITH_TEXT(TEXT_PATH, struct message_debug_server, url_len)},
	[MESSAGE_FETCH_DEBUG] = {.name = "FETCH_DEBUG",
				 .fixed = sizeof(struct message_fetch_debug),
				 .fd_rule = FD_REQUIRED,
				 .is_right = fetch_debug_is_right},
	[MESSAGE_FETCH_PROGRESS] = {.name = "FETCH_PROGRESS",
				    .fixed = sizeof(struct message_fetch_progress),
				    .is_right = fetch_progress_is_right},
	[MESSAGE_DEBUG_FETCHED] = {.name = "DEBUG_FETCHED",
				   .fixed = sizeof(struct message_debug_fetched),
				   .is_right = debug_fetched_is_right},
};

bool message_name_is_safe(const char *name, size_t len)
{
	if (!len || len > MESSAGE_MAX_NAME || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		      c == '_' || c == '+' || c == '-'))
			return false;
	}
	return true;
}

bool message_name_is_component(const char *name, size_t len)
{
	if (!len || len > MESSAGE_MAX_NAME || memchr(name, 0, len) || memchr(name, '/', len))
		return false;
	return !(len == 1 && name[0] == '.') && !(len == 2 && name[0] == '.' && name[1] == '.');
}

static bool has_nul(const void *bytes, size_t len)
{
	return len && memchr(bytes, 0, len);
}

/* `rest` holds what follows the fixed part: n mappings, then their paths and nothing else. */
static bool mappings_add_up(struct cursor *rest, uint32_t n)
{
	struct message_mapping mapping;
	uint64_t array_bytes, paths_bytes = 0;
	const uint8_t *paths;
	struct cursor array;

	if (!checked_mul(n, sizeof(mapping), &array_bytes) || array_bytes > cursor_left(rest))
		return false;
	array = cursor_sub(rest, (size_t)array_bytes);
	for (uint32_t i = 0; i < n; i++) {
		cursor_copy(&array, &mapping, sizeof(mapping));
		if (mapping.start >= mapping.limit || mapping.path_len > MESSAGE_MAX_PATH)
			return false;
		if (!checked_add(paths_bytes, mapping.path_len, &paths_bytes))
			return false;
	}
	if (paths_bytes != cursor_left(rest))
		return false;
	paths = cursor_bytes(rest, (size_t)paths_bytes);
	return paths && !has_nul(paths, (size_t)paths_bytes);
}

static bool text_is_right(const struct layout *layout, const union fixed_part *part, struct cursor *rest)
{
	size_t len = cursor_left(rest);
	const uint8_t *text;
	uint32_t told;

	if (layout->text_rule == TEXT_NONE)
		return !len;
	memcpy(&told, (const uint8_t *)part + layout->length_at, sizeof(told));
	if (layout->text_rule == TEXT_OF_MAPPINGS)
		return mappings_add_up(rest, told);
	if (told != len || len > MESSAGE_MAX_PATH)
		return false;
	if (!len)
		return layout->text_rule != TEXT_PATH;
	text = cursor_bytes(rest, len);
	if (layout->text_rule == TEXT_COMPONENT)
		return message_name_is_component((const char *)text, len);
	if (layout->text_rule == TEXT_NAME)
		return message_name_is_safe((const char *)text, len);
	return !has_nul(text, len);
}

static bool fd_is_right(const struct layout *layout, const union fixed_part *part, bool has_fd)
{
	switch (layout->fd_rule) {
	case FD_NONE:
		return !has_fd;
	case FD_REQUIRED:
		return has_fd;
	default:
		return has_fd == layout->needs_fd(part);
	}
}

int message_check(uint16_t type, const void *payload, size_t len, bool has_fd)
{
	const struct layout *layout;
	union fixed_part part = {0};
	struct cursor rest;

	if (type >= MESSAGE_TYPE_COUNT || !layouts[type].name)
		return -EBADMSG;
	layout = &layouts[type];
	if (len > CHANNEL_MAX_MESSAGE - sizeof(struct message_header))
		return -EBADMSG;
	cursor_init(&rest, payload, len);
	cursor_copy(&rest, &part, layout->fixed);
	if (!cursor_ok(&rest))
		return -EBADMSG;
	if (layout->is_right && !layout->is_right(&part))
		return -EBADMSG;
	if (!text_is_right(layout, &part, &rest) || !fd_is_right(layout, &part, has_fd))
		return -EBADMSG;
	return 0;
}

const char *message_type_name(uint16_t type)
{
	return type < MESSAGE_TYPE_COUNT && layouts[type].name ? layouts[type].name : "unknown";
}
