"""The readable text of web pages."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.agent.tools.html_text import html_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("<p>a</p><p>b  c\n d</p>", "a\n\nb c d"),
        ("<title> T\n</title><body>a", "T\n\na"),
        ("<head><title>T</title><p>a", "T\n\na"),
        ("<script>x<1</script>a<style>b{}</style> <svg><title>i</title></svg>c", "a c"),
        ("<h2>H</h2>a<br>b", "## H\na\nb"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<table><tr><td>a<td>b</table>", "| a| b"),
        ('a <a href="https://x.test/">link</a>.', "a link (https://x.test/)."),
        ('<a href="javascript:x">link</a>', "link"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a &amp; b &lt;c&gt; &#8364;", "a & b <c> €"),
        ("<b>a</b> <i>b</i>", "a b"),
        ("<template>x", ""),
        ("a <!-- <p>b --> c <!DOCTYPE html> <?php ?>d", "a c d"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("<A HREF='/x?a=1&amp;b'>l</A>", "l (/x?a=1&b)"),
        ("<p>a</nope></p", "a"),
        ("", ""),
    ],
)
def test_page_becomes_text(html: str, text: str) -> None:
    assert html_text(html) == text


HOSTILE = [
    "<!--",
    "<a",
    "&#",
    "</",
    "<p><a>",
    "<title>",
    "<![CDATA[",
    "<script>",
    "<p \n",
    "<?",
    "<pre> ",
    " ",
    "<a href =",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_markup_does_not_cost_more_per_byte_when_it_is_longer(part: str) -> None:
    def seconds(size: int) -> float:
        started = time.process_time()  # a busy machine interrupts only the longer one
        html_text((part * size)[:size])
        return time.process_time() - started

    short = min(seconds(16_000) for _ in range(3))
    assert min(seconds(256_000) for _ in range(3)) < 16 * 4 * (short + 0.001)


@given(
    st.lists(st.sampled_from([*HOSTILE, "</title>", "</a>", ">", "x", "-->", "'", '"']), max_size=40).map(
        "".join
    )
)
def test_reader_accepts_any_page(html: str) -> None:
    assert len(html_text(html)) <= 3 * len(html)
