/* SPDX-License-Identifier: Apache-2.0 */
/* The messages between the collector and its children: fixed layouts, each checked whole before anyone looks inside.
 * Strings are byte runs behind the fixed part, without NUL; their lengths must add up to the message exactly.
 *
 *    collector -> opener     SCAN, HOLD_ROOT, OPEN_OBJECT, OPEN_PERF_MAP, OPEN_KERNEL_SYMBOLS, DEBUG_DIRECTORY,
 *                            OPEN_DEBUG, KEEP_DEBUG + file, OUTPUT_PREPARE, OUTPUT_WRITE
 *    opener -> collector     PROCESS, MAPPINGS, SCAN_DONE, OBJECT_OPENED + file, KERNEL_SYMBOLS + file,
 *                            DEBUG_DIRECTORY_OPENED, DEBUG_OPENED + file, DEBUG_KEPT, OUTPUT_PREPARED,
 *                            OUTPUT_WRITTEN
 *    collector -> resolver   KERNEL_SYMBOLS + file, OBJECT + file, DEBUG_FILE + file, MAKE_TABLE, BATCH + memfd,
 *                            NAME_ADDRESSES + memfd, DESCRIBE, PROFILE + file, SYMBOLIZE
 *    resolver -> collector   PARSING, PARSED, WANT_DEBUG, SOURCES, TABLE + memfd, OUTPUT + memfd, SUMMARY + memfd,
 *                            BATCH_DONE, ADDRESSES_NAMED + memfd, DESCRIPTION, PROFILE_FILES + memfd,
 *                            SYMBOLIZED + memfd
 *    collector -> sender     DEBUG_SERVER, FETCH_DEBUG + file
 *    sender -> collector     FETCH_PROGRESS, DEBUG_FETCHED
 *    both ways               START -> READY, PING -> PONG
 *
 * The collector is the hub: it keeps the descriptors that the opener found until the run ends, so that a resolver that
 * dies costs no name, not even one of a file that is gone by now. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/sample.h"

enum message_type {
	MESSAGE_NONE,
	MESSAGE_START,
	MESSAGE_READY,
	MESSAGE_PING,
	MESSAGE_PONG,
	MESSAGE_SCAN,
	MESSAGE_PROCESS,
	MESSAGE_MAPPINGS,
	MESSAGE_SCAN_DONE,
	MESSAGE_HOLD_ROOT,
	MESSAGE_OPEN_OBJECT,
	MESSAGE_OBJECT_OPENED,
	MESSAGE_OPEN_KERNEL_SYMBOLS,
	MESSAGE_KERNEL_SYMBOLS,
	MESSAGE_OUTPUT_PREPARE,
	MESSAGE_OUTPUT_PREPARED,
	MESSAGE_OUTPUT_WRITE,
	MESSAGE_OUTPUT_WRITTEN,
	MESSAGE_OBJECT,
	MESSAGE_PARSING,
	MESSAGE_PARSED,
	MESSAGE_BATCH,
	MESSAGE_OUTPUT,
	MESSAGE_SUMMARY,
	MESSAGE_BATCH_DONE,
	MESSAGE_MAKE_TABLE,
	MESSAGE_TABLE,
	MESSAGE_NAME_ADDRESSES,
	MESSAGE_ADDRESSES_NAMED,
	MESSAGE_OPEN_PERF_MAP,
	MESSAGE_DEBUG_DIRECTORY,
	MESSAGE_DEBUG_DIRECTORY_OPENED,
	MESSAGE_OPEN_DEBUG,
	MESSAGE_DEBUG_OPENED,
	MESSAGE_WANT_DEBUG,
	MESSAGE_DEBUG_FILE,
	MESSAGE_SOURCES,
	MESSAGE_DESCRIBE,
	MESSAGE_DESCRIPTION,
	MESSAGE_PROFILE,
	MESSAGE_PROFILE_FILES,
	MESSAGE_SYMBOLIZE,
	MESSAGE_SYMBOLIZED,
	MESSAGE_KEEP_DEBUG,
	MESSAGE_DEBUG_KEPT,
	MESSAGE_DEBUG_SERVER,
	MESSAGE_FETCH_DEBUG,
	MESSAGE_FETCH_PROGRESS,
	MESSAGE_DEBUG_FETCHED,
	MESSAGE_TYPE_COUNT
};

#define BUILD_ID_MAX 20 /* that the kernel tells */
#define DEBUG_ID_MIN 4
#define DEBUG_ID_MAX 64 /* that a file may have */
#define MESSAGE_MAX_PATH 4096

