/* SPDX-License-Identifier: Apache-2.0 */
#include "curl_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

int curl_library_load(const struct curl_library **ret)
{
	static const struct {
		const char *name;
		size_t at;
	} functions[] = {
#define CURL_SYMBOL(name) {"curl_" #name, offsetof(struct curl_library, name)},
		CURL_FUNCTIONS(CURL_SYMBOL)
#undef CURL_SYMBOL
	};
	static struct curl_library library;
	static bool is_loaded;
	void *handle;

	if (!is_loaded) {
		handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
		if (!handle)
			return -ENOPKG;
		for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
			void *function = dlsym(handle, functions[i].name);

			if (!function)
				return -ENOPKG;
			memcpy((char *)&library + functions[i].at, &function, sizeof(function));
		}
		if (library.global_init(CURL_GLOBAL_DEFAULT))
			return -ENOMEM;
		is_loaded = true;
	}
	*ret = &library;
	return 0;
}
