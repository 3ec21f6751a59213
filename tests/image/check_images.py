"""Images of all formats, whole and damaged, through the decoders of the runtime.

    check_images.py DECODE FOLDER CASES

CASES are ONNX's, which hold one file of each format.
"""
import struct
import subprocess
import sys
import unittest
import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

sys.path.insert(0, str(Path(__file__).parent.parent))
from support import onnxc  # noqa: E402

DECODE, FOLDER, CASES = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
OK, SHAPE, VALUE = 0, 5, 6
RANDOM = np.random.default_rng(3)
PIXELS = RANDOM.integers(0, 256, (5, 7, 3), np.uint8)
SAMPLES = {path.parent.parent.name.split("_")[4]: onnx.numpy_helper.to_array(onnx.load_tensor(path)).tobytes()
           for path in CASES.glob("test_image_decoder_decode_*_rgb/test_data_set_0/input_0.pb")}


def decode(files, height=40, width=40, format="RGB"):
    """(code, pixels) of each file, given as bytes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = []
    for i, content in enumerate(files):
        (FOLDER / f"{i}.image").write_bytes(content)
        lines.append(f"{height} {width} {format} {FOLDER / f'{i}.image'}\n")
    result = subprocess.run([DECODE], input="".join(lines), text=True, capture_output=True, timeout=300, check=False)
    assert result.returncode == 0 and result.stderr == "", result.stderr[-3000:]
    rows = [line.split(" ") for line in result.stdout.splitlines()]
    return [(int(code), np.frombuffer(bytes.fromhex(pixels), np.uint8).reshape(
        (int(h), int(w), -1) if int(code) == OK else -1)) for code, h, w, pixels in rows]


# ---- writers ----

def pnm(kind, pixels, most=255, comment=b"", binary=None):
    height, width = pixels.shape[:2]
    head = b"P%d\n%s%d %d\n" % (kind, comment, width, height) + (b"" if kind in (1, 4) else b"%d\n" % most)
    return head + (binary if binary is not None else " ".join(map(str, pixels.ravel())).encode() + b"\n")


def bmp(bits, rows, width, height, palette=b"", compression=0, extra=b"", core=False, colours=0):
    """`rows` are the bytes behind the headers."""
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 0, 0, colours, 0)
    head = header + extra + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(rows), 0, 0, 14 + len(head)) + head + rows


def padded(rows):
    """Rows from the last to the first, each filled up to four bytes."""
    return b"".join(bytes(row) + bytes(-len(bytes(row)) % 4) for row in rows[::-1])


def png(pixels, depth, kind, palette=b"", interlace=0):
    """`pixels` [height, bytes a row]."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    height, width = pixels.shape[0], pixels.shape[1] * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind])
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace))
            + (chunk(b"PLTE", palette) if palette else b"") + chunk(b"gAMA", struct.pack(">I", 45455))
            + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def tiff(pixels, photometric, orientation=1):
    height, width, samples = pixels.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, 8), (259, 3, 1), (262, 3, photometric),
            (273, 4, 8), (274, 3, orientation), (277, 3, samples), (278, 3, height), (279, 4, pixels.size)]
    at = 8 + pixels.size + pixels.size % 2
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return (b"II*\0" + struct.pack("<I", at) + pixels.tobytes() + bytes(pixels.size % 2)
            + struct.pack("<H", len(tags)) + body + bytes(4))


# ---- tests ----

