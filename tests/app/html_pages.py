"""Read a page as a browser would: which elements there are, and the text a person sees."""

from html.parser import HTMLParser

INLINE = frozenset({"a", "b", "i", "span", "code"})


class Page(HTMLParser):
    """Elements as (tag, attributes), and all text outside scripts."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._texts: list[str] = []
        self._in_script = False
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join("".join(self._texts).split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """Attributes of the elements of a tag that have these ones."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [found for name, found in self.elements if name == tag and wanted.items() <= found.items()]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_script = tag == "script"
        self._end_of_block(tag)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"
        self._end_of_block(tag)

    def _end_of_block(self, tag: str) -> None:
        self._texts.append("" if tag in INLINE else " ")

    def handle_data(self, data: str) -> None:
        if not self._in_script:
            self._texts.append(data)


def assert_harmless(html: str) -> Page:
    """No element and no attribute came out of a text: only our scripts, no handlers, no inline style."""
    page = Page(html)
    for script in page.all("script"):
        assert script.get("src", "").startswith("/static/"), script
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        for name in ("href", "src", "action", "poster", "srcset"):
            assert attributes.get(name, "/").startswith(("/", "#", "?")), (tag, attributes)
    assert not page.all("b", class_="injected")
    return page
