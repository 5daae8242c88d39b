/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>

#include "symbol/demangle.h"

static void names_become_readable(void **state)
{
	static const struct {
		const char *mangled, *readable;
	} cases[] = {
		/* C++ */
		{"_ZN3foo3barEi", "foo::bar(int)"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back(int const&)"},
		{"_ZNKSt8__detail20_Prime_rehash_policy14_M_need_rehashEmmm",
		 "std::__detail::_Prime_rehash_policy::_M_need_rehash(unsigned long, unsigned long, unsigned long) "
		 "const"},
		{"_ZN3foo3barEi.cold", "foo::bar(int) [clone .cold]"},
		{"_ZN3foo3barEi.llvm.1234", "foo::bar(int) [clone .llvm.1234]"},
		{"_ZN3foo3barEi.constprop.0.isra.1", "foo::bar(int) [clone .constprop.0] [clone .isra.1]"},
		{"_Z4mainv", "main()"},
		/* Rust, legacy: the hash is cut */
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE.llvm.123456", "core::fmt::Write::write_fmt"},
		{"_ZN50_$LT$T$u20$as$u20$core..convert..Into$LT$U$GT$$GT$4into17h0123456789abcdefE",
		 "<T as core::convert::Into<U>>::into"},
		/* Rust, v0 */
		{"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
		{"_RNvMsr_NtCs3ssYzQotkvD_3std4pathNtB5_7PathBuf3new", "<std::path::PathBuf>::new"},
		{"_RNvYNtC1a1bNtC1c1d1e", "<a::b as c::d>::e"},
		{"_RNvXs_C1aINtB4_1bhKj10_ENtC1c1d1e", "<a::b<u8, 16> as c::d>::e"},
		{"_RINvC1a1fRTDNtC1b1cp1dmEL_FUKCAhj3_EzEEC1x",
		 "a::f::<&(dyn b::c<d = u32>, unsafe extern \"C\" fn([u8; 3]) -> !)>"},
		{"_RNCNvC1a1b0.llvm.42", "a::b::{closure#0}"},
		{"_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
		 "utf8_idents::"
		 "\xe1\x83\xa1\xe1\x83\x90\xe1\x83\xad\xe1\x83\x9b\xe1\x83\x94\xe1\x83\x9a\xe1\x83\x90\xe1\x83\x93"
		 "_\xe1\x83\x92\xe1\x83\x94\xe1\x83\x9b\xe1\x83\xa0\xe1\x83\x98\xe1\x83\x94\xe1\x83\x9a\xe1\x83\x98_"
		 "\xe1\x83\xa1"
		 "\xe1\x83\x90\xe1\x83\x93\xe1\x83\x98\xe1\x83\x9a\xe1\x83\x98"},
		/* D */
		{"_D3std5stdio7writelnFZv", "std.stdio.writeln()"},
		{"_D4test3fooAa", "test.foo"},
		{"_Dmain", "D main"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[DEMANGLE_MAX_OUTPUT] = "";
		int is_readable = demangle(cases[i].mangled, DEMANGLE_FULL, name, sizeof(name));

		if (!is_readable || strcmp(name, cases[i].readable) != 0)
			fail_msg("%s: '%s', not '%s'", cases[i].mangled, name, cases[i].readable);
	}
}

static void other_names_stay_as_they_are(void **state)
{
	static const char *const names[] = {
		"",	     "_",	 "_Z",	     "main",	  "_start",  "memcpy@plt",
		"_ZN",	     "_D",	 "_R",	     "_Zebra",	  "_Dynamo", "_Rune",
		"__ZN3fooE", "ZN3fooEv", "foo.cold", "_ZN3fooE.", "17h0123", "_GLOBAL__sub_I_x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[64];

		assert_int_equal(demangle(names[i], DEMANGLE_FULL, name, sizeof(name)), 0);
		assert_string_equal(name, names[i]);
	}
}

static void unchanged_name_is_cut_to_the_buffer(void **state)
{
	char name[5];

	(void)state;
	assert_int_equal(demangle("a_long_name", DEMANGLE_FULL, name, sizeof(name)), 0);
	assert_string_equal(name, "a_lo");
	assert_int_equal(demangle("_ZN3foo3barEi", DEMANGLE_FULL, name, sizeof(name)),
			 0); /* "foo::bar(int)" does not fit */
	assert_string_equal(name, "_ZN3");
	assert_int_equal(demangle("_ZN3foo3barEi", DEMANGLE_FULL, name, 0), 0);
}

/* Names of n parts, each of which is the one before, twice: 2^n in a few hundred bytes. */

struct name {
	char text[1024];
	size_t len;
};

static void append(struct name *name, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	name->len += (size_t)vsnprintf(name->text + name->len, sizeof(name->text) - name->len, format, args);
	va_end(args);
	assert_true(name->len < sizeof(name->text));
}

static void make_cpp(struct name *name, size_t n)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	append(name, "_Z1fSt4pairIiiE");
	for (size_t i = 0; i < n && digits[i]; i++)
		append(name, "S_IS%c_S%c_E", digits[i], digits[i]);
}

static void make_rust(struct name *name, size_t n)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t before = 0;

	append(name, "_RINvC1a1f");
	for (size_t i = 0; i < n; i++) {
		size_t at = name->len - 2; /* positions count from behind _R; they are written less one */
		char reference[4] = {digits[(before - 1) / 62 % 62], digits[(before - 1) % 62], '_', '\0'};

		if (i)
			append(name, "TB%sB%sE", reference, reference);
		else
			append(name, "TmmE");
		before = at;
	}
	append(name, "E");
}

static void make_d(struct name *name, size_t n)
{
	size_t before;

	append(name, "_D1a1fF");
	before = name->len;
	append(name, "G1i");
	for (size_t i = 0; i < n; i++) { /* an associative array of the type before by the type before */
		size_t at = name->len;

		append(name, "H");
		append(name, "Q%c", (int)('a' + name->len - before));
		append(name, "Q%c", (int)('a' + name->len - before));
		before = at;
	}
	append(name, "Zv");
}

static void names_that_double_themselves_stay_mangled(void **state)
{
	static void (*const makers[])(struct name * name, size_t n) = {make_cpp, make_rust, make_d};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		static const size_t counts[] = {3, 12, 60};

		for (size_t c = 0; c < 3; c++) {
			struct name name = {.len = 0};
			char readable[DEMANGLE_MAX_OUTPUT];

			makers[i](&name, counts[c]);
			/* The small one shows that it would be printed. */
			assert_int_equal(demangle(name.text, DEMANGLE_FULL, readable, sizeof(readable)),
					 counts[c] == 3);
			if (counts[c] != 3)
				assert_string_equal(readable, name.text);
		}
	}
}

