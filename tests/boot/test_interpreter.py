# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
"""What port/x86/patches/py makes faster still does the same: names, dictionaries, memory, text."""

from __future__ import annotations

import pytest

RANDOM = """\
state = 7

def pick(n):
    global state
    state = (state * 1103515245 + 12345) & 0x7FFFFFFF
    return (state >> 8) % n

"""

NAMES = {
    "a global hides a builtin from the moment on that it is there": """\
space = {}
exec("def f(): return len('abc')", space)
assert space["f"]() == 3
exec("def len(x): return 42", space)
assert space["f"]() == 42
del space["len"]
assert space["f"]() == 3
exec("globals()['repr'] = lambda x: 'mine'", space)
exec("assert repr(1) == 'mine'", space)
assert repr(1) == "1"
""",
    "the names in a copy of a constant dictionary are found": """\
import sys
names = sys.__dict__.copy()
exec("found = implementation[0]", names)
assert names["found"] == "micropython"
""",
    "an attribute hides a method, and no longer when it is deleted": """\
class A:
    def method(self):
        return 1

    def call(self):
        return self.method()

a = A()
assert a.call() == 1
a.method = lambda: 2
assert a.call() == 2 and A().call() == 1
del a.method
assert a.call() == 1
""",
    "an attribute by another name of the same letters is found": """\
class A:
    def __init__(self):
        object.__setattr__(self, "".join(["wei", "rd"]), 9)

assert A().weird == 9
""",
    "an instance has as many attributes as it wants": """\
class A:
    def __init__(self, n):
        for i in range(n):
            setattr(self, "n%d" % i, i)

for n in (0, 3, 100, 1, 33, 0, 7):
    a = A(n)
    a.last = n
    assert [getattr(a, "n%d" % i) for i in range(n)] == list(range(n))
    assert a.last == n and not hasattr(a, "n%d" % n) and len(a.__dict__) == n + 1
""",
    "what a class lacks is asked of __getattr__, until it has it": """\
class A:
    def __getattr__(self, name):
        return name

assert A().thing == "thing"
A.thing = 3
assert A().thing == 3
""",
}

DICTIONARIES = """\
class Key:
    def __init__(self, value):
        self.value = value

    def __hash__(self):
        return self.value % 5

    def __eq__(self, other):
        return isinstance(other, Key) and other.value == self.value

WORDS = ("append", "x", "self", "len", "print", "key", "the", "update")

def some_key():
    kind, n = pick(9), pick(60)
    text = "key number " + str(n)
    word = WORDS[n % 8]
    return (
        (n, ("number", n)),
        (float(n), ("number", n)),
        ((n, str(n)), ("tuple", n)),
        (Key(n), ("key", n)),
        (word, ("text", word)),
        (bytes([n]), ("bytes", n)),
        (text, ("text", text)),
        ((word + " ")[:-1], ("text", word)),
        (text * 30, ("text", text * 30)),
    )[kind]

for turn in range(12):
    real = {}
    model = []  # pairs of what a key is, and its value
    for i in range(600):
        key, what = some_key()
        at = [j for j, pair in enumerate(model) if pair[0] == what]
        value = model[at[0]][1] if at else None
        action = pick(10)
        if action < 5:
            real[key] = i
            if at:
                model[at[0]] = (what, i)
            else:
                model.append((what, i))
        elif action < 8 or turn % 2:
            assert real.get(key) == value and (key in real) == bool(at)
        else:
            assert real.pop(key, None) == value
            if at:
                model.pop(at[0])
        assert len(real) == len(model)
    assert real.copy() == real
"""

MEMORY = """\
import gc, micropython

def filled(i, size):
    block = bytearray(size)
    assert not any(block)
    for j in range(size):
        block[j] = i & 255
    return i, block

def check(pair):
    i, block = pair
    assert block == bytes([i & 255]) * len(block)

live = {}
for i in range(6000):
    slot = pick(500)
    if slot in live:
        check(live.pop(slot))
    else:
        live[slot] = filled(i, pick(300) if pick(30) else pick(20000))
    if pick(1000) == 0:
        gc.collect()
for pair in live.values():
    check(pair)
kept = []
for i in range(4000):
    kept.append([i, float(i), str(i), (i, i + 1, i + 2, i + 3, i + 4)])
    if i % 3 == 0:
        kept[i // 2] = None
for i, item in enumerate(kept):
    assert item is None or item == [i, i + 0.0, str(i), (i, i + 1, i + 2, i + 3, i + 4)]
assert micropython.mem_current() <= micropython.mem_peak() <= micropython.mem_total()
peak = micropython.mem_peak()
block = bytearray(1 << 20)
assert micropython.mem_peak() >= peak + (1 << 20) or micropython.mem_current() < peak
"""

