# SPDX-License-Identifier: Apache-2.0
"""Call chains that a workload is known to have, and the comparison of sampled stacks with them.

A chain is written as names from the root to the leaf. A word in brackets stands for a function of a library, [libc], with
a plus for one or more of them, [libc]+; [plt] is code of the program that has no name, [rest] a function of the program
that no chain names (a static libc, a language's own library). A sampled stack is whole when it is the beginning of a
chain: the leaf may be anywhere behind the root, no caller may be missing."""
import re

SHARED = {
    "libc": r"libc\.so\.6|libc\.so|ld-musl.*",
    "ld": r"ld-linux.*",
    "vdso": r"\[vdso\].*",
    "crypto": r"libcrypto\.so.*|libc\.so\.6|\[vdso\].*",
    "startup": r"libc\.so\.6|ld-linux.*",
    "rest": r"\[vdso\].*",
    "runtime": r"libstdc\+\+\.so.*|libgcc_s\.so.*|libc\.so\.6|ld-linux.*",
}


class Chains:
    """program: regular expression of the base names of the workload's own files. below: what may be the leaf anywhere.
    same: other words for [rest], where a program is linked statically with what is a library elsewhere. anywhere: names
    that count as [rest] too. may_end: the word at which a stack may end for a stated reason."""

    def __init__(self, root, chains, program, below="[plt]", same=(), anywhere=(), may_end=None):
        self.root, self.program, self.below, self.may_end = root.split(), program, below, may_end
        self.same, self.anywhere = {*same, "rest"}, {*anywhere}
        self.chains = [self.root + chain.split() for chain in chains]
        self.words = set().union(*self.chains, [below])
        self.own = {word for word in self.words if word[0] != "["} - self.anywhere
        # Who may stand above whom; for the stacks that are not whole.
        self.edges = {(word, below) for word in self.words} | {(word, word) for word in self.words if word[-1] == "+"}
        for chain in self.chains:
            self.edges.update(zip(chain, chain[1:]))
        self.known, self.pairs = {}, {}

    def _fits(self, frame, word):
        is_program = bool(re.fullmatch(self.program, frame.module))
        if word[0] != "[":
            return is_program and frame.name == word
        library = word.strip("[]+")
        if is_program:
            return library == "plt" and not frame.name or \
                library in self.same and frame.name not in self.own and (bool(frame.name) or "" in self.anywhere)
        return library in SHARED and bool(re.fullmatch(SHARED[library], frame.module))

    def words_of(self, frame):
        """what this frame may stand for"""
        if frame not in self.known:
            self.known[frame] = frozenset(word for word in self.words if self._fits(frame, word))
        return self.known[frame]

    def _begins(self, chain, frames):
        at, is_below = 0, False
        for frame in frames:
            words = self.words_of(frame)
            if at < len(chain) and chain[at] in words and not is_below:
                at += 1
            elif at and chain[at - 1][-1] == "+" and chain[at - 1] in words and not is_below:
                pass
            elif self.below in words and (not is_below or self.below[-1] == "+"):
                is_below = True
            else:
                return False
        return at > len(self.root)

    def is_whole(self, stack):
        if stack.end and not (stack.frames and self.may_end in self.words_of(stack.frames[0])):
            return False
        return any(self._begins(chain, stack.frames) for chain in self.chains)

    def _may_call(self, pair):
        if pair not in self.pairs:
            caller, callee = map(self.words_of, pair)
            self.pairs[pair] = any(a in caller and b in callee for a, b in self.edges)
        return self.pairs[pair]

    def wrong_pair(self, stack):
        """the first caller and callee of whom the one cannot have called the other, or None"""
        return next((pair for pair in zip(stack.frames, stack.frames[1:]) if not self._may_call(pair)), None)
