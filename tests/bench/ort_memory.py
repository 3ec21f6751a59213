"""What ONNX Runtime has allocated at most while it runs a model once, without what the session holds
before: {"peak": bytes, "exact": whether that is all the run's. Else it may be of the session's start,
or hold outputs of shapes that the model does not declare}

    ort_memory.py MODEL INPUT.pb...

The Python package does not say it. The library beside it does, through its C interface: a table of
functions that only grows. The arena of the session counts its bytes; inputs and outputs are the
caller's and not in it. By default that arena hands out far more than it is asked for, rounded up to
what it has; here it splits its chunks always, so what is counted is what the run asks for, in
multiples of 256. Its matrix products rearrange operands on the stack, which counts nowhere. One
thread; all else as it is by default.
"""
import ctypes
import json
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path

import onnx
import onnxruntime
from onnx import helper, numpy_helper

VERSION = 24  # of the interface
ARENA_ALLOCATOR, DEFAULT_MEMORY, WARNING = 1, 0, 3
SAME_AS_REQUESTED, DEFAULT, LEAST_REST = 1, -1, 1  # of the arena
# Positions in the table, and types of the arguments; NAME: the result is a status.
FUNCTIONS = {
    "GetErrorMessage": (2, c_void_p),
    "CreateEnv": (3, c_int, c_char_p, POINTER(c_void_p)),
    "CreateSession": (7, c_void_p, c_char_p, c_void_p, POINTER(c_void_p)),
    "Run": (9, c_void_p, c_void_p, POINTER(c_char_p), POINTER(c_void_p), c_size_t,
            POINTER(c_char_p), c_size_t, POINTER(c_void_p)),
    "CreateSessionOptions": (10, POINTER(c_void_p)),
    "SetIntraOpNumThreads": (24, c_void_p, c_int),
    "CreateTensorWithDataAsOrtValue": (49, c_void_p, c_void_p, c_size_t, POINTER(c_int64),
                                       c_size_t, c_int, POINTER(c_void_p)),
    "CreateCpuMemoryInfo": (69, c_int, c_int, POINTER(c_void_p)),
    "AddSessionConfigEntry": (130, c_void_p, c_char_p, c_char_p),
    "CreateAllocator": (131, c_void_p, c_void_p, POINTER(c_void_p)),
    "CreateAndRegisterAllocator": (144, c_void_p, c_void_p, c_void_p),
    "CreateArenaCfg": (156, c_size_t, c_int, c_int, c_int, POINTER(c_void_p)),
    "GetKeyValue": (297, c_void_p, c_char_p),
    "AllocatorGetStats": (319, c_void_p, POINTER(c_void_p)),
}


class Api:
    def __init__(self):
        folder = Path(onnxruntime.__file__).parent / "capi"
        library = ctypes.CDLL(str(next(folder.glob("libonnxruntime.so*"))))
        library.OrtGetApiBase.restype = POINTER(c_void_p)
        get_api = ctypes.CFUNCTYPE(c_void_p, c_uint32)(library.OrtGetApiBase()[0])
        self.table = ctypes.cast(get_api(VERSION), POINTER(c_void_p))

    def call(self, name, *arguments, result=c_void_p):
        position, *types = FUNCTIONS[name]
        return ctypes.CFUNCTYPE(result, *types)(self.table[position])(*arguments)

    def do(self, name, *arguments):
        status = self.call(name, *arguments)
        if status:
            sys.exit(f"{name}: {self.call('GetErrorMessage', status, result=c_char_p).decode()}")

    def make(self, name, *arguments):
        """What the function puts into its last argument."""
        made = c_void_p()
        self.do(name, *arguments, byref(made))
        return made


def tensor(api, memory, array):
    dims = (c_int64 * max(array.ndim, 1))(*array.shape)
    element = helper.np_dtype_to_tensor_dtype(array.dtype)
    return api.make("CreateTensorWithDataAsOrtValue", memory, array.ctypes.data, array.nbytes, dims,
                    array.ndim, element)


def as_declared(array, declared):
    """Whether the shape is what the model says; an output of another cannot be the caller's."""
    return len(declared) == array.ndim and all(
        not isinstance(size, int) or size == actual for size, actual in zip(declared, array.shape))


def measure(model, inputs):
    python = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [x.name for x in python.get_inputs()][:len(inputs)]
    results = [name.name for name in python.get_outputs()]
    outputs = python.run(results, dict(zip(names, inputs)))
    honest = all(as_declared(*pair) for pair in zip(outputs, (x.shape for x in python.get_outputs())))
    if any(array.dtype == object for array in (*inputs, *outputs)):
        sys.exit("strings")
    del python
    api = Api()
    environment = api.make("CreateEnv", WARNING, b"")
    memory = api.make("CreateCpuMemoryInfo", ARENA_ALLOCATOR, DEFAULT_MEMORY)
    arena = api.make("CreateArenaCfg", 0, SAME_AS_REQUESTED, DEFAULT, LEAST_REST)
    api.do("CreateAndRegisterAllocator", environment, memory, arena)
    options = api.make("CreateSessionOptions")
    api.do("SetIntraOpNumThreads", options, 1)
    api.do("AddSessionConfigEntry", options, b"session.use_env_allocators", b"1")
    session = api.make("CreateSession", environment, str(model).encode(), options)
    allocator = api.make("CreateAllocator", session, memory)

    def bytes_of(key):
        return int(api.call("GetKeyValue", api.make("AllocatorGetStats", allocator), key,
                            result=c_char_p))

    values = [[tensor(api, memory, array) for array in arrays] for arrays in (inputs, outputs)]
    held, start = bytes_of(b"InUse"), bytes_of(b"MaxInUse")
    for _ in range(2):  # the second run has its memory planned
        api.do("Run", session, None, (c_char_p * len(names))(*(name.encode() for name in names)),
               (c_void_p * len(names))(*values[0]), len(names),
               (c_char_p * len(results))(*(name.encode() for name in results)), len(results),
               (c_void_p * len(results))(*(values[1] if honest else ())))
    peak = bytes_of(b"MaxInUse")
    return {"peak": peak - held, "exact": honest and peak > start}


if __name__ == "__main__":
    given = [numpy_helper.to_array(onnx.load_tensor(path)) for path in sys.argv[2:]]
    print(json.dumps(measure(sys.argv[1], given)))
