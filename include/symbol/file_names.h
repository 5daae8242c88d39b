/* SPDX-License-Identifier: Apache-2.0 */
/* What the functions of one file are called, by all that the file itself has: Go's function table, which no strip
 * removes, for the code that it speaks of; the symbol tables for the rest. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct file_names;

/* The file must outlive it: names are read from it when they are asked for. A file without any gives none. A table that
 * is broken is one less. -ENOMEM, -EIO. */
int file_names_new(const struct elf_file *file, struct file_names **ret);
void file_names_free(struct file_names *names);
/* Functions that have a name. */
size_t file_names_count(const struct file_names *names);
size_t file_names_memory_bytes(const struct file_names *names);

/* The function that holds the address: its name as in the file, NUL-terminated in `name` (cut at size - 1), and where
 * it begins. -ENOENT: none that has a name. */
int file_names_find(const struct file_names *names, uint64_t elf_va, uint64_t *ret_start, char *name, size_t size);
