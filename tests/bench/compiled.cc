// SPDX-License-Identifier: Apache-2.0
// Templates over the standard library, eight seconds of work for a compiler: compiled, never run.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <unsigned N> struct layer {
	using value = std::variant<long, double, std::string, std::vector<std::tuple<char, std::integral_constant<unsigned, N>>>>;
	using table = std::map<std::string, std::vector<value>, std::greater<>>;

	static long visit(const table &values)
	{
		std::vector<std::pair<std::string, long>> sums;

		for (const auto &[name, list] : values)
			for (const auto &one : list)
				sums.emplace_back(name, std::visit([](const auto &held) -> long { return sizeof(held) + N; }, one));
		std::sort(sums.begin(), sums.end(), [](const auto &a, const auto &b) { return a.second % (N + 1) < b.second % (N + 1); });
		std::function<long(long)> next = [&](long sum) { return sum + layer<N - 1>::visit({}); };
		return sums.empty() ? next(N) : next(sums.front().second);
	}
};
template <> struct layer<0> {
	using table = std::map<std::string, std::vector<long>>;
	static long visit(const table &) { return 0; }
};
int main(int argc, char **argv)
{
	std::regex word("a+(b|c)*d");
	std::cout << layer<20>::visit({}) + std::regex_match(argv[argc - 1], word) << "\n";
}
