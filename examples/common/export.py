"""How the examples write their models and data."""
import onnx
import torch


def export(module, inputs, path, input_names, output_names, dynamic_shapes):
    """Writes a module as ONNX, without the exporter's notes of where it ran."""
    program = torch.onnx.export(module, inputs, dynamo=True, input_names=input_names,
                                output_names=output_names, dynamic_shapes=dynamic_shapes,
                                verbose=False)
    proto = program.model_proto
    graph = proto.graph
    for noted in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info,
                  *graph.initializer):
        noted.ClearField("metadata_props")
    onnx.save(proto, path)


def write_bytes(path, tensor):
    path.write_bytes(tensor.to(torch.uint8).numpy().tobytes())
