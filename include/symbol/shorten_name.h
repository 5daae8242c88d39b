/* SPDX-License-Identifier: Apache-2.0 */
/* A readable name made shorter: what distinguishes overloads and instances of templates is left out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum name_language { NAME_CPP, NAME_RUST, NAME_D };

/* C++    std::vector<int, std::allocator<int> >::push_back(int const&)   ->   std::vector<...>::push_back
 *        main::{lambda(int)#1}::operator()(int) const                    ->   main::{lambda(...)#1}::operator()
 * Rust   <alloc::vec::Vec<T> as core::clone::Clone>::clone               ->   <alloc::vec::Vec<...> as
 * core::clone::Clone>::clone D      std.algorithm.sort!(int[]).sort(int[])                          ->
 * std.algorithm.sort!(...).sort
 *
 * `[clone .cold]`, ABI tags and "vtable for" stay. false: its brackets do not match, it does not fit, or nothing would
 * be left; `to` is undefined then. */
bool shorten_name(enum name_language language, const char *name, char *to, size_t size);