/* First message to a child, before it confines itself. */
struct message_start {
	uint32_t invoker_uid, invoker_gid;
	uint64_t memory_bytes; /* limit of the resolver's or the sender's address space; 0: none */
	uint64_t share_bytes;  /* what it may take, by its own account, until the first batch; 0: no limit */
	uint64_t naming_bytes; /* … and from then on */
	uint32_t demangle;     /* enum demangle_mode of the resolver's names */
	uint32_t has_servers;  /* the resolver may ask for DEBUG_REMOTE */
};

/* From the child, once it is confined. */
struct message_ready {
	char capabilities[128]; /* what is left, for -v; NUL-terminated */
};

struct message_pong {
	uint64_t cpu_ns;     /* user + system of the process */
	uint64_t pss_bytes;  /* most since the last one: see ipc/usage.h */
	uint64_t peak_bytes; /* peak resident set (ru_maxrss) */
};

/* SCAN: read /proc for one process, or for all (0). Answered by PROCESS and MAPPINGS for each, then SCAN_DONE. */
struct message_scan {
	uint32_t tgid;
	uint32_t pad;
};

struct message_process {
	uint64_t start_boottime_ns; /* at clock tick resolution, from /proc/PID/stat */
	uint64_t scanned_mono_ns;   /* when the reading began */
	uint64_t cgroup_id;	    /* inode of the cgroup directory when it is visible, else 0 */
	uint32_t tgid, parent_tgid, inner_tgid, uid;
	uint32_t mnt_ns, pid_ns;
	uint32_t flags; /* PROCESS_* of wire/sample.h */
	char comm[COMM_BYTES];
	uint32_t cgroup_len; /* then the cgroup path */
};

/* Executable mappings of the process last described, in address order; `is_last` closes the list. */
struct message_mapping {
	uint64_t start, limit, file_off;
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	uint32_t path_len; /* paths follow the array in order */
	uint32_t pad;
};
struct message_mappings {
	uint64_t start_boottime_ns;
	uint64_t scanned_mono_ns;
	uint32_t tgid;
	uint32_t is_last;
	uint32_t n;
	uint32_t pad;
	struct message_mapping mappings[];
};

struct message_scan_done {
	uint32_t tgid; /* as asked */
	uint32_t processes, errors;
	uint32_t pad;
};

/* HOLD_ROOT: keep the root of this process' mount namespace open, so that its files can be found when it is gone. */
struct message_hold_root {
	uint32_t tgid, mnt_ns;
};

#define OPEN_CANDIDATES 4

/* A process through which the file may be reached. */
struct message_candidate {
	uint64_t start_boottime_ns;    /* 0: unknown */
	uint64_t map_start, map_limit; /* 0: it does not map the file as far as we know */
	uint32_t tgid;
	uint32_t pad;
};

struct message_open_object {
	uint32_t object;
	uint32_t mnt_ns;
	uint64_t dev, ino; /* dev as makedev(); ino 0: not known, the resolver compares the build id */
	uint32_t candidates;
	uint32_t path_len; /* then the path as its processes see it */
	struct message_candidate candidate[OPEN_CANDIDATES];
};

/* OPEN_PERF_MAP: the file in which this process says what its generated code is called. */
struct message_open_perf_map {
	uint32_t object;
	uint32_t mnt_ns;
	uint64_t start_boottime_ns; /* 0: unknown */
	uint32_t tgid, inner_tgid;  /* inner: in its own pid namespace */
	uint32_t uid;
	uint32_t pad;
};

