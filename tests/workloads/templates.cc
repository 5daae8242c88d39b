// SPDX-License-Identifier: Apache-2.0
// Recursive templates over the standard library: deep stacks in a compiler that translates it, and when it runs, long
// names of functions that call each other in many ways.
#include "chain.h"
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

namespace
{

struct leaf {
	uint64_t value;
};
struct node;
using tree = std::variant<leaf, std::unique_ptr<node>>;
struct node {
	tree left, right;
};

template <unsigned Depth> LINK tree grow(uint64_t x)
{
	if (x % 7 == 0)
		return leaf{x};
	return std::make_unique<node>(node{grow<Depth - 1>(x * 3 + 1), grow<Depth - 1>(x * 5 + 2)});
}

template <> LINK tree grow<0>(uint64_t x)
{
	return leaf{spin(x)};
}

struct total {
	uint64_t operator()(const leaf &at) const
	{
		return at.value;
	}
	uint64_t operator()(const std::unique_ptr<node> &at) const
	{
		return std::visit(*this, at->left) + std::visit(*this, at->right);
	}
};

template <typename T, typename... Rest> LINK uint64_t sort_all(std::vector<T> values, std::vector<Rest>... rest)
{
	std::stable_sort(values.begin(), values.end(), std::greater<T>());
	std::sort(values.begin(), values.end(), [](const T &a, const T &b) { return a < b; });
	if constexpr (sizeof...(rest) > 0)
		return values.size() + sort_all(std::move(rest)...);
	else
		return values.size();
}

LINK uint64_t index_words(uint64_t x)
{
	std::map<std::string, std::vector<uint64_t>> index;

	for (uint64_t i = 0; i < 300; i++)
		index["word " + std::to_string((x + i * 7919) % 101)].push_back(i);
	return std::accumulate(index.begin(), index.end(), uint64_t(0),
			       [](uint64_t sum, const auto &entry) { return sum + entry.second.size(); });
}

LINK uint64_t apply(const std::vector<std::function<uint64_t(uint64_t)>> &steps, uint64_t x)
{
	for (const auto &step : steps)
		x += step(x);
	return x;
}

} // namespace

int main(int argc, char **argv)
{
	const std::vector<std::function<uint64_t(uint64_t)>> steps = {
		[](uint64_t x) { return std::visit(total(), grow<9>(x)); },
		[](uint64_t x) { return index_words(x); },
		[](uint64_t x) {
			std::vector<uint64_t> numbers(200);
			std::vector<std::string> texts;

			std::iota(numbers.begin(), numbers.end(), x % 1000);
			for (uint64_t number : numbers)
				texts.push_back(std::to_string(number * 2654435761u));
			return sort_all(numbers, texts, std::vector<double>(numbers.rbegin(), numbers.rend()));
		},
	};
	uint64_t x = 1;

	end_after(argc, argv);
	while (is_alive())
		x = apply(steps, x);
	return x == 0;
}
