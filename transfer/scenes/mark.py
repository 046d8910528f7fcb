"""What a picture says of how it was made: the IPTC digital source type, in an XMP packet.

A packet a picture already has is kept; only what it said of its source type gives way. Sources: IPTC Photo Metadata
Standard 2023.1 (Digital Source Type), the IPTC NewsCodes scheme of that name, XMP specification part 1 (serialisation).
"""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import quoteattr

_SCHEME: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE: Final = _SCHEME + "compositeWithTrainedAlgorithmicMedia"
"""Parts of the picture were made by a trained model."""
GENERATED: Final = _SCHEME + "trainedAlgorithmicMedia"
"""The whole picture was."""

_NAMESPACE: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_ELEMENT: Final = re.compile(r"<(\w+):DigitalSourceType\b[^>]*?(?:/>|>.*?</\1:DigitalSourceType\s*>)", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r"""\s\w+:DigitalSourceType\s*=\s*(?:"[^"]*"|'[^']*')""")
_ABOUT: Final = re.compile(r"""\brdf:about\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_END: Final = "</rdf:RDF>"
_EMPTY: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    f"{_END}\n</x:xmpmeta>\n"
    '<?xpacket end="w"?>'
)


def marked(packet: str | None, source_type: str) -> str:
    """``packet``, an XMP packet or None, saying that the picture is of ``source_type``; a packet that is no RDF by the
    usual prefix is replaced."""
    kept = packet if packet is not None and packet.count(_END) == 1 else _EMPTY
    kept = _ATTRIBUTE.sub("", _ELEMENT.sub("", kept))
    about = _ABOUT.search(kept)
    name = quoteattr((about.group(1) or about.group(2) or "") if about else "")
    said = (
        f"<rdf:Description rdf:about={name} xmlns:Iptc4xmpExt={quoteattr(_NAMESPACE)}>"
        f"<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType></rdf:Description>\n"
    )
    return kept.replace(_END, said + _END)