/* Of OPEN_OBJECT and OPEN_PERF_MAP, with the descriptor when err is 0. */
struct message_object_opened {
	uint32_t object;
	int32_t err;
	uint64_t dev, ino, size;
	int64_t mtime_ns;
};

/* With a descriptor of /proc/kallsyms when err is 0. Also forwarded to the resolver. */
struct message_kernel_symbols {
	int32_t err;
	uint32_t is_restricted; /* the kernel shows zero addresses */
};

enum output_place { OUTPUT_FILE, OUTPUT_DIRECTORY };
#define OUTPUT_FORCE 1u /* replace what is there */
#define OUTPUT_AGAIN 2u /* prepared before, by an opener that is gone: the directory may hold what that one wrote */

struct message_output_prepare {
	uint32_t output; /* the collector's number */
	uint32_t place;	 /* enum output_place */
	uint32_t flags;
	uint32_t path_len; /* then the path, relative to the invoker's working directory */
};

/* PREPARED: can it be written, as far as one can tell now? WRITTEN: the file is complete and in place. */
struct message_output_result {
	uint32_t output;
	int32_t err;
	uint64_t bytes;
	uint32_t path_len; /* then the path of the file */
	uint32_t pad;
};

/* With a sealed memfd of the content. `name` is one file name component for a directory, empty for a file. */
struct message_output_write {
	uint32_t output;
	uint32_t name_len;
};

/* OBJECT_JIT: the executable anonymous memory of one process. OBJECT_PERF_MAP and OBJECT_JITDUMP: files in which a
 * runtime says what it has put there. */
enum object_kind {
	OBJECT_FILE,
	OBJECT_VDSO,
	OBJECT_ANONYMOUS,
	OBJECT_JIT,
	OBJECT_PERF_MAP,
	OBJECT_JITDUMP,
	OBJECT_KIND_COUNT
};
#define OBJECT_QUARANTINED 1u /* made a resolver fail: do not parse */
#define OBJECT_DELETED 2u
#define OBJECT_LONE 4u /* a debug file of it made a resolver fail: do without them */

/* With the descriptor, unless it could not be opened (err), is not a file, or is in quarantine. */
struct message_object {
	uint32_t object;
	uint32_t kind; /* enum object_kind */
	uint32_t flags;
	int32_t err;
	uint64_t dev, ino, size;
	int64_t mtime_ns;
	uint64_t expected_dev, expected_ino; /* from the mapping; ino 0: not known */
	uint8_t build_id[BUILD_ID_MAX];	     /* from the mapping */
	uint32_t build_id_len;		     /* 0: not known */
	uint32_t path_len;
	uint32_t pad;
};

/* Sent before the resolver looks into an object, and after. PARSING of object 0: into none any more. */
struct message_parsing {
	uint32_t object;
	uint32_t is_debug; /* into a debug file of it */
};
struct message_parsed {
	uint32_t object;
	int32_t err;
	int32_t embedded_err; /* of .gnu_debugdata alone: names of it are missing */
	uint32_t pad;
	uint64_t symbols, index_bytes;
};

/* BATCH: with the memfd of ipc/batch.h. Outputs are made in a fixed order; the first `skip` of them have arrived
 * already from an earlier resolver. */
struct message_batch {
	uint64_t batch;
	uint32_t skip;
	uint32_t pad;
};

/* One finished output with its memfd. */
struct message_output {
	uint64_t batch;
	uint32_t sequence; /* 0, 1, 2 … within the batch */
	uint32_t output;   /* as in the batch */
	uint64_t samples;  /* that this profile holds */
	uint32_t name_len; /* file name component when the output is a directory */
	uint32_t pad;
};

/* The top table for the terminal: with a memfd of struct summary (ipc/summary.h). */
struct message_summary {
	uint64_t batch;
};

struct message_batch_done {
	uint64_t batch;
	int32_t err;
	uint32_t outputs;
	uint64_t frames_named, frames_unnamed;
	uint64_t samples; /* in the merged sense: each sample once */
};

/* MAKE_TABLE: the unwind table that holds this 64 KiB page of the object. */
struct message_make_table {
	uint32_t object;
	uint32_t page;
};

#define MESSAGE_MAX_GAPS 10

