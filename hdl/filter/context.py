"""The context of a TCP stream: what the parsers know between two of its frames, in words that a memory keeps.

| word | kept by | holds |
|---|---|---|
| 0 | `Directory` | result of the lookup, first part of a symbol that is not whole |
| 1 | `Order` | quantity and side |
| 2 | `Order` | price, and that it is whole |
| 3 | `Directory` | second part of the symbol, and how much of it has come |
| 4 | `Order` | user_ref |
| 5 | `Order` | message type, place in it, appendage length |
| 6 | `Appendage` | the walk through the TagValues |
| 6 | `Order` | the name of the parent, behind that |
| 7 | `Framer` | the packet |

Words are loaded one a cycle in this order, so that a price is checked anew as soon as words 0 to 2 are there. Word 0 is
saved last: a lookup may go on for some cycles behind its frame.
"""

from amaranth.hdl import Cat, Const

WORDS = 8
WORD_BITS = 36


def keep(m, component, words, first=0):
    """Let the members ``load`` (one strobe for each word) and ``word`` load registers of `component`.

    `words` gives for each number the registers of that word, lowest bits first, from bit `first` on; what is loaded is
    there in the cycle behind its strobe, whatever else would be written. Return all words as they stand, 0 for what is
    not in `words`: the contexts of several components are joined by `|`. Raises ValueError for a word that is too long.
    """
    context = []
    for number in range(WORDS):
        registers = Cat(*words.get(number, ()))
        behind = first + len(registers)
        if behind > WORD_BITS:
            raise ValueError(f"context word {number} must fit {WORD_BITS} bits, not {behind}")
        if number in words:
            with m.If(component.load[number]):
                m.d.sync += registers.eq(component.word[first:])
        context += [Const(0, first), registers, Const(0, WORD_BITS - behind)]
    return Cat(*context)