static void names_with_countless_lifetimes_stay_mangled(void **state)
{
	char name[DEMANGLE_MAX_OUTPUT];

	(void)state;
	assert_int_equal(demangle("_RMC0FG0_Eu", DEMANGLE_FULL, name, sizeof(name)), 1);
	assert_string_equal(name, "<for<'a, 'b> fn()>");
	assert_int_equal(demangle("_RMC0FGZZZZZZZ_Eu", DEMANGLE_FULL, name, sizeof(name)), 0);
	assert_string_equal(name, "_RMC0FGZZZZZZZ_Eu");
	/* Where libiberty prints nothing: the path of an impl. */
	assert_int_equal(demangle("_RMIC0FGZZZZZZZ_EuEu", DEMANGLE_FULL, name, sizeof(name)), 0);
	assert_int_equal(demangle("_RMIC0FG0_EuEu", DEMANGLE_FULL, name, sizeof(name)), 1);
	/* Not a binder but a name. */
	assert_int_equal(demangle("_RNvC1a13GlobalState_x", DEMANGLE_FULL, name, sizeof(name)), 1);
	assert_string_equal(name, "a::GlobalState_x");
}

static void too_long_or_too_deep_names_stay_mangled(void **state)
{
	char *mangled = malloc(DEMANGLE_MAX_INPUT + 64), name[DEMANGLE_MAX_OUTPUT];

	(void)state;
	assert_non_null(mangled);
	memset(mangled, 'P', DEMANGLE_MAX_INPUT + 63);
	mangled[DEMANGLE_MAX_INPUT + 63] = '\0';
	for (size_t i = 0; i < 3; i++) {
		static const char *const starts[] = {"_Z1f", "_D1a1fF", "_RYYYY"};

		memcpy(mangled, starts[i], strlen(starts[i]));
		assert_int_equal(demangle(mangled, DEMANGLE_FULL, name, sizeof(name)), 0);
		assert_int_equal(strlen(name), sizeof(name) - 1);
		mangled[3000] = '\0';
		assert_int_equal(demangle(mangled, DEMANGLE_FULL, name, sizeof(name)), 0);
		mangled[3000] = 'P';
	}
	free(mangled);
}