/* Code without a rule: its address in the file's own space, and where it is in the file. */
struct message_gap {
	uint64_t elf_va, file_off, bytes;
};

/* TABLE: with a memfd of table/unwind_table.h when err is 0 and same_as is 0. -ENOENT: the object has none: no code
 * (code is 0), or no rules for it. */
struct message_table {
	uint32_t object;
	uint32_t page; /* as asked */
	int32_t err;
	uint32_t same_as;      /* object whose table was sent before and serves for this one; 0: none */
	uint32_t awaits_debug; /* a debug file that may tell more is being sought: SOURCES follows */
	uint32_t build_id_len; /* of the object's file; 0: it has none */
	uint8_t build_id[DEBUG_ID_MAX];
	uint64_t cpu_ns; /* that making it took */
	/* Bytes of code by where their rules came from (unwind/table_build.h). */
	uint64_t code, eh_frame, debug_frame, go, scanned, none, unsupported;
	uint64_t bad_entries;
	uint64_t rows_given, rows_merged, rows_written;
	uint32_t is_whole; /* of the file, not of a window */
	uint32_t n_gaps;
	struct message_gap gaps[MESSAGE_MAX_GAPS]; /* the largest first */
};

/* NAME_ADDRESSES: what these addresses (elf_va) of the object are called, with the memfd of ipc/named_addresses.h. */
struct message_name_addresses {
	uint32_t object;
	uint32_t pad;
};

/* With the memfd of the names when err is 0. */
struct message_addresses_named {
	uint32_t object;
	int32_t err; /* why the object has no names at all */
};

/* --- debug files --------------------------------------------------------------------------------------------------
 *
 *    resolver ── WANT_DEBUG ──► collector ── OPEN_DEBUG ──► opener
 *    resolver ◄── DEBUG_FILE ── collector ◄── DEBUG_OPENED ── opener
 *
 * The resolver says what a file names, the opener knows the places. They are numbered in the order in which they are
 * looked at; when the file that was found is not the one that was meant, the next one is asked for from the place
 * behind. Each WANT_DEBUG is answered, perhaps late.
 *
 * What no place has may be on a debuginfod server:
 *
 *    resolver ── WANT_DEBUG ──► collector ── OPEN_DEBUG ──► opener    is it in the cache?
 *                               collector ── OPEN_DEBUG ──► opener    a file to write to
 *                               collector ── FETCH_DEBUG + file ──► sender
 *    resolver ◄── DEBUG_FILE ── collector ◄── DEBUG_FETCHED ── sender
 *    resolver ──── SOURCES ───► collector ── KEEP_DEBUG + file ──► opener    it was the one: into the cache */

enum debug_kind {
	DEBUG_BUILD_ID,	     /* by `id` */
	DEBUG_LINK,	     /* by the name in .gnu_debuglink */
	DEBUG_SUPPLEMENTARY, /* of .gnu_debugaltlink: by `id`, then by its name */
	DEBUG_SPLIT,	     /* a .dwo or .dwp file, by its name */
	DEBUG_TEMPORARY,     /* an empty file without a name, to be written */
	DEBUG_EXECUTABLE,    /* a program or library itself, by `id` or name; no resolver asks for it */
	DEBUG_REMOTE,	     /* by `id`, of a debuginfod server; of an opener: from the cache */
	DEBUG_DOWNLOAD,	     /* as DEBUG_TEMPORARY, where the cache is; no resolver asks for it */
	DEBUG_KINDS
};

enum debug_origin {
	DEBUG_ORIGIN_OWN,	/* the root of the process */
	DEBUG_ORIGIN_HOST,	/* that of the machine */
	DEBUG_ORIGIN_DIRECTORY, /* one of --debug-dir */
	DEBUG_ORIGIN_CACHE,	/* downloaded before */
	DEBUG_ORIGIN_SERVER,
	DEBUG_ORIGINS
};

