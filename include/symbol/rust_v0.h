/* SPDX-License-Identifier: Apache-2.0 */
/* Whether libiberty prints a name of Rust's v0 scheme ("_R…", RFC 2603) in bounded time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* false: it is no such name, is nested too deep, or binds so many lifetimes that counting them takes too long. */
bool rust_v0_is_bounded(const char *mangled, size_t len);