TEXT = """\
texts = ["", "a", "abcdefgh" * 9, "abcdefg\\u00e9hijklmnop" * 5]
for text in texts + ["\\u20ac" * 20, "12345678\\U0001f600" * 3]:
    letters = [c for c in text]
    assert len(text) == len(letters) and "".join(letters) == text
    for i in range(len(letters)):
        assert text[i] == letters[i] and text[i - len(letters)] == letters[i]
        assert text[i:] == "".join(letters[i:]) and text[:i] == "".join(letters[:i])
    data = text.encode()
    assert data.decode() == text == str(data, "utf-8")
    for cut in range(1, len(data)):
        try:
            data[:cut].decode()
        except UnicodeError:
            assert data[cut] & 0xC0 == 0x80
        else:
            assert data[cut] & 0xC0 != 0x80
for size in (1, 31, 32, 33, 255, 256, 300):
    text = "k" * size
    assert {text: 1}["k" * (size - 1) + "k"] == 1 == {text.encode(): 1}[("k" * size).encode()]
    assert hash(text) == hash("k" * size) and hash(text.encode()) == hash(("k" * size).encode())
"""

CALLS = """\
def of_1(a):
    b = a
    return b

def of_3(a, b, c):
    return a * 100 + b * 10 + c

def unset(a):
    if a:
        b = 1
    return b

def many(a, b, c, d, e=5, *rest, f=6, **more):
    return a, b, c, d, e, rest, f, more

assert of_1(1) == 1 and of_3(1, 2, 3) == of_3(1, c=3, b=2) == 123
assert unset(1) == 1
for function, arguments in ((of_1, ()), (of_1, (1, 2)), (of_3, (1,)), (many, (1,))):
    try:
        function(*arguments)
    except TypeError:
        pass
    else:
        raise AssertionError(function)
try:
    unset(0)
except NameError:
    pass
else:
    raise AssertionError
assert many(1, 2, 3, 4) == (1, 2, 3, 4, 5, (), 6, {})
assert many(1, 2, 3, 4, 0, 7, f=8, g=9) == (1, 2, 3, 4, 0, (7,), 8, {"g": 9})
"""

LOOPS = """\
class Fails:
    def __bool__(self):
        raise KeyError

def in_if(thing):
    n = 0
    while n < 3:
        n += 1
    if thing:
        n += 1

def in_or(thing):
    for i in range(3):
        pass
    return (
        thing or i
    )

def in_name(do):
    if do:
        here = 1
    for i in range(2):
        pass
    return here

def in_for(things):
    got = []
    for x in things:
        got.append(x)
    return got[9]

def line(function, argument):
    import io, sys
    out = io.StringIO()
    try:
        function(argument)
    except Exception as e:
        sys.print_exception(e, out)
    frames = [x for x in out.getvalue().split("\\n") if "in " + function.__name__ in x]
    return int(frames[-1].split("line ")[1].split(",")[0])

first = line(in_if, Fails())
assert line(in_or, Fails()) - first == 7
assert line(in_name, 0) - first == 15
assert line(in_for, {1: 2}) - first == 21

# An exception that comes in a handler is not for that handler again.
def handlers():
    done = []
    for i in range(3):
        try:
            try:
                if i or Fails():
                    done.append(i)
                    raise IndexError
            except KeyError:
                done.append("key")
                if Fails():
                    pass
            finally:
                done.append("finally")
        except (KeyError, IndexError) as e:
            done.append(type(e).__name__)
    return done

done = handlers()
assert done[:4] == ["key", "finally", "KeyError", 1]
assert done[4:] == ["finally", "IndexError", 2, "finally", "IndexError"]

def inner():
    try:
        got = yield 1
        while True:
            got = yield got
    except ValueError:
        yield "caught"
    finally:
        yield "finally"

def outer():
    return (yield from inner())

g = outer()
assert next(g) == 1 and g.send(7) == 7 and g.throw(ValueError) == "caught"
assert next(g) == "finally" and list(g) == []
g = outer()
try:
    g.throw(KeyError)
except KeyError:
    pass
assert list(g) == []

class Changes:
    def __init__(self, things):
        self.things = things

    def __eq__(self, other):
        self.things.clear()
        return False

things = [1, 2, 3]
things[0] = Changes(things)
assert 5 not in things and things == []
assert 2 in [1, 2] and 3 not in (1, 2) and True in [1] and "a" in ["b", "a"] and None not in []
nan = float("nan")
assert 1 in (1.0,) and nan not in [0.0] and [] in ([],)
"""


@pytest.mark.parametrize("code", NAMES.values(), ids=NAMES)
def test_names(guest, code):
    assert guest.exec(code + "print('right')").strip() == "right"


@pytest.mark.parametrize(
    "code",
    [DICTIONARIES, MEMORY, TEXT, CALLS, LOOPS],
    ids=["dictionaries", "memory", "text", "calls", "loops"],
)
def test_as_before(guest, code):
    assert guest.exec(RANDOM + code + "print('right')").strip() == "right"
