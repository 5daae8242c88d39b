/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of options, one a command: they drive parsing, --help, the man page and the tables in README.md. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/debuginfod.h"

#define RECORD_MAX_OUTPUTS 16
#define RECORD_MAX_PIDS 1024
#define RECORD_MAX_COMMS 8
#define OPTIONS_MAX_DEBUG_DIRECTORIES 16

/* Where debug files are looked for besides. */
struct debug_directories {
	const char *paths[OPTIONS_MAX_DEBUG_DIRECTORIES];
	size_t n;
};

enum record_output_kind {
	RECORD_OUTPUT_DIRECTORY, /* pprof per process, all.pb.gz, flame.html */
	RECORD_OUTPUT_PPROF,	 /* FILE.pb.gz or FILE.pb or FILE.pprof: merged */
	RECORD_OUTPUT_HTML,	 /* FILE.html */
	RECORD_OUTPUT_FOLDED	 /* --folded FILE, "-" is stdout */
};

struct record_output {
	enum record_output_kind kind;
	const char *path; /* NULL: the default directory */
};

struct record_options {
	double duration_seconds; /* 0: until Ctrl-C or the command's end */
	uint32_t rate_hz;
	bool event_cycles;
	uint32_t pids[RECORD_MAX_PIDS]; /* each once */
	size_t n_pids;
	bool children;
	const char *comms[RECORD_MAX_COMMS]; /* 1 to 15 bytes each */
	size_t n_comms;
	const char *cgroup; /* path */
	uint64_t memory_bytes;
	bool exclude_self;
	bool kernel_only, user_only;
	bool all_processes; /* with a command: not only the command's processes */
	bool threads;
	bool error_frames;
	uint32_t demangle; /* enum demangle_mode */
	/* At least one: the default directory stands here when no --output and no --folded was given. */
	struct record_output outputs[RECORD_MAX_OUTPUTS];
	size_t n_outputs;
	bool force;
	bool trusts_kernel;
	struct debug_directories debug_directories;
	struct debuginfod_choice debuginfod;
	bool json, quiet;
	int verbose;
	char *const *command; /* argv of the command, NULL-terminated; NULL: none */
};

struct symbols_options {
	bool unwind;
	bool addresses;	   /* each before its functions */
	uint32_t demangle; /* enum demangle_mode */
	bool json;
	struct debug_directories debug_directories;
	struct debuginfod_choice debuginfod;
	char *const *files; /* at least one; exactly one without `unwind` */
	size_t n_files;
	char *const *texts; /* addresses to name, or "-": they are on stdin */
	size_t n_texts;	    /* 0 without `unwind`: tell of the file */
};

struct symbolize_options {
	const char *file;
	const char *output; /* NULL: the default beside it */
	bool force;
	uint32_t demangle; /* enum demangle_mode */
	struct debug_directories debug_directories;
	struct debuginfod_choice debuginfod;
	bool json, quiet;
};

enum options_command { OPTIONS_RECORD, OPTIONS_SYMBOLS, OPTIONS_SYMBOLIZE, OPTIONS_EXIT };

struct options {
	enum options_command command;
	struct record_options record;	    /* of OPTIONS_RECORD */
	struct symbols_options symbols;	    /* of OPTIONS_SYMBOLS */
	struct symbolize_options symbolize; /* of OPTIONS_SYMBOLIZE */
};

/* Parses argv. ret->command OPTIONS_EXIT: --help, --version or --man was printed, exit with 0.
 * Returns 0, or -EINVAL after one line on stderr that names the option and the accepted range and points to --help:
 * exit with 2; or another -errno, told too, when a page could not be written to stdout: exit with 1.
 * Strings are borrowed from argv; a comma list of names is cut in place, and file names move forward. */
int options_parse(int argc, char **argv, struct options *ret);

/* What the arguments ask for in place of a command. */
enum options_page { OPTIONS_PAGE_NONE, OPTIONS_PAGE_HELP, OPTIONS_PAGE_VERSION, OPTIONS_PAGE_MAN, OPTIONS_PAGE_TABLE };

#define OPTIONS_ERROR_BYTES 512

/* The same without output: -EINVAL with the line in `error`, else 0 with *ret filled, or *ret_page when a page was
 * asked for (then only ret->command is written: whose page). */
int options_read(int argc, char **argv, struct options *ret, enum options_page *ret_page,
		 char error[OPTIONS_ERROR_BYTES]);
/* 0 or -errno of the write. The man page is one for all commands. */
int options_print(FILE *to, enum options_command command, enum options_page page);
