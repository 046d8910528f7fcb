"""A picture's own samples: read as they lie, composed but for the face untouched, written with what they say."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from drfhq_tools.geometry import Quad
from transfer.scenes.colour import from_srgb
from transfer.scenes.compose import Patch, compose, shown
from transfer.scenes.mark import COMPOSITE, GENERATED, marked
from transfer.scenes.png_file import write_png
from transfer.scenes.samples import Metadata, Picture, decode, read, turned

QUAD = Quad(np.array([[20.0, 10.0], [20.0, 50.0], [60.0, 50.0], [60.0, 10.0]]))
RED = np.zeros((16, 16, 3), dtype=np.float32) + np.array([0.9, 0.1, 0.1], dtype=np.float32)


def noise(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def patch() -> Patch:
    mask = np.zeros((32, 32), dtype=np.float32)
    mask[8:24, 8:24] = 1
    return Patch(RED, mask, QUAD)


def saved(picture: Picture, samples: np.ndarray, path: Path) -> Path:
    write_png(path, samples, Metadata(picture.metadata.chunks, marked(picture.metadata.xmp, COMPOSITE)))
    return path


def png(samples: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", samples)
    assert done
    return data.tobytes()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_samples_outside_the_mask_stay_to_the_bit(tmp_path: Path, channels: int, dtype: type) -> None:
    stored = noise(64, 80, channels, dtype=dtype)  # OpenCV's order: blue first
    picture = decode(png(stored))
    assert (picture.samples.dtype, picture.samples.shape) == (dtype, (64, 80, channels))
    out = cv2.imread(str(saved(picture, compose(picture, [patch()]), tmp_path / "out.png")), cv2.IMREAD_UNCHANGED)
    out = out.reshape(stored.shape)
    assert out.dtype == dtype
    changed = (out != stored).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert (ys.min() >= 18) & (ys.max() <= 42) & (xs.min() >= 28) & (xs.max() <= 52)
    assert changed[22:38, 32:48].mean() > 0.9
    if channels == 4:
        np.testing.assert_array_equal(out[..., 3], stored[..., 3])
    top = np.iinfo(dtype).max
    want = [0.1, 0.1, 0.9] if channels > 1 else [0.299 * 0.9 + 0.701 * 0.1]
    np.testing.assert_allclose(out[30, 40, :3] / top, want, atol=0.005)


def test_sixteen_bits_are_filled(tmp_path: Path) -> None:
    """A smooth face leaves more levels than 8 bits have."""
    picture = decode(png(np.zeros((400, 400, 3), dtype=np.uint16)))
    ramp = np.repeat(np.linspace(0, 1, 16, dtype=np.float32)[None, :, None], 16, axis=0).repeat(3, axis=2)
    quad = Quad(np.array([[0.0, 0.0], [0.0, 399.0], [399.0, 399.0], [399.0, 0.0]]))
    out = compose(picture, [Patch(ramp, np.ones((16, 16), dtype=np.float32), quad)])
    assert len(np.unique(out[200, :, 0])) > 300


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_are_kept_and_the_face_lands_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    exif[315] = "somebody"
    file = io.BytesIO()
    Image.fromarray(cv2.GaussianBlur(noise(64, 80, 3), (0, 0), 3)).save(file, "JPEG", exif=exif, quality=95)
    picture = decode(file.getvalue())
    with Image.open(file) as image:
        np.testing.assert_array_equal(
            turned(np.asarray(image), orientation), np.asarray(ImageOps.exif_transpose(image))
        )
    np.testing.assert_array_equal(picture.upright(picture.samples), picture.pixels)
    path = saved(picture, compose(picture, [patch()]), tmp_path / "out.png")
    with Image.open(path) as image:
        assert dict(image.getexif()) == {274: orientation, 315: "somebody"}
        upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright, shown(picture, [patch()]))
    np.testing.assert_allclose(upright[30, 40], RED[0, 0] * 255, atol=1)


def test_a_profile_is_kept_and_the_face_is_brought_to_it(tmp_path: Path) -> None:
    profile = wide_profile()
    file = io.BytesIO()
    Image.fromarray(noise(64, 80, 3)).save(file, "PNG", icc_profile=profile)
    picture = decode(file.getvalue())
    path = saved(picture, compose(picture, [patch()]), tmp_path / "out.png")
    with Image.open(path) as image:
        assert image.info["icc_profile"] == profile
        own = np.asarray(image)
    assert abs(int(own[30, 40, 0]) - 230) > 5, "another number for the same red"
    again = read(path)
    np.testing.assert_allclose(again.pixels[30, 40], RED[0, 0] * 255, atol=3)
    convert = from_srgb(profile, grey=False)
    assert convert is not None
    assert from_srgb(b"no profile", grey=False) is None


def wide_profile() -> bytes:
    """An sRGB profile under another name whose red and green lie further apart."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        data[132 + 12 * i : 136 + 12 * i].decode(): 132 + 12 * i for i in range(struct.unpack(">I", data[128:132])[0])
    }
    places = {name: struct.unpack(">I", data[at + 4 : at + 8])[0] + 8 for name, at in tags.items() if name[1:] == "XYZ"}
    red, green = (np.array(struct.unpack(">3i", data[places[k] : places[k] + 12])) for k in ("rXYZ", "gXYZ"))
    for name, value in (("rXYZ", 1.15 * red - 0.15 * green), ("gXYZ", 1.15 * green - 0.15 * red)):
        data[places[name] : places[name] + 12] = struct.pack(">3i", *np.rint(value).astype(int))
    return bytes(data).replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be"))


