"""What others compute for a draw: ONNX Runtime with its optimiser off, and ONNX's reference
evaluator. They run in a process of their own, since they can crash.
"""
import multiprocessing
import warnings

import numpy as np
import onnx
from onnx import helper

from drawing import Drawing, dtype_of, element, numpy_type, schema_types

OPSET, IR_VERSION = onnx.defs.onnx_opset_version(), 13
# Types that ONNX Runtime hands over as they are; others are cast on the way out.
PLAIN = ("f32", "f64", "f16", "bool", "string", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
PEERS = ("onnxruntime", "onnxruntime f32", "reference", "made")


# ---- models ---------------------------------------------------------------------------------------

def renamed(node, prefix):
    """A copy of the node whose names begin with `prefix`; so do those in its subgraphs."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    rename(copy, prefix)
    return copy


def rename(node, prefix):
    for names in (node.input, node.output):
        for i, name in enumerate(names):
            names[i] = name and prefix + name
    for attribute in node.attribute:
        graph = attribute.g
        for inner in graph.node:
            rename(inner, prefix)
        for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
            value.name = prefix + value.name


def tensor(array, name):
    return onnx.numpy_helper.from_array(array, name)


def model_of(drawings, fed, opset=OPSET):
    """One model of many draws. `fed`: inputs that are not constants are inputs of the model;
    without it all of them are initializers."""
    nodes, inputs, weights, outputs, domains = [], [], [], [], {""}
    for i, d in enumerate(drawings):
        prefix = f"d{i}_"
        for k, node in enumerate(d.nodes):
            nodes.append(renamed(node, prefix))
            nodes[-1].name = f"d{i}_n{k}"
            domains.add(node.domain)
        for feed in d.feeds:
            if fed and not feed.constant:
                dims = [prefix + size if isinstance(size, str) else size for size in feed.dims]
                inputs.append(helper.make_tensor_value_info(
                    prefix + feed.name, element(dtype_of(feed.array)), dims))
            else:
                weights.append(tensor(feed.array, prefix + feed.name))
        outputs += [onnx.ValueInfoProto(name=prefix + name) for name in d.results]
    graph = helper.make_graph(nodes, "draws", inputs, outputs, weights)
    opsets = [helper.make_opsetid(domain, 1 if domain else opset) for domain in sorted(domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def give_types(model, types):
    """The model with the element types of its outputs, by position."""
    for output, dtype in zip(model.graph.output, types):
        output.type.tensor_type.elem_type = element(dtype)
    return model


def inferred_types(model):
    """Element types of the outputs as ONNX infers them; None where it does not."""
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    names = {}
    for output in inferred.graph.output:
        number = output.type.tensor_type.elem_type
        name = onnx.TensorProto.DataType.Name(number).lower()
        names[output.name] = schema_types([f"tensor({name})"])[0] if number else None
    return [names[output.name] for output in model.graph.output]


# ---- ONNX Runtime ---------------------------------------------------------------------------------

def cast_results(model, types):
    """Casts results that have no NumPy type of their own to wider ones. False: there are none."""
    for output, dtype in zip(model.graph.output, types):
        if dtype in PLAIN:
            continue
        wide = "f32" if dtype[0] in "fb" else "i32"
        model.graph.node.append(helper.make_node(
            "Cast", [output.name], [output.name + "_wide"], to=element(wide)))
        output.name += "_wide"
    return any(dtype not in PLAIN for dtype in types)


def run_ort(drawing):
    """With the newest version of the operator, or the one before, which has fewer types."""
    try:
        return run_session(drawing, OPSET)
    except Exception as error:
        before = version_before(drawing)
        if before is None or "NOT_IMPLEMENTED" not in str(error):
            raise
        return run_session(drawing, before)


def version_before(drawing):
    if not onnx.defs.has(drawing.operator):
        return None
    since = onnx.defs.get_schema(drawing.operator).since_version
    return since - 1 if onnx.defs.has(drawing.operator, since - 1, "") else None


def session_of(model):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options,
                                        providers=["CPUExecutionProvider"])


def run_session(drawing, opset):
    model = model_of([drawing], False, opset)
    session = session_of(model)
    types = [schema_types([output.type])[0] for output in session.get_outputs()]
    if cast_results(model, types):
        session = session_of(model)
    return [as_type(result, dtype) for result, dtype in zip(session.run(None, {}), types)]


def as_type(array, dtype):
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(numpy_type(dtype))


def widened(drawing):
    """The draw in single precision; the schema must allow it."""
    wide = Drawing(drawing.operator, drawing.row, drawing.seed, drawing.index)
    wide.draw()
    for feed in wide.feeds:
        if dtype_of(feed.array) in OTHERS:
            size = np.abs(feed.array[np.isfinite(feed.array)])
            if dtype_of(feed.array) == "f64" and size.max(initial=0) > LARGE:
                raise TypeError("numbers beyond single precision")
            feed.array = feed.array.astype(np.float32)
    return wide


OTHERS = ("f16", "bf16", "f64")
LARGE = 1e12  # whose square and cube single precision has, too


def run_widened(drawing):
    """In single precision; results of other types are rounded once."""
    narrow = {dtype_of(feed.array) for feed in drawing.feeds} & set(OTHERS)
    if not drawing.row.close or len(narrow) != 1:
        raise TypeError("nothing to widen")
    types = [dtype or narrow.copy().pop() for dtype in inferred_types(model_of([drawing], False))]
    return [as_type(result, dtype) for result, dtype in zip(run_ort(widened(drawing)), types)]


# ---- the reference evaluator ----------------------------------------------------------------------

def run_reference(drawing):
    """Its results are of whatever type NumPy gives them; ONNX's type inference knows better."""
    from onnx.reference import ReferenceEvaluator
    model = model_of([drawing], fed=True)
    feeds = {"d0_" + feed.name: feed.array for feed in drawing.feeds if not feed.constant}
    results = ReferenceEvaluator(model).run(None, feeds)
    return [as_type(result, dtype) if dtype else np.asarray(result)
            for result, dtype in zip(results, inferred_types(model))]


# ---- results that are known -----------------------------------------------------------------------

def run_made(drawing):
    if drawing.made is None:
        raise TypeError("not made from its results")
    return drawing.made


RUNNERS = {"onnxruntime": run_ort, "onnxruntime f32": run_widened, "reference": run_reference,
           "made": run_made}


# ---- the process ----------------------------------------------------------------------------------

def compute(drawing, peer):
    """Arrays, or text that says why there are none."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            results = RUNNERS[peer](drawing)
        for result in results:
            dtype_of(result)
        return results
    except Exception as error:  # whatever a peer raises, it has no result
        return f"{type(error).__name__}: {error}"


def serve(pipe, rows):
    np.seterr(all="ignore")
    while True:
        operator, seed, index, peer = pipe.recv()
        drawing = Drawing(operator, rows[operator], seed, index).draw()
        pipe.send(compute(drawing, peer))


class Peers:
    """A process that computes; restarted when a peer ends it."""
    SECONDS = 60

    def __init__(self, rows):
        self.rows, self.process = rows, None

    def start(self):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(theirs, self.rows), daemon=True)
        self.process.start()
        theirs.close()

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None

    def ask(self, drawing, peer):
        if self.process is None:
            self.start()
        try:
            self.pipe.send((drawing.operator, drawing.seed, drawing.index, peer))
            if self.pipe.poll(self.SECONDS):
                return self.pipe.recv()
            why = "no result in time"
        except (EOFError, ConnectionError):
            why = "crashed"
        self.stop()
        return why
