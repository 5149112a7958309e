# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The ImportOS authors
#
# unittest: test cases in the manner of CPython's module of that name, as far as tests that run on
# the machine need it. Written for MicroPython; the report has the form that its test runner reads.

import sys

_RULE = const(70)  # dashes  # noqa: F821


class SkipTest(Exception):
    pass


class _Raises:
    # The context of assertRaises().
    def __init__(self, expected):
        self.expected = expected
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.exception = value
        if kind is None:
            raise AssertionError("%r not raised" % self.expected)
        return issubclass(kind, self.expected)


class _SubTest:
    # The context of subTest(): a failure inside is noted and the test goes on.
    def __init__(self, case, parameters):
        self.case = case
        self.parameters = parameters

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None or self.case._result is None or not issubclass(kind, Exception):
            return False
        self.case._result._note(self.case, value, str(self.parameters))
        return True


def _close(x, y, places, delta):
    if delta is None:
        return x == y or round(abs(y - x), 7 if places is None else places) == 0
    if places is not None:
        raise TypeError("delta or places, not both")
    return abs(x - y) <= delta


class TestCase:
    _result = None

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def subTest(self, msg=None, **parameters):
        return _SubTest(self, msg or parameters)

    def skipTest(self, reason):
        raise SkipTest(reason)

    def addCleanup(self, function, *args, **kwargs):
        self._cleanups.append((function, args, kwargs))

    def doCleanups(self):
        while self._cleanups:
            function, args, kwargs = self._cleanups.pop()
            function(*args, **kwargs)

    def fail(self, msg=None):
        raise AssertionError(msg)

    def _check(self, ok, msg, text, *values):
        if not ok:
            raise AssertionError(msg or text % values)

    def assertEqual(self, x, y, msg=None):
        self._check(x == y, msg, "%r vs (expected) %r", x, y)

    def assertNotEqual(self, x, y, msg=None):
        self._check(x != y, msg, "%r not expected to be equal to %r", x, y)

    def assertLess(self, x, y, msg=None):
        self._check(x < y, msg, "%r is not less than %r", x, y)

    def assertLessEqual(self, x, y, msg=None):
        self._check(x <= y, msg, "%r is greater than %r", x, y)

    def assertGreater(self, x, y, msg=None):
        self._check(x > y, msg, "%r is not greater than %r", x, y)

    def assertGreaterEqual(self, x, y, msg=None):
        self._check(x >= y, msg, "%r is less than %r", x, y)

    def assertAlmostEqual(self, x, y, places=None, msg=None, delta=None):
        self._check(_close(x, y, places, delta), msg, "%r is not close to %r", x, y)

    def assertNotAlmostEqual(self, x, y, places=None, msg=None, delta=None):
        self._check(not _close(x, y, places, delta), msg, "%r is close to %r", x, y)

    def assertIs(self, x, y, msg=None):
        self._check(x is y, msg, "%r is not %r", x, y)

    def assertIsNot(self, x, y, msg=None):
        self._check(x is not y, msg, "%r is %r", x, y)

    def assertIsNone(self, x, msg=None):
        self._check(x is None, msg, "%r is not None", x)

    def assertIsNotNone(self, x, msg=None):
        self._check(x is not None, msg, "%r is None", x)

    def assertTrue(self, x, msg=None):
        self._check(x, msg, "%r is not true", x)

    def assertFalse(self, x, msg=None):
        self._check(not x, msg, "%r is not false", x)

    def assertIn(self, x, y, msg=None):
        self._check(x in y, msg, "%r is not in %r", x, y)

    def assertNotIn(self, x, y, msg=None):
        self._check(x not in y, msg, "%r is in %r", x, y)

    def assertIsInstance(self, x, kind, msg=None):
        self._check(isinstance(x, kind), msg, "%r is not an instance of %r", x, kind)

    def assertRaises(self, expected, function=None, *args, **kwargs):
        context = _Raises(expected)
        if function is None:
            return context
        with context:
            function(*args, **kwargs)

    def assertWarns(self, warning):
        return _SubTest(self, {})  # MicroPython has no warnings to catch


def skip(reason):
    def decorate(item):
        if isinstance(item, type):
            item._skip = reason
            return item

        def skipped(self):
            raise SkipTest(reason)

        return skipped

    return decorate


def _keep(item):
    return item


def skipIf(condition, reason):
    return skip(reason) if condition else _keep


def skipUnless(condition, reason):
    return _keep if condition else skip(reason)


def expectedFailure(test):
    def expected(self):
        try:
            test(self)
        except Exception:
            return
        raise AssertionError("unexpected success")

    return expected


class TestResult:
    def __init__(self):
        self.testsRun = 0
        self.errors = []
        self.failures = []
        self.skipped = []
        self.failuresNum = self.errorsNum = self.skippedNum = 0

    def wasSuccessful(self):
        return not self.errors and not self.failures

    def _note(self, case, exception, name):
        # File (exception) under failures or errors.
        failed = isinstance(exception, AssertionError)
        (self.failures if failed else self.errors).append((name, exception))
        self.failuresNum = len(self.failures)
        self.errorsNum = len(self.errors)
        print("FAIL" if failed else "ERROR", end=" ")
        sys.print_exception(exception)

    def _skip(self, name, reason):
        self.skipped.append((name, reason))
        self.skippedNum = len(self.skipped)
        print("skipped:", reason)

    def _run_one(self, case, method, name):
        self.testsRun += 1
        print(name, end=" ... ")
        before = self.errorsNum + self.failuresNum
        case._cleanups = []
        case._result = self
        try:
            case.setUp()
            try:
                method()
            finally:
                case.tearDown()
                case.doCleanups()
        except SkipTest as skipped:
            return self._skip(name, skipped.args[0] if skipped.args else "")
        except Exception as exception:
            return self._note(case, exception, name)
        if self.errorsNum + self.failuresNum == before:
            print("ok")

    def _run_class(self, kind):
        case = kind()
        if hasattr(kind, "setUpClass"):
            kind.setUpClass()
        for attribute in dir(case):
            if attribute.startswith("test"):
                name = "%s (%s)" % (attribute, kind.__name__)
                if hasattr(kind, "_skip"):
                    self.testsRun += 1
                    self._skip(name, kind._skip)
                else:
                    self._run_one(case, getattr(case, attribute), name)
        if hasattr(kind, "tearDownClass"):
            kind.tearDownClass()

    def _report(self):
        print("-" * _RULE)
        print("Ran %d tests\n" % self.testsRun)
        if self.wasSuccessful():
            text = "OK"
        else:
            text = "FAILED (failures=%d, errors=%d)" % (self.failuresNum, self.errorsNum)
        if self.skipped:
            text += " (skipped=%d)" % self.skippedNum
        print(text)


class TestSuite:
    def __init__(self, name=""):
        self.name = name
        self._classes = []

    def addTest(self, kind):
        self._classes.append(kind)

    def run(self, result):
        for kind in self._classes:
            result._run_class(kind)
        return result


class TestRunner:
    def run(self, suite):
        result = suite.run(TestResult())
        result._report()
        return result


TextTestRunner = TestRunner


def main(module="__main__", testRunner=None):
    if isinstance(module, str):
        package = __import__(module)
        module = sys.modules.get(module, package)  # __main__ is not there
    suite = TestSuite()
    for name in dir(module):
        item = getattr(module, name)
        if isinstance(item, type) and issubclass(item, TestCase) and item is not TestCase:
            suite.addTest(item)
    result = (testRunner or TestRunner()).run(suite)
    sys.exit(not result.wasSuccessful())