static void each_mode_shows_as_much_as_it_says(void **state)
{
	static const struct {
		const char *mangled, *modes[DEMANGLE_MODE_COUNT];
	} cases[] = {
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 {"std::vector<int, std::allocator<int> >::push_back(int const&)", "std::vector<...>::push_back",
		  "_ZNSt6vectorIiSaIiEE9push_backERKi"}},
		{"_Z1fIiEvT_", {"void f<int>(int)", "f<...>", "_Z1fIiEvT_"}},
		{"_RNvXs_C1aINtB4_1bhKj10_ENtC1c1d1e",
		 {"<a::b<u8, 16> as c::d>::e", "<a::b<...> as c::d>::e", "_RNvXs_C1aINtB4_1bhKj10_ENtC1c1d1e"}},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
		 {"core::fmt::Write::write_fmt", "core::fmt::Write::write_fmt",
		  "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"}},
		{"_D3std5stdio7writelnFZv", {"std.stdio.writeln()", "std.stdio.writeln", "_D3std5stdio7writelnFZv"}},
		{"main", {"main", "main", "main"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (enum demangle_mode mode = 0; mode < DEMANGLE_MODE_COUNT; mode++) {
			char name[128];
			bool is_other = strcmp(cases[i].modes[mode], cases[i].mangled) != 0;

			assert_int_equal(demangle(cases[i].mangled, mode, name, sizeof(name)), is_other);
			assert_string_equal(name, cases[i].modes[mode]);
		}
	}
}

#define FIRST "void a::work<foo::an_identifier_of_some_length__aa"

/* A name of `n` bytes or a little more. */
static char *long_cpp_name(size_t n)
{
	char *name = malloc(n + 64);
	size_t len;

	assert_non_null(name);
	len = (size_t)snprintf(name, n + 64, "_ZN1a4workI");
	for (unsigned int i = 0; len < n; i++)
		len += (size_t)snprintf(name + len, 48, "N3foo32an_identifier_of_some_length__%c%cE", 'a' + i / 26 % 26,
					'a' + i % 26);
	snprintf(name + len, 16, "EEvv");
	return name;
}