def test_palette_cmyk_and_transparent_pictures_can_be_composed(tmp_path: Path) -> None:
    colours = Image.fromarray(noise(64, 80, 3))
    for mode, suffix, channels in (("P", "PNG", 3), ("CMYK", "JPEG", 3), ("LA", "PNG", 2), ("1", "PNG", 1)):
        file = io.BytesIO()
        colours.convert(mode).save(file, suffix)
        picture = decode(file.getvalue())
        assert picture.samples.shape == (64, 80, channels), mode
        with Image.open(saved(picture, compose(picture, [patch()]), tmp_path / f"{mode}.png")) as image:
            assert image.size == (80, 64)
            image.load()


def test_a_large_picture_is_written_in_bands(tmp_path: Path) -> None:
    samples = noise(700, 3000, 4, dtype=np.uint16)
    write_png(tmp_path / "x.png", samples, Metadata())
    out = cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(cv2.cvtColor(out, cv2.COLOR_BGRA2RGBA), samples)


def test_what_a_png_says_besides_is_kept_and_the_mark_added(tmp_path: Path) -> None:
    info = PngInfo()
    info.add_text("Title", "two people")
    packet = marked(None, GENERATED).replace("</rdf:RDF>", '<rdf:Description rdf:about="" a="b"/></rdf:RDF>')
    info.add_itxt("XML:com.adobe.xmp", packet)
    file = io.BytesIO()
    Image.fromarray(noise(64, 80, 3)).save(file, "PNG", pnginfo=info, dpi=(300, 300))
    picture = decode(file.getvalue())
    with Image.open(saved(picture, picture.samples, tmp_path / "out.png")) as image:
        assert image.info["Title"] == "two people"
        assert round(image.info["dpi"][0]) == 300
        said = image.info["XML:com.adobe.xmp"]
    assert said.count("DigitalSourceType>") == 2
    assert COMPOSITE in said
    assert GENERATED not in said
    assert 'a="b"' in said


@pytest.mark.parametrize(
    "packet",
    [
        None,
        "no RDF at all",
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="uuid:1" xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'e:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalArt"/></rdf:RDF></x:xmpmeta>',
    ],
)
def test_a_packet_is_well_formed_and_says_one_source_type(packet: str | None) -> None:
    from xml.etree import ElementTree

    text = marked(packet, COMPOSITE)
    root = ElementTree.fromstring(text.replace("\ufeff", "").encode())
    found = [e.text for e in root.iter() if e.tag.endswith("}DigitalSourceType")]
    assert found == [COMPOSITE]
    assert "digitalArt" not in text
    abouts = {value for e in root.iter() for name, value in e.attrib.items() if name.endswith("}about")}
    assert len(abouts) == 1, "all descriptions are of one thing"
