"""A rendered portrait through an exported run, in plain numpy: python onnx_portrait.py portrait.onnx face.png out.png

face.png is an aligned crop: a picture of a data set, or a .faceK.input.png that `transfer apply` wrote.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

graph, face, out = sys.argv[1:]
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
side = session.get_inputs()[0].shape[-1]

with Image.open(face) as picture:
    pixels = np.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
portrait = pixels.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1

(realistic,) = session.run(["realistic"], {"portrait": portrait})

made = np.rint((realistic[0].clip(-1, 1) + 1) * 127.5).astype(np.uint8)
Image.fromarray(made.transpose(1, 2, 0)).save(out)
