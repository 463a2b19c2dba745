"""Makes film.webm, the short film that a development shop plays where a real one plays from Cloudflare.

Pillow writes each picture as a lossy WebP, which is a VP8 key frame in a RIFF box; this puts the frames into a WebM file
(Matroska, RFC 9559). `python3 -m pip install pillow`, then `python3 makegood/assets/film.py`.
"""
import io
import pathlib
import struct

from PIL import Image, ImageDraw

WIDTH, HEIGHT, FRAMES, MILLISECONDS = 320, 180, 24, 125


def picture(at):
    image = Image.new("RGB", (WIDTH, HEIGHT), (24, 34, 52))
    draw = ImageDraw.Draw(image)
    x = 40 + (WIDTH - 80) * at // (FRAMES - 1)
    draw.rectangle((40, 140, WIDTH - 40, 146), fill=(70, 84, 110))
    draw.rectangle((40, 140, x, 146), fill=(120, 200, 160))
    draw.ellipse((x - 22, 88, x + 22, 132), fill=(240, 180, 80))
    draw.text((40, 36), "makegood dev: a film of the sandbox", fill=(230, 236, 245))
    return image


def vp8(image):
    riff = io.BytesIO()
    image.save(riff, "WEBP", quality=40, method=6)
    data = riff.getvalue()
    at = 12
    while at < len(data):
        name, size = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        if name == b"VP8 ":
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise SystemExit("no VP8 frame")


def size(number):
    """A length of eight bytes."""
    return struct.pack(">Q", number | 1 << 56)


def element(name, payload):
    return bytes.fromhex(name) + size(len(payload)) + payload


def uint(name, number):
    return element(name, number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big"))


def text(name, value):
    return element(name, value.encode())


frames = [vp8(picture(at)) for at in range(FRAMES)]
head = element(
    "1A45DFA3",
    uint("4286", 1) + uint("42F7", 1) + uint("42F2", 4) + uint("42F3", 8) + text("4282", "webm")
    + uint("4287", 2) + uint("4285", 2),
)
info = element(
    "1549A966",
    uint("2AD7B1", 1_000_000) + element("4489", struct.pack(">d", float(FRAMES * MILLISECONDS)))
    + text("4D80", "film.py") + text("5741", "film.py"),
)
video = element("E0", uint("B0", WIDTH) + uint("BA", HEIGHT))
track = element(
    "AE",
    uint("D7", 1) + uint("73C5", 1) + uint("9C", 0) + text("86", "V_VP8") + uint("83", 1)
    + uint("23E383", MILLISECONDS * 1_000_000) + video,
)
tracks = element("1654AE6B", track)
blocks = b"".join(
    element("A3", b"\x81" + struct.pack(">h", at * MILLISECONDS) + b"\x80" + frame) for at, frame in enumerate(frames)
)
cluster = element("1F43B675", uint("E7", 0) + blocks)


def cues(position):
    point = uint("B3", 0) + element("B7", uint("F7", 1) + element("F1", struct.pack(">I", position)))
    return element("1C53BB6B", element("BB", point))


before = info + tracks
before += cues(len(before) + len(cues(0)))
film = head + element("18538067", before + cluster)
pathlib.Path(__file__).with_name("film.webm").write_bytes(film)
print(f"{len(film)} bytes, {FRAMES} frames, {FRAMES * MILLISECONDS} ms")
