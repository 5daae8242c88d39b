/* SPDX-License-Identifier: Apache-2.0 */
/* Readable names by libiberty: C++ (Itanium), Rust (legacy without its hash, v0) and D. */
#pragma once

#include <stddef.h>

#include "base/demangle_mode.h"

#define DEMANGLE_MAX_INPUT 16384
#define DEMANGLE_MAX_OUTPUT 4096

/* 1: `to` holds the readable name; 0: the name is not mangled or not to be changed, too long or deep, or its readable
 * form does not fit into `size` or DEMANGLE_MAX_OUTPUT: `to` holds it unchanged (cut). What does not fit in full is
 * shown as DEMANGLE_SIMPLE. Takes a bounded time whatever the name is. Suffixes of compilers stay: "foo(int) [clone
 * .cold]". What DEMANGLE_SIMPLE leaves out: symbol/shorten_name.h. OCaml's, Zig's, Haskell's and Fortran's names are
 * not mangled in this sense and stay as they are. */
int demangle(const char *mangled, enum demangle_mode mode, char *to, size_t size);
/* Go's names are not mangled, but the type arguments of generic functions are long and not for reading: "Map[...]", as
 * Go's own tools write them. Cut at size - 1. */
void demangle_go(const char *name, enum demangle_mode mode, char *to, size_t size);
