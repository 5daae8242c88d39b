/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a mangled name is shown. Numbers are in messages. */
#pragma once

enum demangle_mode {
	DEMANGLE_FULL,
	DEMANGLE_SIMPLE, /* without parameters and return types, template arguments as "<...>" */
	DEMANGLE_NONE,	 /* as in the file */
	DEMANGLE_MODE_COUNT
};
