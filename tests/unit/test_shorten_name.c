/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "symbol/shorten_name.h"

static void arguments_and_parameters_are_left_out(void **state)
{
	static const struct {
		enum name_language language;
		const char *whole, *simple;
	} cases[] = {
		{NAME_CPP, "main", "main"},
		{NAME_CPP, "foo::bar(int)", "foo::bar"},
		{NAME_CPP, "std::vector<int, std::allocator<int> >::push_back(int const&)",
		 "std::vector<...>::push_back"},
		{NAME_CPP, "a::b() const volatile &&", "a::b"},
		{NAME_CPP, "a::constant() constexpr", "a::constant constexpr"},
		{NAME_CPP, "(anonymous namespace)::f(char)", "(anonymous namespace)::f"},
		{NAME_CPP, "a::(anonymous namespace)::S<(a::E)1>::f()", "a::(anonymous namespace)::S<...>::f"},
		{NAME_CPP, "main::{lambda(int)#1}::operator()(int) const", "main::{lambda(...)#1}::operator()"},
		{NAME_CPP, "f(int)::{lambda()#2}::operator()() const::{lambda(f<int>)#1}::x",
		 "f::{lambda()#2}::operator()::{lambda(...)#1}::x"},
		{NAME_CPP, "foo(int) [clone .cold]", "foo [clone .cold]"},
		{NAME_CPP, "f[abi:cxx11](int)", "f[abi:cxx11]"},
		{NAME_CPP, "vtable for X<int>", "vtable for X<...>"},
		/* Operators are no brackets. */
		{NAME_CPP, "operator<< <char>(A&)", "operator<< <...>"},
		{NAME_CPP, "A<&(operator<(B, C))>::operator>(int)", "A<...>::operator>"},
		{NAME_CPP, "A::operator-><int>()", "A::operator-><...>"},
		{NAME_CPP, "A::operator()(int)", "A::operator()"},
		{NAME_CPP, "A::operator[](int)", "A::operator[]"},
		{NAME_CPP, "A::operator std::vector<int>() const", "A::operator std::vector<...>"},
		{NAME_CPP, "my_operator<int>(int)", "my_operator<...>"},
		{NAME_CPP, "operators<int>(int)", "operators<...>"},
		/* Comparisons neither, nor arrows. */
		{NAME_CPP, "A<((1)>(2))>::f()", "A<...>::f"},
		{NAME_CPP, "A<((1)<(2))>::f()", "A<...>::f"},
		{NAME_CPP, "A<((1)<<(2))>::f()", "A<...>::f"},
		{NAME_CPP, "A<decltype ((x)->y)>::f()", "A<...>::f"},
		{NAME_RUST, "core::fmt::Write::write_fmt", "core::fmt::Write::write_fmt"},
		{NAME_RUST, "<alloc::vec::Vec<T> as core::clone::Clone>::clone",
		 "<alloc::vec::Vec<...> as core::clone::Clone>::clone"},
		{NAME_RUST, "a::f::<&(dyn b::c<d = u32>, fn([u8; 3]) -> !)>", "a::f::<...>"},
		{NAME_RUST, "<(u8, b::c<u8>) as d>::e", "<(u8, b::c<...>) as d>::e"},
		{NAME_RUST, "core::slice::<impl [T]>::iter", "core::slice::<impl [T]>::iter"},
		{NAME_RUST, "a::b::{closure#0}", "a::b::{closure#0}"},
		{NAME_D, "std.stdio.writeln()", "std.stdio.writeln"},
		{NAME_D, "std.algorithm.sort!(\"a < b\", int[]).sort(int[])", "std.algorithm.sort!(...).sort"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char simple[128];

		if (!shorten_name(cases[i].language, cases[i].whole, simple, sizeof(simple)) ||
		    strcmp(simple, cases[i].simple) != 0)
			fail_msg("%s: '%s', not '%s'", cases[i].whole, simple, cases[i].simple);
	}
}

static void what_does_not_match_or_fit_is_not_shortened(void **state)
{
	static const char *const names[] = {"a<b", "a<b(>)", "f(", "f(]", "<", "()", "", "a<{b>}"};
	char simple[64], deep[400];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (shorten_name(NAME_CPP, names[i], simple, sizeof(simple)))
			fail_msg("%s: '%s'", names[i], simple);
	memset(deep, '<', 200);
	memset(deep + 200, '>', 200);
	deep[0] = 'a';
	deep[399] = '\0';
	assert_false(shorten_name(NAME_CPP, deep, simple, sizeof(simple)));
	assert_true(shorten_name(NAME_CPP, "abc(int)", simple, 4));
	assert_string_equal(simple, "abc");
	assert_false(shorten_name(NAME_CPP, "abcd(int)", simple, 4));
	assert_false(shorten_name(NAME_CPP, "abc", simple, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_and_parameters_are_left_out),
		cmocka_unit_test(what_does_not_match_or_fit_is_not_shortened),
	};

	return cmocka_run_group_tests_name("shorten_name", tests, NULL, NULL);
}