class Whole(unittest.TestCase):
    def check(self, file, expected, tolerance=0, **bounds):
        [(code, pixels)] = decode([file], **bounds)
        self.assertEqual(code, OK)
        np.testing.assert_allclose(pixels.astype(int), expected, atol=tolerance)

    def test_pnm(self):
        gray, bits = PIXELS[..., 0], PIXELS[..., 0] & 1
        triple = np.repeat(gray[..., None], 3, 2)
        white = np.repeat((255 * (1 - bits))[..., None], 3, 2)
        self.check(pnm(3, PIXELS, comment=b"# a comment\n  # and one more\n"), PIXELS)
        self.check(pnm(6, PIXELS, binary=PIXELS.tobytes()), PIXELS)
        self.check(pnm(2, gray), triple)
        self.check(pnm(5, gray, binary=gray.tobytes()), triple)
        self.check(pnm(5, gray, most=65535, binary=(gray.astype(">u2") * 257).tobytes()), triple)
        self.check(pnm(2, gray % 16, most=15), triple % 16 * 17)
        self.check(pnm(1, bits), white)
        self.check(pnm(1, bits, binary="".join(map(str, bits.ravel())).encode()), white)
        self.check(pnm(4, bits, binary=np.packbits(bits, axis=1).tobytes()), white)

    def test_bmp_of_colours(self):
        height, width = PIXELS.shape[:2]
        swapped = PIXELS[..., ::-1]
        self.check(bmp(24, padded(swapped), width, height), PIXELS)
        self.check(bmp(24, padded(swapped[::-1]), width, -height), PIXELS)
        self.check(bmp(24, padded(swapped), width, height, core=True), PIXELS)
        four = np.concatenate([swapped, PIXELS[..., :1]], 2)
        self.check(bmp(32, padded(four), width, height), PIXELS)
        masks = struct.pack("<III", 0xFF, 0xFF00, 0xFF0000)
        self.check(bmp(32, padded(four[..., [2, 1, 0, 3]]), width, height, compression=3, extra=masks), PIXELS)
        red, green, blue = (PIXELS[..., k].astype(int) for k in range(3))
        five = ((red >> 3) << 10 | (green >> 3) << 5 | blue >> 3).astype("<u2")
        self.check(bmp(16, padded([row.tobytes() for row in five]), width, height), PIXELS, tolerance=8)
        six = ((red >> 3) << 11 | (green >> 2) << 5 | blue >> 3).astype("<u2")
        masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
        self.check(bmp(16, padded([row.tobytes() for row in six]), width, height, compression=3, extra=masks),
                   PIXELS, tolerance=8)

    def test_bmp_of_indexes(self):
        height, width = PIXELS.shape[:2]
        palette = RANDOM.integers(0, 256, (256, 3), np.uint8)
        for bits in (1, 2, 4, 8):
            indexes = PIXELS[..., 0] & (2 ** bits - 1)
            table = palette[:2 ** bits]
            fours = b"".join(bytes(entry[::-1]) + b"\0" for entry in table)
            threes = b"".join(bytes(entry[::-1]) for entry in table)
            digits = np.unpackbits(indexes[..., None], axis=2)[..., 8 - bits:].reshape(height, -1)
            rows = padded([row.tobytes() for row in np.packbits(digits, axis=1)])
            self.check(bmp(bits, rows, width, height, fours), table[indexes])
            self.check(bmp(bits, rows, width, height, threes, core=True), table[indexes])

    def test_bmp_of_runs(self):
        palette = b"".join(bytes([i, 2 * i, 3 * i, 0]) for i in range(16)) + bytes(4 * 240)
        colour = lambda i: [3 * i, 2 * i, i]
        # The last row: three times 5, then 1 2 3 as they are; above it a move to column 2.
        runs = bytes([3, 5, 0, 3, 1, 2, 3, 0, 0, 0, 0, 2, 2, 0, 4, 7, 0, 1])
        expected = np.zeros((2, 6, 3), int)
        expected[1] = [colour(i) for i in (5, 5, 5, 1, 2, 3)]
        expected[0, 2:] = colour(7)
        self.check(bmp(8, runs, 6, 2, palette, compression=1), expected)
        # Two indexes a byte.
        runs = bytes([3, 0x56, 0, 3, 0x12, 0x30, 0, 0, 6, 0x77, 0, 1])
        expected[1] = [colour(i) for i in (5, 6, 5, 1, 2, 3)]
        expected[0] = colour(7)
        self.check(bmp(4, runs, 6, 2, palette[:64], compression=2), expected)

    def test_png(self):
        gray = PIXELS[..., 0]
        triple = np.repeat(gray[..., None], 3, 2)
        alpha = np.concatenate([PIXELS, gray[..., None]], 2)
        self.check(png(PIXELS.reshape(5, -1), 8, 2), PIXELS)
        self.check(png(alpha.reshape(5, -1), 8, 6), PIXELS)
        self.check(png(gray, 8, 0), triple)
        self.check(png((PIXELS.astype(">u2") * 257).view(np.uint8).reshape(5, -1), 16, 2), PIXELS)
        palette = RANDOM.integers(0, 256, (256, 3), np.uint8)
        self.check(png(gray, 8, 3, palette.tobytes()), palette[gray])
        packed = np.packbits(PIXELS[..., :1].repeat(8, 1).reshape(5, -1) & 1, axis=1)
        self.check(png(packed, 1, 0), np.repeat((PIXELS[..., :1].repeat(8, 1).reshape(5, -1, 1) & 1) * 255, 3, 2),
                   width=60)

    def test_tiff(self):
        self.check(tiff(PIXELS, 2), PIXELS)
        self.check(tiff(PIXELS[..., :1], 1), np.repeat(PIXELS[..., :1], 3, 2))
        self.check(tiff(PIXELS[..., :1], 0), 255 - np.repeat(PIXELS[..., :1], 3, 2))
        self.check(tiff(PIXELS, 2, orientation=4), PIXELS[::-1])

    def test_formats_agree(self):
        """The samples show one picture, which the lossy formats only resemble."""
        self.assertEqual(len(SAMPLES), 7)
        right = decode([SAMPLES["png"]])[0][1].astype(int)
        for name, file in SAMPLES.items():
            [(code, pixels)] = decode([file])
            self.assertEqual(code, OK, name)
            self.assertLess(np.abs(pixels - right).mean(), 0.5 if name in ("bmp", "pnm", "tiff", "png") else 40, name)
            np.testing.assert_array_equal(decode([file], format="BGR")[0][1], pixels[..., ::-1])
            gray = decode([file], format="Grayscale")[0][1]
            self.assertEqual(gray.shape, (32, 32, 1))
            np.testing.assert_allclose(gray[..., 0], pixels @ [0.299, 0.587, 0.114], atol=0.6)


