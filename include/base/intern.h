/* SPDX-License-Identifier: Apache-2.0 */
/* Strings to dense ids. Id 0 is the empty string. Bytes may hold anything but NUL. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct intern;

/* Maxima of strings (besides the empty one) and of their bytes, a NUL behind each included. */
int intern_new(size_t max_strings, size_t max_bytes, struct intern **ret);
void intern_free(struct intern *intern);

/* The id of the string, added when new. -E2BIG when a maximum is reached, -ENOMEM, -EINVAL: a NUL within. */
int intern_add(struct intern *intern, const char *str, size_t len, uint32_t *ret);
int intern_add_str(struct intern *intern, const char *str, uint32_t *ret);

/* NUL-terminated; valid as long as the intern. id must come from it. */
const char *intern_str(const struct intern *intern, uint32_t id);
size_t intern_len(const struct intern *intern, uint32_t id);
/* Number of ids given out, the empty string included. */
uint32_t intern_count(const struct intern *intern);
size_t intern_memory_bytes(const struct intern *intern);
