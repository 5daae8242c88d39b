/* SPDX-License-Identifier: Apache-2.0 */
/* The assembler reads the files, by paths from the top of the tree, where make runs; the compiler's list of
 * dependencies does not know them, the Makefile does. */
#include "encode/flamegraph_page.h"

#define EMBED(name, path)                                                                                              \
	__asm__(".pushsection .rodata\n"                                                                               \
		".hidden " #name "\n.global " #name "\n"                                                               \
		".hidden " #name "_end\n.global " #name "_end\n" #name ":\n"                                           \
		".incbin \"" path "\"\n" #name "_end:\n"                                                               \
		".byte 0\n"                                                                                            \
		".popsection\n")

EMBED(flamegraph_html, "src/encode/page/flamegraph.html");
EMBED(flamegraph_css, "src/encode/page/flamegraph.css");
EMBED(flamegraph_js, "src/encode/page/flamegraph.js");