class Bad(unittest.TestCase):
    def test_too_large(self):
        for height, width in ((31, 32), (32, 31), (1, 1)):
            for code, _ in decode(SAMPLES.values(), height, width):
                self.assertEqual(code, SHAPE)

    def test_no_image(self):
        files = [b"B", b"BM", b"hello, world", bytes(100), b"P7\n1 1\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff",
                 b"II*\0", b"RIFF\0\0\0\0WEBP", b"\xff\x4f\xff\x51", pnm(6, PIXELS, most=0, binary=PIXELS.tobytes()),
                 b"P5 99999999999 1 255 x", b"P6 0 0 255 ", bmp(7, b"", 3, 3), bmp(24, b"", -5, 5),
                 bmp(8, bytes(40), 5, 5, bytes(8), colours=2)[:-4], bmp(4, b"\x06\x11", 6, 2, bytes(64), compression=2),
                 bmp(8, bytes([200, 0, 0, 1]), 6, 2, bytes(1024), compression=1)]
        for file, (code, _) in zip(files, decode(files)):
            self.assertEqual(code, VALUE, file[:40])

    def test_truncated(self):
        for name, file in SAMPLES.items():
            cuts = sorted({int(cut) for cut in np.linspace(1, len(file) * 0.9, 60)})
            for cut, (code, _) in zip(cuts, decode(file[:cut] for cut in cuts)):
                self.assertEqual(code, VALUE, f"{name} cut to {cut} of {len(file)} bytes")

    def test_damaged(self):
        """Any bytes end in a code; large sizes written into headers meet the bounds."""
        for name, file in SAMPLES.items():
            files = []
            for _ in range(400):
                bytes_ = bytearray(file)
                for _ in range(RANDOM.integers(1, 6)):
                    at = int(len(file) * RANDOM.random() ** RANDOM.choice([1, 4]))
                    bytes_[at] = RANDOM.choice([0, 1, 0x7F, 0x80, 0xFF, RANDOM.integers(256)])
                files.append(bytes(bytes_))
            codes = {code for code, _ in decode(files)}
            self.assertLessEqual(codes, {OK, SHAPE, VALUE}, name)


class Model(unittest.TestCase):
    def run_model(self, shape):
        """The PNG sample through a model that declares what it gives."""
        file = np.frombuffer(SAMPLES["png"], np.uint8)
        graph = helper.make_graph([helper.make_node("ImageDecoder", ["x"], ["y"])], "image",
                                  [helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, file.shape)],
                                  [helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, shape)])
        path = FOLDER / "model.onnx"
        onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), path)
        np.save(FOLDER / "x.npy", file)
        return onnxc("run", path, "--input", f"x={FOLDER / 'x.npy'}", "--output-dir", FOLDER, "--single-file")

    def test_constant_files(self):
        """Their sizes are known: the image is folded."""
        for name, file in SAMPLES.items():
            for content, code in ((file, 0), (file[:10], 2)):
                tensor = onnx.numpy_helper.from_array(np.frombuffer(content, np.uint8), "x")
                graph = helper.make_graph([helper.make_node("ImageDecoder", ["x"], ["y"])], "image", [],
                                          [helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, ["h", "w", 3])], [tensor])
                path = FOLDER / f"{name}.onnx"
                onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)]), path)
                result = onnxc("inspect", path)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertEqual("u8[32, 32, 3]" in result.stdout and "ImageDecoder" not in result.stdout, code == 0)

    def test_sizes_are_bounds(self):
        result = self.run_model([32, 32, 3])
        self.assertEqual(result.returncode, 0, result.stderr)
        np.testing.assert_array_equal(np.load(FOLDER / "y.npy"), decode([SAMPLES["png"]])[0][1])
        result = self.run_model([31, 32, 3])
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("error 5", result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
