"""Compares schemas/onnx.proto with the descriptors of the installed onnx package, field by field."""

import pathlib
import re
import sys

import onnx

PROTO = pathlib.Path(__file__).resolve().parents[2] / "schemas" / "onnx.proto"
TOKEN = re.compile(r"//[^\n]*|\"[^\"]*\"|[\w.]+|[{}\[\]=;,]")
SCALARS = "double float int64 uint64 int32 fixed64 fixed32 bool string group message bytes uint32 enum".split()
LABELS = ["", "optional", "required", "repeated"]


def parse(text):
    """The facts of a .proto text: {path: description} of fields, enumerators and oneof membership."""
    tokens = [t for t in TOKEN.findall(text) if not t.startswith("//")]
    facts, scope, statement = {}, [], []
    for token in tokens:
        if token == "{":
            scope.append((statement[0], statement[1]))
            statement = []
        elif token == "}":
            scope.pop()
            statement = []
        elif token == ";":
            record(facts, scope, statement)
            statement = []
        else:
            statement.append(token)
    return facts


def record(facts, scope, words):
    if not words or words[0] in ("syntax", "package", "reserved", "option"):
        return
    path = ".".join(name for kind, name in scope if kind != "oneof")
    if scope[-1][0] == "enum":
        facts[f"{path}.{words[0]}"] = int(words[2], 0)
        return
    oneof = scope[-1][1] if scope[-1][0] == "oneof" else None
    label = "optional" if oneof else words.pop(0)
    kind, name, number = words[0], words[1], int(words[3], 0)
    packed = words[4:] == ["[", "packed", "=", "true", "]"]
    facts[f"{path}.{name}"] = (number, label, kind, packed, oneof)


def descriptor_facts(proto, path=""):
    """The same facts from a FileDescriptorProto or DescriptorProto."""
    facts = {}
    for enum in proto.enum_type:
        for value in enum.value:
            facts[f"{path}{enum.name}.{value.name}"] = value.number
    for message in getattr(proto, "message_type", []) or getattr(proto, "nested_type", []):
        for field in message.field:
            facts[f"{path}{message.name}.{field.name}"] = field_fact(message, field)
        facts.update(descriptor_facts(message, f"{path}{message.name}."))
    return facts


def field_fact(message, field):
    kind = field.type_name.split(".")[-1] or SCALARS[field.type - 1]
    oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
    return (field.number, LABELS[field.label], kind, field.options.packed, oneof)


def main():
    from google.protobuf import descriptor_pb2

    expected, actual = {}, parse(PROTO.read_text())
    for message in (onnx.ModelProto, onnx.SequenceProto):
        file = descriptor_pb2.FileDescriptorProto()
        message.DESCRIPTOR.file.CopyToProto(file)
        expected.update(descriptor_facts(file))
    wrong = [k for k in sorted(expected | actual) if expected.get(k) != actual.get(k)]
    for key in wrong:
        print(f"{key}: onnx {expected.get(key)}, schemas/onnx.proto {actual.get(key)}")
    print(f"{len(expected)} facts, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
