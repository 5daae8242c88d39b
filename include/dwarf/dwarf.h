/* SPDX-License-Identifier: Apache-2.0 */
/* What DWARF tells of an address: the function, what was inlined there, and the source line of each (versions 2 to 5,
 * 32- and 64-bit units).
 *
 * Lazy: the first question reads the head of each unit, and a unit is read when it is asked about. Least recently used
 * units leave when they take more than they may. The file is hostile: a broken unit costs its own names only, and work
 * and memory of an answer are bounded.
 *
 * It may lie in several files: what dwz shares between programs, and what -gsplit-dwarf leaves in .dwo files or in
 * packages of them (.dwp). Sections may be packed. Not read: relocatable objects. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DWARF_CACHE_BYTES (64u << 20) /* a reasonable budget */
/* Of .debug_info or .debug_line: a larger unit has no functions, or no lines. */
#define DWARF_MAX_UNIT_BYTES (256ull << 20)
#define DWARF_MAX_FRAMES 256u		   /* of an answer; what is beyond, the function itself too, is left out */
#define DWARF_MAX_STRING_BYTES (64u << 10) /* a longer name or path is none */

#define DWARF_MAX_NAME_BYTES 256u /* of a file that another one names, with its NUL */
#define DWARF_MAX_LINK_ID_BYTES 64u

struct elf_file;
struct dwarf;

/* Where the DWARF of one program is. The files are borrowed and must outlive the dwarf. */
struct dwarf_files {
	const struct elf_file *file;	      /* has .debug_info: the program, or its debug file */
	const struct elf_file *supplementary; /* that dwz shares, see dwarf_supplementary_of(); NULL: none */
	/* The .dwo file that a split unit names (never with a folder), or a .dwp file that has it: it is looked up
	 * there by the id. Asked when a unit is read for the first time. -ENOENT: there is none; -EAGAIN: not yet, and
	 * dwarf_find() says so too. NULL: there are none. */
	int (*split)(void *ctx, const char *base_name, uint64_t dwo_id, const struct elf_file **ret);
	/* An empty file to read and write, handed over: for sections that are too large to be unpacked in memory. Asked
	 * at most once. NULL: there is none, and what is too large is absent. */
	int (*temporary)(void *ctx, int *ret_fd);
	/* Bytes that all who share the number may still have in such files; NULL: there is no such bound. Borrowed. */
	uint64_t *temporary_left;
	void *ctx;
};

/* What a file says of another one that it needs. */
struct dwarf_link {
	char name[DWARF_MAX_NAME_BYTES];     /* without its folder: that is foreign; never "", "." or ".." */
	uint8_t id[DWARF_MAX_LINK_ID_BYTES]; /* its build id */
	size_t id_bytes;		     /* never 0 */
};

/* Texts that are not there are "". */
struct dwarf_frame {
	const char *name;	  /* DW_AT_name: "push_back" */
	const char *linkage_name; /* as in the symbol table, not demangled; many languages have none */
	const char *file;	  /* directory of the compilation / directory / name */
	uint32_t line, column;	  /* 0: not known. Of an inlined function's caller: of the call */
};

struct dwarf_frames {
	const struct dwarf_frame *items; /* what was inlined first; the function that has the code is the last one */
	size_t n;
};

/* The supplementary file of this one (.gnu_debugaltlink of dwz, or .debug_sup, DWARF 5 section 7.3.6). -ENOENT: it has
 * none; -EBADMSG: what it says is broken; -EIO, -ENOMEM. */
int dwarf_supplementary_of(const struct elf_file *file, struct dwarf_link *ret);

/* Units that are held take at most `cache_bytes`, but the one asked about is always held. -ENOENT: no DWARF; -EIO,
 * -ENOMEM. Reads nothing yet but the heads of packed sections. */
int dwarf_open(const struct dwarf_files *files, size_t cache_bytes, struct dwarf **ret);
void dwarf_free(struct dwarf *dwarf);

/* *ret is valid until the next call. Where lines are known and no function is, there is one frame without a name.
 * -ENOENT: nothing known; -EAGAIN: ask again when there is the file that was asked for; -EIO, -ENOMEM. Never -EBADMSG:
 * what is broken is not known. */
int dwarf_find(struct dwarf *dwarf, uint64_t elf_va, struct dwarf_frames *ret);

/* What there is, by the heads of all units. */
struct dwarf_summary {
	uint32_t units;
	uint32_t split;	   /* of these: a .dwo file has their functions */
	uint32_t versions; /* 1 << version */
};

/* -EIO, -ENOMEM. */
int dwarf_summarize(struct dwarf *dwarf, struct dwarf_summary *ret);
/* Behind that: the next code that some unit speaks of, in the order of addresses (elf_va, limit exclusive). *pos begins
 * at 0. false: there is no more. */
bool dwarf_next_run(const struct dwarf *dwarf, size_t *pos, uint64_t *ret_start, uint64_t *ret_limit);

size_t dwarf_memory_bytes(const struct dwarf *dwarf);