#define DEBUG_MAX_NAME 255 /* NAME_MAX */
#define DEBUG_MAX_DIRECTORIES 16
#define DEBUG_CACHE_DIRECTORY DEBUG_MAX_DIRECTORIES
#define DEBUG_MAX_SERVERS 16
/* The place of the first server, behind all others. */
#define DEBUG_SERVER_PLACE 0x10000u

/* DEBUG_DIRECTORY: look there too. The path, relative to the invoker's working directory, follows. */
struct message_debug_directory {
	uint32_t index; /* 0, 1, 2 … in the order of the places; DEBUG_CACHE_DIRECTORY: the cache, made if need be */
	uint32_t path_len;
};
struct message_debug_directory_opened {
	uint32_t index;
	int32_t err;
};

struct message_open_debug {
	uint32_t kind;	/* enum debug_kind */
	uint32_t place; /* the first to be looked at */
	uint32_t mnt_ns;
	uint32_t candidates;
	uint32_t request;  /* the collector's number */
	uint32_t id_len;   /* 0: by name alone */
	uint32_t path_len; /* then the object's directory, '/', and the name of the file, which may be empty */
	uint32_t pad;
	struct message_candidate candidate[OPEN_CANDIDATES];
	uint8_t id[DEBUG_ID_MAX];
};

/* With the descriptor when err is 0. DEBUG_FILE is the same for the resolver. */
struct message_debug_opened {
	uint32_t request; /* whose answer it is */
	int32_t err;
	uint32_t place;	   /* where it was found; where nothing is, behind the last */
	uint32_t origin;   /* enum debug_origin */
	uint32_t path_len; /* then where it was found, for people */
	uint32_t pad;
};

struct message_want_debug {
	uint32_t request; /* the resolver's number */
	uint32_t object;  /* whose file asks */
	uint32_t kind;	  /* enum debug_kind */
	uint32_t place;	  /* as above */
	uint32_t id_len;
	uint32_t name_len; /* then one file name component, or nothing */
	uint8_t id[DEBUG_ID_MAX];
};

/* Where names come from. */
enum source_kind {
	SOURCE_SYMTAB,
	SOURCE_DWARF,
	SOURCE_DEBUGDATA,
	SOURCE_DYNSYM,
	SOURCE_GO,
	SOURCE_BUILD_ID, /* a debug file */
	SOURCE_LINK,
	SOURCE_SUPPLEMENTARY,
	SOURCE_SERVER, /* a debug file by build id, from a debuginfod server or from the cache of such */
	SOURCE_KINDS
};

/* One that was there, or looked for. -ENOENT: there is none; -ESTALE: it is of another file; -EBADMSG, -E2BIG … */
struct message_source {
	uint32_t kind; /* enum source_kind */
	int32_t err;
	uint32_t origin;  /* enum debug_origin; of a debug file */
	uint32_t request; /* of the debug file, or the last one asked for; 0: none */
};

#define MESSAGE_MAX_SOURCES 16

/* SOURCES: an object's debug files are found, or will not be. */
struct message_sources {
	uint32_t object;
	uint32_t is_table_stale; /* a table that was made of it before can be made better */
	uint32_t n;
	uint32_t pad;
	struct message_source sources[MESSAGE_MAX_SOURCES];
};

/* DESCRIBE: what the object has to name its code by. */
struct message_describe {
	uint32_t object;
	uint32_t pad;
};

struct message_symbols {
	uint32_t is_there;
	uint32_t pad;
	uint64_t symbols, functions; /* entries; of these, functions of the file itself */
};

#define DESCRIPTION_NAME_BYTES 256

