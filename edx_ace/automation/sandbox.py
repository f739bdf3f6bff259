"""
Internal: the language of templates that staff write, a part of Jinja2 that can neither reach out nor run away.

There are loops, conditions, ``set`` and ``with``, filters and tests. There are no macros, blocks, imports, and no calls
but ``range(…)`` and ``loop.cycle(…)``; a method is asked by its name. What can be looked at is in
`edx_ace.automation.values`, and what one rendering may make and take in `edx_ace.automation.bounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from types import TracebackType
from typing import Any, cast

import jinja2
from django.db import DatabaseError
from jinja2 import nodes
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.visitor import NodeTransformer

from edx_ace.automation import values
from edx_ace.automation.bounds import MAX_ITEMS, MAX_PROBLEMS, MAX_SOURCE_LENGTH, LimitError, NotGivenError, Run, run
from edx_ace.automation.bounds import told as _
from edx_ace.automation.errors import Problem, RenderingError
from edx_ace.automation.filters import CONCAT, EACH, FILTERS, FLAT, join


class Program:
    """A text, read and ready to be rendered."""

    def __init__(self, template: jinja2.Template) -> None:
        self._template = template

    def render(self, given: Mapping[str, Any], put: Callable[[str], str]) -> str:
        """
        Return the text that this makes of *given*, in the active language and time zone.

        Args:
            given: Values by name, of the kinds that `edx_ace.automation.references.resolve` gives.

            put: What becomes of a value where it is put out.

        Raises:
            RenderingError: If it cannot be rendered, naming what is not there.
            DatabaseError: Whatever the database raises when something is looked up.
        """
        this = Run(put)
        token = run.set(this)
        try:
            pieces = []
            with _told_as_problem(self._template):
                admitted = {name: values.admitted(value) for name, value in given.items()}
                for piece in self._template.root_render_func(self._template.new_context(admitted)):
                    this.put_out(len(piece))
                    pieces.append(piece)
        finally:
            run.reset(token)
        return "".join(pieces)


@contextmanager
def _told_as_problem(template: jinja2.Template) -> Iterator[None]:
    try:
        yield
    except (DatabaseError, RenderingError):
        raise  # The database may be well another time; the rest is told.
    except Exception as error:
        raise RenderingError([_told(error, _line(template, error.__traceback__))]) from error


def _told(error: Exception, line: int) -> Problem:
    match error:
        case LimitError():
            return Problem("too_much", str(error), line=line)
        case NotGivenError() | jinja2.UndefinedError():
            return Problem("undefined", str(error), line=line)
    text = _("It cannot be computed: %(error)s.") % {"error": f"{type(error).__name__}: {error}".rstrip(".: ")}
    return Problem("not_computable", text, line=line)


def _line(template: jinja2.Template, traceback: TracebackType | None) -> int:
    """Return which line of *template* a *traceback* comes from."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("environment") is template.environment:
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line


@jinja2.pass_context
def _finalized(context: Context, value: Any) -> str:
    this = run.get()
    this.check_time()
    text = values.text_of(value)
    # What stands in its place is counted, too, but is short.
    this.put_out(len(text))
    return this.put(text)


_NO_TESTS = ("callable", "escaped", "filter", "test")

_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign, nodes.With),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Concat, nodes.Compare, nodes.Operand, nodes.Keyword),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
    *(nodes.Not, nodes.And, nodes.Or),
)


