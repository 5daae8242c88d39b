/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl, loaded when the network is wanted: linked with it (and so with OpenSSL and the twenty libraries behind both)
 * every process of ours would carry their pages, 2 MB each, though one alone uses them. */
#pragma once

#include <curl/curl.h>

/* The functions, by their names without "curl_". */
/* clang-format off */
#define CURL_FUNCTIONS(F) \
	F(global_init) \
	F(easy_init) F(easy_setopt) F(easy_getinfo) F(easy_cleanup) \
	F(multi_init) F(multi_add_handle) F(multi_remove_handle) F(multi_perform) F(multi_poll) F(multi_info_read) \
	F(multi_cleanup) \
	F(slist_append) F(slist_free_all) \
	F(url) F(url_set) F(url_get) F(url_cleanup) F(free)
/* clang-format on */

/* curl.h makes macros of these for C; pointers are called as members. */
struct curl_library {
#define CURL_POINTER(name) __typeof__(&(curl_##name)) name;
	CURL_FUNCTIONS(CURL_POINTER)
#undef CURL_POINTER
};

/* Loads and initialises it, once in a process; it stays. -ENOPKG: it is not installed, or too old. */
int curl_library_load(const struct curl_library **ret);
