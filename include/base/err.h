/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are negative errno values in an int. */
#pragma once

/* "-EPERM" for -EPERM or EPERM, "0" for 0, "-4711" for a number that libc has no name for.
 * The string is static, or valid until the thread's next call when it is a bare number. */
const char *err_name(int err);