class _Undefined(StrictUndefined):
    """What there is not; an error as soon as anything is done with it but asking whether it is defined."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or _no_name(self._undefined_name, ())


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja2's immutable sandbox, with values and operators of ours."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            undefined=_Undefined,
            finalize=_finalized,
            autoescape=False,
            optimized=False,  # Nothing is computed before it is rendered, within bounds.
            cache_size=0,
        )
        self.globals = {"range": _range}
        self.filters = dict(FILTERS)
        self.tests = {name: function for name, function in TESTS.items() if name not in _NO_TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._looked_up(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        return self._looked_up(obj, argument)

    def _looked_up(self, value: Any, name: Any) -> Any:
        run.get().check_time()
        if isinstance(value, Undefined):
            value._fail_with_undefined_error()
        is_there, found = values.attribute(value, name)
        return found if is_there else self.undefined(values.missing(value, name), value, name)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for one in (left, right):
            if isinstance(one, Undefined):
                one._fail_with_undefined_error()
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return join([left, right])
        kinds = (int, float, Decimal, date, timedelta) if operator in "+-" else (int, float, Decimal)
        if operator == "**" or not (isinstance(left, kinds) and isinstance(right, kinds)):
            text = _("“%(operator)s” computes with numbers alone.")
            raise NotGivenError(text % {"operator": operator})
        return run.get().bounded(super().call_binop(context, operator, left, right))


class _Checker(NodeTransformer):
    """Finds what is no part of the language in what was read, and puts bounds into the rest."""

    def __init__(self, environment: _Environment) -> None:
        self.problems: list[Problem] = []
        self._environment = environment

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        if not isinstance(node, _ALLOWED):
            self._refuse(node, _("“%(name)s” is no part of this language.") % {"name": _written(node)})
            return node
        return super().generic_visit(node, *args, **kwargs)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            self._refuse(node, _("“%(name)s” is no part of this language.") % {"name": "recursive"})
        self.generic_visit(node)
        node.iter = self._filtered(node.iter, EACH)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return self._filtered(nodes.List(node.nodes, lineno=node.lineno), CONCAT)

    def visit_CondExpr(self, node: nodes.CondExpr) -> nodes.Node:
        self.generic_visit(node)
        # Jinja's is undefined then, which here nothing can be done with.
        node.expr2 = node.expr2 or nodes.Const(None, lineno=node.lineno)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Node:
        self.generic_visit(node)
        return self._filtered(node, FLAT)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        self.generic_visit(node)
        return self._filtered(node, FLAT) if node.ctx == "load" else node

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        called, given = node.node, (node.args, node.kwargs, node.dyn_args, node.dyn_kwargs)
        if isinstance(called, nodes.Getattr) and not any(given):
            return called  # A method is asked by its name.
        if node.dyn_args or node.dyn_kwargs or not self._can_be_called(called):
            self._refuse(node, _("Nothing can be called here but range(…), and methods without arguments."))
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:
        self._check_use(node, self._environment.filters, _("There is no filter “%(name)s”."))
        return self.generic_visit(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        self._check_use(node, self._environment.tests, _("There is no test “%(name)s”."))
        return self.generic_visit(node)

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Node:
        self._check_name(node, node.attr)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        if isinstance(node.arg, nodes.Const):
            self._check_name(node, node.arg.value)
        return self.generic_visit(node)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name == "self":
            self._refuse(node, _no_name("self", ()))  # Jinja's own, through which blocks are asked for.
        self._check_name(node, node.name)
        return node

    def _can_be_called(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Name):
            return node.name == "range"
        return (
            isinstance(node, nodes.Getattr)
            and isinstance(node.node, nodes.Name)
            and (node.node.name, node.attr) in (("loop", "cycle"), ("loop", "changed"))
        )

    def _check_use(self, node: nodes.Filter | nodes.Test, known: Collection[str], text: str) -> None:
        if node.name not in known:
            names = [one for one in known if " " not in one]
            reason = values.with_nearest(text % {"name": node.name}, node.name, names)
            self.problems.append(Problem("unknown_filter", reason, line=node.lineno))
        if node.dyn_args or node.dyn_kwargs:
            self._refuse(node, _("“%(name)s” is no part of this language.") % {"name": "*"})

    def _check_name(self, node: nodes.Node, name: object) -> None:
        if isinstance(name, str) and name.startswith("_"):
            self._refuse(node, _("Names with an underscore before them cannot be used: “%(name)s”.") % {"name": name})

    def _refuse(self, node: nodes.Node, reason: str) -> None:
        # Some have none, but stand around others that do.
        lines = (one.lineno for one in (node, *node.find_all(nodes.Node)) if one.lineno)
        self.problems.append(Problem("not_allowed", reason, line=next(lines, 0)))

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        filtered = nodes.Filter(cast(nodes.Expr, node), name, [], [], None, None, lineno=node.lineno)
        filtered.set_environment(self._environment)
        return filtered


def _written(node: nodes.Node) -> str:
    """Return how *node* is called by whoever writes it."""
    return {
        nodes.AssignBlock: "set … endset",
        nodes.CallBlock: "call",
        nodes.Dict: "{…}",
        nodes.FilterBlock: "filter",
        nodes.FromImport: "from",
        nodes.NSRef: "namespace",
        nodes.Pow: "**",
    }.get(type(node), type(node).__name__.lower())


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers[: MAX_ITEMS + 1]) > MAX_ITEMS:
        raise LimitError(_("A range has at most %(most)d numbers.") % {"most": MAX_ITEMS})
    return numbers


@cache
def _environment() -> _Environment:
    return _Environment()


def filters() -> list[str]:
    """Return the names of the filters that there are."""
    return sorted(name for name in _environment().filters if " " not in name)


# The messages of an action have the same few texts.
@lru_cache(maxsize=256)
def read(source: str) -> Program:
    """
    Return *source* ready to be rendered.

    Raises:
        RenderingError: If it cannot be read, with all that is wrong with it.
    """
    with _read_as_problem():
        tree = _parsed(source)
        checker = _Checker(_environment())
        checker.visit(tree)
        if checker.problems:
            raise RenderingError(checker.problems[:MAX_PROBLEMS])
        return Program(_environment().from_string(tree))


def unknown(source: str, known: Collection[str]) -> list[Problem]:
    """Return where *source*, which `read` has read, uses names that are neither *known* nor set in it."""
    found: list[nodes.Name] = []
    _find_unknown(_parsed(source), set(known) | {"range"}, found)
    return [
        Problem(
            "unknown_variable",
            _no_name(node.name, known),
            line=node.lineno,
        )
        for node in found[:MAX_PROBLEMS]
    ]


def _no_name(name: object, known: Collection[str]) -> str:
    return values.with_nearest(_("There is no “%(name)s”.") % {"name": name}, name, known)


def _parsed(source: str) -> nodes.Template:
    if len(source) > MAX_SOURCE_LENGTH:
        text = _("It has more than %(most)d characters. Shorten it.") % {"most": MAX_SOURCE_LENGTH}
        raise RenderingError([Problem("too_long", text)])
    return _environment().parse(source)


@contextmanager
def _read_as_problem() -> Iterator[None]:
    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        text = _("It cannot be read: %(error)s") % {"error": error.message or ""}
        raise RenderingError([Problem("syntax", text, line=error.lineno)]) from error
    except (SyntaxError, RecursionError, MemoryError) as error:
        # Of Python, into which it is translated.
        text = _("It is too deep: too much stands one in the other. Write it in shorter pieces.")
        raise RenderingError([Problem("too_deep", text)]) from error


def _find_unknown(node: nodes.Node, scope: set[str], found: list[nodes.Name]) -> None:
    """Add to *found* the names in *node* that are not in *scope*, and to that what *node* sets for what follows."""
    match node:
        case nodes.Name():
            if node.ctx == "load" and node.name not in scope:
                found.append(node)
        case nodes.Assign():
            _find_unknown(node.node, scope, found)
            scope |= _targets(node.target)
        case nodes.For():
            _find_unknown(node.iter, scope, found)
            inside = scope | _targets(node.target)
            if node.test is not None:
                _find_unknown(node.test, inside, found)
            inside = inside | {"loop"}
            for one in node.body:
                _find_unknown(one, inside, found)
            inside = set(scope)
            for one in node.else_:
                _find_unknown(one, inside, found)
        case nodes.With():
            for one in node.values:
                _find_unknown(one, scope, found)
            inside = scope.union(*map(_targets, node.targets))
            for one in node.body:
                _find_unknown(one, inside, found)
        case _:
            for one in node.iter_child_nodes():
                _find_unknown(one, scope, found)


def _targets(node: nodes.Node) -> set[str]:
    return {node.name} if isinstance(node, nodes.Name) else {one.name for one in node.find_all(nodes.Name)}
