"""What is compared: the compiled model as a shared library, ONNX Runtime and OpenVINO, all in this
process and with the same members.

An engine's run() computes once, on memory that was bound before; outputs() are its results. Where
the network keeps a cache, every run() is the step behind the same history.
"""
import ctypes
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import openvino

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support import ONNXC, SOURCE, dim_flags, onnxc, run  # noqa: E402

CFLAGS = ("-std=c99", "-O3", "-march=native")
LIBRARIES = ONNXC.parent / "libonnxc_rt_threads.a", ONNXC.parent / "libonnxc_rt.a"
ALIGN = 64
POOL_BYTES = 1 << 16  # more than sizeof(onnxc_rt_threads)
C_TYPES = {"int64_t": ctypes.c_int64}


def checked(result):
    if result.returncode:
        raise RuntimeError(f"{result.args[0]} exits {result.returncode}: {result.stderr[-2000:]}")
    return result.stdout


def shared_library(path, *words):
    """Builds it of C sources and archives, whose calls of one another stay inside."""
    checked(run("cc", *CFLAGS, "-fPIC", "-shared", "-Wl,-Bsymbolic", "-I", SOURCE / "runtime",
                "-o", path, *words, "-pthread", "-lm"))
    return ctypes.CDLL(str(path))


def aligned(size):
    """Bytes that begin at a multiple of ALIGN."""
    memory = np.zeros(size + ALIGN, np.uint8)
    skip = -memory.ctypes.data % ALIGN
    return memory[skip:skip + size]


# --- onnxc ---------------------------------------------------------------------------------------

def view_of(model, flags):
    """The json view of `onnxc inspect`, and `flags` with a bound for each size that wants one."""
    while True:
        result = onnxc("inspect", model, "--format", "json", *flags)
        needed = set(re.findall(r"add --dim (\S+)=LO", result.stderr))
        if not needed or result.returncode == 0:
            return json.loads(checked(result)), flags
        flags = [*flags, *(word for name in needed for word in ("--dim", f"{name}=0..64"))]


def structure(header, kind):
    """The generated struct N_inputs or N_outputs as one of ctypes."""
    body = re.search(rf"typedef struct \w+_{kind} {{(.*?)}}", header, re.S).group(1)
    members = re.findall(r"^\s*(?:const )?(\w+) (\*?)(\w+);", body, re.M)
    fields = [(name, ctypes.c_void_p if star else C_TYPES[word]) for word, star, name in members]
    return type(kind, (ctypes.Structure,), {"_fields_": fields})


class Compiled:
    """The library of a model; each output has as much memory as the largest can need."""
    name = "onnxc"

    def __init__(self, folder, model, flags, threads):
        self.view, self.flags = view_of(model, [*flags, "-O3"])
        checked(onnxc("compile", model, "-o", folder, "--name", "model", "--weights=file",
                      *self.flags))
        header = (folder / "model.h").read_text()
        self.library = shared_library(folder / "model.so", "-I", folder, folder / "model.c",
                                      "-Wl,-u,onnxc_rt_threads_start", *LIBRARIES)
        number = lambda name: int((re.findall(rf"MODEL_{name} (\d+)", header) or [0])[0])
        self.arena, self.state = aligned(number("ARENA_BYTES")), aligned(number("STATE_BYTES"))
        self.weights = aligned((folder / "model.weights.bin").stat().st_size)
        self.weights[:] = np.fromfile(folder / "model.weights.bin", np.uint8)
        self.inputs = structure(header, "inputs")()
        self.results = structure(header, "outputs")()
        self.room = max(buffer["bytes"] for buffer in self.view["buffers"]
                        if buffer["place"] == "output")
        self.pool = aligned(POOL_BYTES)
        self.call = self.library.model_run
        self.arguments = (ctypes.byref(self.inputs), ctypes.byref(self.results),
                          ctypes.c_void_p(self.arena.ctypes.data), self.environment(threads))

    def environment(self, threads):
        """`const onnxc_rt_env *`; a struct is returned through memory as its size says."""
        if threads == 1:
            return None

        class Env(ctypes.Structure):
            _fields_ = [("context", ctypes.c_void_p), ("parallel_for", ctypes.c_void_p),
                        ("seed", ctypes.c_uint64)]
        pool = ctypes.c_void_p(self.pool.ctypes.data)
        if self.library.onnxc_rt_threads_start(pool, threads) != 0:
            raise RuntimeError("threads cannot be started")
        self.library.onnxc_rt_threads_env.restype = Env
        self.env = self.library.onnxc_rt_threads_env(pool)
        return ctypes.byref(self.env)

    def bind(self, inputs, outputs):
        """Arrays of the model's inputs that are no state, in order, and what its outputs are like.
        """
        self.bound = [np.ascontiguousarray(array) for array in inputs]
        self.like = outputs
        self.rooms = [aligned(self.room) for _ in outputs]
        special = {"weights": self.weights}
        if len(self.state):
            special["state"] = self.state
        for struct, arrays in ((self.inputs, self.bound), (self.results, self.rooms)):
            rest = iter(arrays)
            for name, kind in struct._fields_:
                if kind is ctypes.c_void_p:
                    array = special[name] if name in special else next(rest)
                    setattr(struct, name, array.ctypes.data)

    def run(self):
        code = self.call(*self.arguments)
        if code:
            raise RuntimeError(f"the model returns {code}")

    def outputs(self):
        return [room[:like.nbytes].view(like.dtype).reshape(like.shape)
                for room, like in zip(self.rooms, self.like)]


