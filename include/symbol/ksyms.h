/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel, module and BPF program names from /proc/kallsyms and KSYMBOL records. Data symbols are left out; an address
 * belongs to the symbol before it in the same module, up to the next symbol (kallsyms has no sizes) but never across
 * the end of kernel text or of a module: where that is unknown, 64 KiB behind its last symbol at most. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ksyms;

struct ksym {
	uint64_t address;
	/* Valid until the next ksyms_add() or ksyms_read_again(). */
	const char *name;	 /* of a BPF program without its tag: "sd_fw_egress" */
	const char *system_name; /* as the kernel has it: "bpf_prog_6deef7357e7b4530_sd_fw_egress" */
	bool has_no_end;	 /* known: what lies behind its start may be a later module's, see ksyms_read_again() */
	const char
		*module; /* "" for the kernel proper, "bpf" for BPF programs and trampolines, "__builtin__ftrace" … */
};

int ksyms_new(struct ksyms **ret);
void ksyms_free(struct ksyms *ksyms);
/* Reads the text of kallsyms from the descriptor (borrowed, read from its start) in bounded pieces. May be called
 * again: replaces all, records included; a failure replaces nothing. *ret_restricted: the kernel shows zeros. Bad lines
 * are skipped and counted in *ret_bad (may be NULL). */
int ksyms_read(struct ksyms *ksyms, int fd, bool *ret_restricted, size_t *ret_bad);
/* Reads a later state of the same text: modules that were loaded since then have names too. What another module's code
 * was at the first reading has none from then on. A reading before this one, but not the first, is forgotten. A failure
 * changes nothing. */
int ksyms_read_again(struct ksyms *ksyms, int fd);
/* One KSYMBOL record: a BPF program, or a trampoline of BPF, ftrace or kprobes, made or taken away while we ran. It
 * replaces older records of its range and goes before kallsyms. A range that was another's before has no name from then
 * on: whose the samples in it are is not known. -EINVAL: empty name or range; -E2BIG: too many. */
int ksyms_add(struct ksyms *ksyms, uint64_t address, uint64_t len, const char *name);
/* 0, or -ENOENT. */
int ksyms_find(const struct ksyms *ksyms, uint64_t address, struct ksym *ret);
/* Range of kernel text (_stext.._etext); false when unknown. */
bool ksyms_text(const struct ksyms *ksyms, uint64_t *start, uint64_t *end);
size_t ksyms_count(const struct ksyms *ksyms);
size_t ksyms_memory_bytes(const struct ksyms *ksyms);
