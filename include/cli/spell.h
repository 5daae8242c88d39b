/* SPDX-License-Identifier: Apache-2.0 */
/* How figures and foreign names are spelled, for people and for programs. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "97.3 %", and never 0 or 100 for what is not quite none or all. */
const char *spell_percent(double part, double whole, char to[16]);
/* "812 B", "21.2 kB" */
const char *spell_bytes(uint64_t bytes, char to[16]);
/* "x86-64", of EM_*; NULL: another one. */
const char *spell_machine(uint32_t machine);
/* Lower-case hex; cut to what there is room for. */
const char *spell_hex(const uint8_t *bytes, size_t n, char *to, size_t size);
/* A foreign name as it may stand on a terminal; the caller frees. NULL: no memory. */
char *spell_name(const char *name);

/* New references; NULL: no memory. What is no UTF-8 is replaced; a number beyond what JSON's readers hold is its end.
 */
json_t *spell_json_count(uint64_t count);
json_t *spell_json_text(const char *text);
/* A line of its own. 0 or -ENOMEM; errors of the stream are the caller's to look for. */
int spell_json_line(FILE *to, const json_t *json);
