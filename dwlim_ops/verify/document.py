"""The report as sections of Markdown and pictures; written as Markdown or as one HTML file."""

import base64
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt
from PIL import Image

#: What could be read as markup inside a line.
_SPECIAL: Final = re.compile(r"([\\`*<|]|(?<!\w)_|_(?!\w)|\](?=[(\[:]))")

_STYLE: Final = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem 1.25rem 4rem; color: #20262b;
  background: #fff; font: 16px/1.55 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 2.6rem; padding-top: .6rem;
  border-top: 1px solid #d5dadf; font-size: 1.3rem; } h3 { font-size: 1.05rem; }
nav ol { columns: 2 20rem; padding-left: 1.4rem; } a { color: #0b5c8f; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .84rem;
  font-variant-numeric: tabular-nums; margin: .8rem 0; }
th, td { padding: .22rem .6rem; text-align: left; border-bottom: 1px solid #e3e7ea; }
th { border-bottom: 2px solid #6b747c; }
figure { margin: 1.4rem 0; } img { max-width: 100%; height: auto; display: block; }
figcaption { margin-top: .4rem; font-size: .88rem; color: #4a535b; }
code { background: #f1f3f5; padding: 0 .2em; border-radius: 3px; }
"""


@dataclass(frozen=True)
class Picture:
    """A figure: its PNG, what it shows for those who cannot see it, and its caption.

    The caption (plain text) says data, years, method and units.
    """

    name: str
    png: bytes
    alternative: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the report with an identifier of its own; `text` is Markdown."""

    identifier: str
    title: str
    text: str
    pictures: tuple[Picture, ...] = ()


def escaped(text: str) -> str:
    r"""Text as Markdown that shows it as it is.

    >>> escaped("Murray|Darling <*>, dwlim_st")
    'Murray\\|Darling \\<\\*>, dwlim_st'
    """
    return _SPECIAL.sub(r"\\\1", text.replace("\n", " "))


def to_markdown(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The report in words and tables, with the captions of its figures."""
    parts = [f"# {escaped(title)}", lead]
    number = 0
    for section in sections:
        parts += [f"## {escaped(section.title)}", section.text]
        for picture in section.pictures:
            number += 1
            parts.append(f"*Figure {number} (in verification.html).* {escaped(picture.caption)}")
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def to_html(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The report as one file that needs nothing else: no script, no link but to itself."""
    words = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image"])

    def shown(text: str) -> str:
        drawn: str = words.render(text)
        return drawn.replace("<table>", '<div class="wide"><table>').replace(
            "</table>", "</table></div>")

    contents = "".join(f'<li><a href="#{one.identifier}">{html.escape(one.title)}</a></li>'
                       for one in sections)
    body, number = [], 0
    for section in sections:
        body.append(f'<section id="{section.identifier}"><h2>{html.escape(section.title)}</h2>')
        body.append(shown(section.text))
        for picture in section.pictures:
            number += 1
            body.append(_figure(picture, number))
        body.append("</section>")
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html.escape(title)}</title>", f"<style>{_STYLE}</style>", "</head>", "<body>",
        f"<h1>{html.escape(title)}</h1>", shown(lead),
        f'<nav aria-label="Contents"><h2>Contents</h2><ol>{contents}</ol></nav>', *body,
        "</body>", "</html>", ""])


def _figure(picture: Picture, number: int) -> str:
    with Image.open(io.BytesIO(picture.png)) as image:
        width, height = image.size
    data = base64.b64encode(to_webp(picture.png)).decode()
    return (f'<figure id="{picture.name}"><img src="data:image/webp;base64,{data}" '
            f'width="{width}" height="{height}" loading="lazy" '
            f'alt="{html.escape(picture.alternative)}">'
            f"<figcaption><strong>Figure {number}.</strong> {html.escape(picture.caption)}"
            "</figcaption></figure>")


def to_webp(png: bytes) -> bytes:
    """The same pixels in about half the size."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(stream, "WEBP", lossless=True, method=4)
    return stream.getvalue()
