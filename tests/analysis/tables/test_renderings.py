"""Every rendering of text that bites: shown, never obeyed."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from analysis.tables.layout import Cell, TextTable
from analysis.tables.render import to_html, to_latex, to_markdown, to_text

EVIL = r"""<script>alert("1")</script> a|b *c* _d_ `e` [f](g) 50% $h$ \i {j} #k ~l ^m & <b>n</b>"""


@pytest.fixture
def evil() -> TextTable:
    return TextTable(
        title=EVIL, label_names=(EVIL,), headers=((EVIL, "top"), (EVIL, "low")),
        labels=((EVIL,),), rows=((Cell(EVIL, marked=True), Cell("plain")),), notes=(EVIL,),
    )  # fmt: skip


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_shows_markup_as_text(evil: TextTable) -> None:
    parser = _Texts()
    parser.feed(to_html(evil))
    allowed = {"table", "caption", "thead", "tbody", "tr", "th", "td", "strong", "ul", "li"}
    assert set(parser.tags) <= allowed
    assert parser.texts.count(EVIL) == 6  # the header spans both columns
    assert '<th scope="colgroup" colspan="2">' in to_html(evil)


def test_markdown_shows_markup_as_text(evil: TextTable) -> None:
    text = to_markdown(evil)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}
    assert "<" not in text
    assert r"\*c\*" in text
    assert r"\_d\_" in text
    assert r"\[f\](g)" in text
    assert r"\`e\`" in text
    assert r"\\i" in text


def test_latex_shows_markup_as_text(evil: TextTable) -> None:
    text = to_latex(evil)
    parts = (
        r"50\% \$h\$ \textbackslash{}i \{j\} \#k \textasciitilde{}l \textasciicircum{}m \& \_d\_"
    )
    for part in [*parts.split(), r"\textless{}b\textgreater{}"]:
        assert text.count(part) == 6
    body = text.splitlines()
    assert [line.count(" & ") for line in body if line.endswith(r"\\")] == [1, 2, 2]
    assert r"\begin{tabular}{lrr}" in text
    assert r"\multicolumn{2}{c}" in text


def test_terminal_text_holds_no_control_characters() -> None:
    grid = TextTable(
        "\x1b[31mred\x07", ("a\nb",), (("c\td",),), (("\x1b]0;own\x07",),), ((Cell("\r"),),)
    )
    text = to_text(grid)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert r"\x1b[31mred\x07" in text
    assert "a b" in text


def test_a_row_of_latex_that_begins_with_an_asterisk_is_no_option_of_the_line_above() -> None:
    rows = tuple((Cell(text),) for text in ("1", "2"))
    text = to_latex(TextTable("", ("name",), (("n",),), (("a",), ("*b",)), rows, ()))
    assert r"{*}b & 2 \\" in text.splitlines()
