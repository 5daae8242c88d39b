/* SPDX-License-Identifier: Apache-2.0 */
/* What addresses of a file are called, printed as addr2line -fiC does: two lines for each function, what was inlined
 * first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct file_session;

struct address_names_options {
	bool json;	     /* an object for each address, one a line */
	bool with_addresses; /* each address before its functions */
};

/* "0x1234", "1234": up to 16 hexadecimal digits. */
bool address_names_parse(const char *text, uint64_t *ret);

/* Asks the session, which has the file, and prints to stdout. -ENOMEM; the object's error (-ESTALE, -ENOEXEC …); those
 * of file_session_receive(). */
int address_names_show(struct file_session *session, const struct address_names_options *options,
		       const uint64_t *addresses, size_t n);
/* The same for addresses on a stream, separated by blanks or newlines. -EINVAL: *ret_bad, the caller's to free, is not
 * one; what stands before it has been shown. */
int address_names_show_stream(struct file_session *session, const struct address_names_options *options, FILE *from,
			      char **ret_bad);