class CompiledDecoder(Compiled):
    """With a state. Its first bytes are numbers that say what there is; restoring them takes back
    what a run has appended."""
    HEAD = ALIGN

    def remember(self, words):
        """Makes `words` the history, and the last one the word of every run."""
        self.library.model_reset(ctypes.c_void_p(self.state.ctypes.data))
        for word in words[0, :-1]:
            self.bound[0][...] = word
            super().run()
        self.bound[0][...] = words[0, -1]
        self.head = self.state[:self.HEAD].copy()
        self.restore = (ctypes.c_void_p(self.state.ctypes.data),
                        ctypes.c_void_p(self.head.ctypes.data), self.HEAD)

    def run(self):
        if hasattr(self, "restore"):
            ctypes.memmove(*self.restore)
        super().run()


# --- ONNX Runtime --------------------------------------------------------------------------------

class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, model, threads, spinning):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        # Or they would take time from the engine whose turn is next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(str(model), options,
                                                    providers=["CPUExecutionProvider"])
        self.names = [value.name for value in self.session.get_inputs()]

    def first(self, inputs):
        """The outputs, from which it is known how large they are."""
        return self.session.run(None, dict(zip(self.names, inputs)))

    def bind(self, inputs, outputs):
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        self.binding = self.session.io_binding()
        self.bound = [value(array) for array in inputs]
        self.results = [value(np.zeros_like(array)) for array in outputs]
        for name, array in zip(self.names, self.bound):
            self.binding.bind_ortvalue_input(name, array)
        for output, array in zip(self.session.get_outputs(), self.results):
            self.binding.bind_ortvalue_output(output.name, array)
        # What InferenceSession.run_with_iobinding calls behind its checks.
        self.call, self.given = self.session._sess.run_with_iobinding, self.binding._iobinding
        try:
            self.run()
        except RuntimeError:  # the model says sizes of its outputs that are not so
            self.feeds = dict(zip(self.names, inputs))
            self.run = self.run_unbound

    def run(self):
        self.call(self.given, None)

    def run_unbound(self):
        results = self.session.run(None, self.feeds)
        self.results = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in results]

    def outputs(self):
        return [value.numpy() for value in self.results]


# --- OpenVINO ------------------------------------------------------------------------------------

class OpenVino:
    name = "openvino"

    def __init__(self, model, threads):
        self.model, self.threads = model, threads

    def bind(self, inputs, outputs):
        core = openvino.Core()
        model = core.read_model(str(self.model))
        model.reshape(dict(enumerate(list(array.shape) for array in inputs)))
        self.compiled = core.compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1})
        self.request = self.compiled.create_infer_request()
        self.bound = [openvino.Tensor(array, shared_memory=True) for array in inputs]
        for i, tensor in enumerate(self.bound):
            self.request.set_input_tensor(i, tensor)
        # What InferRequest.infer calls behind its checks.
        self.call = super(openvino.InferRequest, self.request).infer

    def run(self):
        self.call({}, share_outputs=True, decode_strings=False)

    def outputs(self):
        return [tensor.data for tensor in self.request.output_tensors]
