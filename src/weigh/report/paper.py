"""Charts on paper: a specification of `charts`, with size, font and title of one's own, as SVG, PNG or PDF.

Rendering takes `vl-convert-python`, which holds the same Vega-Lite that the page draws with and needs no browser and
no network.
"""

from __future__ import annotations

import copy
from typing import Any

from weigh.records.errors import CapabilityError, DefinitionError, suggest

FORMATS = (".svg", ".png", ".pdf")
VEGA_LITE = "6.4"


def is_picture(suffix: str) -> bool:
    """Whether a file's ending is that of a picture."""
    return suffix.lower() in FORMATS


def styled(
    spec: dict[str, Any],
    *,
    title: str = "",
    subtitle: str = "",
    font: str | None = None,
    font_size: float | None = None,
) -> dict[str, Any]:
    """A copy of a specification with a title above it, another font, or other sizes of its texts.

    Args:
        font: A font that is installed here.
        font_size: Of labels, in points; titles grow with it.
    """
    made = copy.deepcopy(spec)
    config = made.setdefault("config", {})
    config.setdefault("axis", {})["labelLimit"] = 420  # paper cannot show the rest of a name
    if font:
        config["font"] = font
    if font_size:
        for part in ("axis", "legend", "header"):
            config.setdefault(part, {})["labelFontSize"] = font_size
        config["axis"]["titleFontSize"] = font_size
        config["title"] = {"fontSize": font_size * 1.25, "subtitleFontSize": font_size}
    if title:
        ink, soft = config["legend"]["labelColor"], config["axis"]["titleColor"]
        made["title"] = {"text": title, "anchor": "start", "color": ink, "subtitleColor": soft, "offset": 12}
        if subtitle:
            made["title"]["subtitle"] = subtitle
    return made


def render(spec: dict[str, Any], suffix: str, *, scale: float = 2.0) -> bytes:
    """The picture as bytes.

    Args:
        suffix: `.svg`, `.png` or `.pdf`.
        scale: Pixels of a PNG for each of the picture's.

    Raises:
        CapabilityError: `vl-convert-python` is not installed.
        DefinitionError: The ending is another one.
    """
    suffix = suffix.lower()
    if suffix not in FORMATS:
        raise DefinitionError(f"a picture ends in {', '.join(FORMATS)}, not in {suffix!r}{suggest(suffix, FORMATS)}")
    try:
        import vl_convert
    except ImportError:
        raise CapabilityError(
            "drawing takes vl-convert-python, which is not installed: pip install 'weigh[plot]'"
        ) from None
    if suffix == ".png":
        return bytes(vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=scale))
    if suffix == ".pdf":
        return bytes(vl_convert.vegalite_to_pdf(spec, vl_version=VEGA_LITE))
    return str(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)).encode()
