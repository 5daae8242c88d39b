/* SPDX-License-Identifier: Apache-2.0 */
/* What a file's dynamic section says (gABI, "Dynamic Section"). */
#pragma once

#include <stdbool.h>

struct elf_file;

/* DF_1_PIE: a program and no library, although its type is ET_DYN. false also where nothing can be read. */
bool dynamic_is_pie(const struct elf_file *file);