/* Names are NUL-terminated, "" where there is none. */
struct message_description {
	uint32_t object;
	int32_t err;	       /* why there is none: all else is 0 */
	uint32_t machine;      /* EM_* */
	uint32_t type;	       /* ET_* */
	uint32_t is_pie;       /* a program of type ET_DYN */
	uint32_t build_id_len; /* 0: it has none */
	uint8_t build_id[DEBUG_ID_MAX];
	struct message_symbols symtab, dynsym;
	struct message_symbols debug_symtab; /* of its debug file */
	uint64_t debugdata_bytes;	     /* as they are in the file; 0: none */
	int32_t debugdata_err;		     /* why they give no names */
	uint32_t go_since;		     /* its function table's layout began with Go 1.this; 0: it has none */
	uint64_t go_functions;
	uint32_t dwarf_units;	 /* 0: there are none, or they cannot be read */
	uint32_t dwarf_split;	 /* of these: their functions are in .dwo files */
	uint32_t dwarf_versions; /* 1 << version */
	uint32_t dwarf_is_debug; /* they are in the debug file */
	uint32_t link_crc;
	uint32_t supplementary_id_len;
	uint8_t supplementary_id[DEBUG_ID_MAX];
	char link_name[DESCRIPTION_NAME_BYTES];		 /* in .gnu_debuglink */
	char supplementary_name[DESCRIPTION_NAME_BYTES]; /* of what dwz shares */
	uint64_t functions;				 /* that have a name */
	/* Bytes: of code; of it, with a name; with files and lines. */
	uint64_t code, named, with_lines;
};

/* A profile that is to get names:
 *
 *    PROFILE + file ──► resolver ──► PROFILE_FILES     whose code has frames without a name, or without a line
 *    OBJECT + file …, SYMBOLIZE ──►                    those that could be found, by the numbers of the list
 *                                ──► PROFILE_FILES     what became of them
 *                                ──► SYMBOLIZED + memfd */

/* With the memfd of ipc/profile_files.h when err is 0. */
struct message_profile_files {
	int32_t err;
	uint32_t pad;
};

/* With the memfd of the profile (profile.proto, gzip) when err is 0. */
struct message_symbolized {
	int32_t err;
	uint32_t pad;
	uint64_t named, unnamed; /* of the locations that had no name */
	uint64_t lined;		 /* that had one, and have file or line now */
};

/* KEEP_DEBUG: with a file of DEBUG_DOWNLOAD, which becomes the cache's for this id. */
struct message_keep_debug {
	uint32_t id_len;
	uint32_t pad;
	uint8_t id[DEBUG_ID_MAX];
};
struct message_debug_kept {
	int32_t err;
	uint32_t pad;
};

/* DEBUG_SERVER: of debuginfod. They come in the order in which they are asked. */
struct message_debug_server {
	uint32_t url_len; /* then "http://…" or "https://…" */
	uint32_t pad;
};

/* FETCH_DEBUG: with the file to write to. */
struct message_fetch_debug {
	uint32_t request;
	uint32_t server;	/* the first to be asked */
	uint32_t stall_seconds; /* with next to nothing received in this time it is given up */
	uint32_t total_seconds; /* and in any case after this; of each server */
	uint64_t max_bytes;
	uint32_t id_len;
	uint32_t pad;
	uint8_t id[DEBUG_ID_MAX];
};

/* FETCH_PROGRESS: of every fetch under way, some times a second; it also says that the sender lives. */
struct message_fetch_progress {
	uint32_t request;
	uint32_t server;
	uint64_t bytes, total; /* total 0: not told */
};

/* DEBUG_FETCHED: written, or why not. -ENOENT: no server has it; -ETIMEDOUT; -EFBIG; -EKEYREJECTED: of TLS; -EREMOTEIO:
 * the server says so; -ENOPKG: there is no libcurl; … */
struct message_debug_fetched {
	uint32_t request;
	int32_t err;
	uint32_t server; /* which had it, or the last one asked */
	uint32_t status; /* of HTTP; 0: none */
	uint64_t bytes;
};

/* 0, or -EBADMSG: type unknown, length wrong, string lengths that do not add up, enum out of range, a descriptor
 * missing or one too many. Pure; the payload may have any alignment. Called by channel_receive() and channel_send(). */
int message_check(uint16_t type, const void *payload, size_t len, bool has_fd);
/* "OPEN_OBJECT", or "unknown" */
const char *message_type_name(uint16_t type);
/* One file name component, of any bytes but NUL and '/'; not "." and "..". */
bool message_name_is_component(const char *name, size_t len);
/* One file name component that a directory output may get: [A-Za-z0-9._+-], 1 … 255 bytes, no leading dot. */
bool message_name_is_safe(const char *name, size_t len);