static void names_beyond_the_limit_of_libiberty_become_readable(void **state)
{
	static const struct {
		size_t bytes;
		const char *starts;
	} cases[] = {{1200, FIRST ", foo::an_identifier_of_some_length__ab"}, {3500, FIRST}, {16000, "a::work<...>"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *mangled = long_cpp_name(cases[i].bytes), name[DEMANGLE_MAX_OUTPUT];

		assert_int_equal(demangle(mangled, DEMANGLE_FULL, name, sizeof(name)), 1);
		assert_memory_equal(name, cases[i].starts, strlen(cases[i].starts));
		assert_int_equal(demangle(mangled, DEMANGLE_SIMPLE, name, sizeof(name)), 1);
		assert_string_equal(name, "a::work<...>");
		free(mangled);
	}
}

/* 2^40 readings of the innermost. */
static void conversions_that_are_read_again_and_again_stay_mangled(void **state)
{
	char mangled[1024], name[DEMANGLE_MAX_OUTPUT];
	size_t len = (size_t)snprintf(mangled, sizeof(mangled), "_ZcvT_I");

	(void)state;
	for (int i = 0; i < 40; i++)
		len += (size_t)snprintf(mangled + len, sizeof(mangled) - len, "T_I");
	len += (size_t)snprintf(mangled + len, sizeof(mangled) - len, "i");
	for (int i = 0; i < 41; i++)
		len += (size_t)snprintf(mangled + len, sizeof(mangled) - len, "E");
	assert_int_equal(demangle(mangled, DEMANGLE_FULL, name, sizeof(name)), 0);
	assert_int_equal(demangle(mangled, DEMANGLE_SIMPLE, name, sizeof(name)), 0);
	/* An ordinary one is none of them. */
	assert_int_equal(demangle("_ZN1AcvT_IiEEv", DEMANGLE_FULL, name, sizeof(name)), 1);
}

static void names_of_other_languages_are_not_altered(void **state)
{
	static const char *const names[] = {
		"camlFoo__bar_123",
		"camlStdlib__List.map_45", /* OCaml */
		"base_GHCziBase_map_info",
		"Main_main1_entry", /* Haskell */
		"__mod_MOD_proc",
		"dgemm_", /* Fortran */
		"fs.File.readAll",
		"std.mem.copy__anon_1234", /* Zig */
		"$s4main3fooyyF",	   /* Swift */
		"java.util.HashMap.getNode",
		"ada__text_io__put_line",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (enum demangle_mode mode = 0; mode < DEMANGLE_MODE_COUNT; mode++) {
			char name[64];

			assert_int_equal(demangle(names[i], mode, name, sizeof(name)), 0);
			assert_string_equal(name, names[i]);
		}
	}
}

static void type_arguments_of_go_are_left_out(void **state)
{
	static const char *const cases[][2] = {
		{"main.main", "main.main"},
		{"main.(*square).area", "main.(*square).area"},
		{"slices.Sort[go.shape.[]int,go.shape.int]", "slices.Sort[...]"},
		{"sync.(*Map[go.shape.string,go.shape.int]).Load.func1", "sync.(*Map[...]).Load.func1"},
		{"a]b[c", "a]b[c"},
		{"a[", "a["},
		{"", ""},
	};
	char readable[64], small[8];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		demangle_go(cases[i][0], DEMANGLE_FULL, readable, sizeof(readable));
		assert_string_equal(readable, cases[i][1]);
	}
	demangle_go("main.Map[int]", DEMANGLE_NONE, readable, sizeof(readable));
	assert_string_equal(readable, "main.Map[int]");
	demangle_go("main.Map[int]", DEMANGLE_SIMPLE, small, sizeof(small));
	assert_string_equal(small, "main.Ma");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_readable),
		cmocka_unit_test(other_names_stay_as_they_are),
		cmocka_unit_test(unchanged_name_is_cut_to_the_buffer),
		cmocka_unit_test(names_that_double_themselves_stay_mangled),
		cmocka_unit_test(names_with_countless_lifetimes_stay_mangled),
		cmocka_unit_test(too_long_or_too_deep_names_stay_mangled),
		cmocka_unit_test(each_mode_shows_as_much_as_it_says),
		cmocka_unit_test(names_beyond_the_limit_of_libiberty_become_readable),
		cmocka_unit_test(conversions_that_are_read_again_and_again_stay_mangled),
		cmocka_unit_test(names_of_other_languages_are_not_altered),
		cmocka_unit_test(type_arguments_of_go_are_left_out),
	};

	return cmocka_run_group_tests_name("demangle", tests, NULL, NULL);
}
