"""Writes schemas/operators.def, the facts of every ONNX operator, from the installed onnx package.

Usage: refresh.py [--check]   (--check only compares and exits with 1 when the file is stale)
"""

import pathlib
import sys
import textwrap

import numpy
import onnx
import onnx.defs

PINNED = "1.23.2"
TARGET = pathlib.Path(__file__).resolve().parent / "operators.def"
UNBOUNDED = 2**31 - 1

HEADER = f"""\
/* Every ONNX operator of every domain and version, as the onnx package {PINNED} defines it.
 * Written by schemas/refresh.py, which adds a few it lacks; do not edit. Sorted by domain, name
 * and version.
 *
 * DOMAIN(name, newest)              an operator set and its newest version
 * DTYPE(name, number)               an element type and its TensorProto.DataType
 * OPERATOR(name, since, domain, min_inputs, max_inputs, min_outputs, max_outputs, flags)
 *   INPUT(name, type, option)       type: a TYPE of this operator or a concrete type
 *   OUTPUT(name, type, option)      option: SINGLE, OPTIONAL, VARIADIC, VARIADIC_MIXED (types differ)
 *   ATTR(name, kind, necessity)     without default; REQUIRED or OPTIONAL
 *   ATTR_INT, ATTR_FLOAT, ATTR_STRING, ATTR_INTS, ATTR_STRINGS(name, default...)
 *   TYPE(name, tensors, sequences, optionals, optional_sequences, maps)
 *                                   element types allowed for each form, as B(dtype)...; maps: 0 or 1
 * END
 */
"""


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def single_precision(value):
    text = str(numpy.float32(value))
    return (text if any(c in text for c in ".einf") else text + ".0") + "f"


# How a default of each attribute kind is written; kinds not here never have one.
DEFAULTS = {
    "INT": lambda d: [str(d.i)],
    "FLOAT": lambda d: [single_precision(d.f)],
    "STRING": lambda d: [quoted(d.s.decode())],
    "INTS": lambda d: [str(i) for i in d.ints],
    "STRINGS": lambda d: [quoted(s.decode()) for s in d.strings],
}


def row(macro, *fields):
    line = f"{macro}({', '.join(fields)})"
    return textwrap.fill(line, 100, initial_indent="  ", subsequent_indent="      ",
                         break_long_words=False, break_on_hyphens=False)


def formal(macro, parameter):
    option = parameter.option.name.upper()
    if option == "VARIADIC" and not parameter.is_homogeneous:
        option = "VARIADIC_MIXED"
    return row(macro, quoted(parameter.name), quoted(parameter.type_str), option)


def attribute(attr):
    kind = attr.type.name
    if attr.default_value.type == onnx.AttributeProto.UNDEFINED:
        return row("ATTR", quoted(attr.name), kind, "REQUIRED" if attr.required else "OPTIONAL")
    return row(f"ATTR_{kind}", quoted(attr.name), *DEFAULTS[kind](attr.default_value))


def types_of_form(allowed, prefix):
    """B(x) for every allowed type that is exactly `prefix`x, with as many closing parentheses."""
    names = [t[len(prefix):].rstrip(")") for t in allowed if t.startswith(prefix) and "map(" not in t]
    return " ".join(f"B({name})" for name in names)


def constraint(type_param):
    allowed = sorted(type_param.allowed_type_strs)
    forms = ["tensor(", "seq(tensor(", "optional(tensor(", "optional(seq(tensor("]
    maps = "1" if any("map(" in t for t in allowed) else "0"
    return row("TYPE", quoted(type_param.type_param_str), *(types_of_form(allowed, f) for f in forms), maps)


def operator(schema):
    flags = ["DEPRECATED"] * schema.deprecated
    flags += ["FUNCTION"] * (schema.has_function or schema.has_context_dependent_function)
    limits = (schema.min_input, schema.max_input, schema.min_output, schema.max_output)
    yield row("OPERATOR", schema.name, str(schema.since_version), quoted(schema.domain),
              *("UNBOUNDED" if n == UNBOUNDED else str(n) for n in limits),
              " | ".join(flags) or "0").lstrip()
    yield from (formal("INPUT", p) for p in schema.inputs)
    yield from (formal("OUTPUT", p) for p in schema.outputs)
    yield from (attribute(schema.attributes[name]) for name in sorted(schema.attributes))
    yield from (constraint(t) for t in schema.type_constraints)
    yield "END"


# What models in the wild have in the standard domain and the onnx package does not list:
# experimental operators of opset 1, and normalisations that ONNX Runtime writes at any opset.
# Name, inputs (? marks optional ones), outputs, attributes (a default or a kind).
NORMALISATION = {"axis": -1, "epsilon": "1e-05f", "stash_type": 1}
UNLISTED = [
    ("Affine", "X", "Y", {"alpha": "1.0f", "beta": "0.0f"}),
    ("Crop", "input", "output", {"border": "INTS", "scale": "INTS"}),
    ("ImageScaler", "input", "output", {"bias": "FLOATS", "scale": "1.0f"}),
    ("LayerNormalization", "X Scale B?", "Y Mean? InvStdDev?", NORMALISATION),
    ("ParametricSoftplus", "X", "Y", {"alpha": "FLOAT", "beta": "FLOAT"}),
    ("Scale", "input", "output", {"scale": "1.0f"}),
    ("ScaledTanh", "input", "output", {"alpha": "FLOAT", "beta": "FLOAT"}),
    ("SimplifiedLayerNormalization", "X Scale", "Y InvStdVar?", NORMALISATION),
    ("ThresholdedRelu", "X", "Y", {"alpha": "1.0f"}),
]


def unlisted_formal(macro, name):
    option = "OPTIONAL" if name.endswith("?") else "SINGLE"
    return row(macro, quoted(name.rstrip("?")), '"T"', option)


def unlisted_attribute(name, fact):
    if isinstance(fact, int):
        return row("ATTR_INT", quoted(name), str(fact))
    if fact.endswith("f"):
        return row("ATTR_FLOAT", quoted(name), fact)
    return row("ATTR", quoted(name), fact, "OPTIONAL")


def unlisted_operator(name, sources, results, attrs):
    formals = [sources.split(), results.split()]
    limits = [(sum(not f.endswith("?") for f in side), len(side)) for side in formals]
    yield row("OPERATOR", name, "1", '""', *(str(n) for limit in limits for n in limit), "0").lstrip()
    for macro, side in zip(("INPUT", "OUTPUT"), formals):
        yield from (unlisted_formal(macro, f) for f in side)
    yield from (unlisted_attribute(*attr) for attr in attrs.items())
    yield row("TYPE", '"T"', "B(double) B(float) B(float16)", "", "", "", "0")
    yield "END"


def newest_versions(schemas):
    newest = {}
    for schema in schemas:
        newest[schema.domain] = max(newest.get(schema.domain, 1), schema.since_version)
    columns = dict(zip(("", "ai.onnx.ml", "ai.onnx.preview.training"), onnx.helper.VERSION_TABLE[-1][2:]))
    return {domain: max(version, columns.get(domain, 1)) for domain, version in newest.items()}


def dtype_names():
    spelled = {schema_type[len("tensor("):-1] for schema in onnx.defs.get_all_schemas_with_history()
               for t in schema.type_constraints for schema_type in t.allowed_type_strs
               if schema_type.startswith("tensor(")}
    for name, number in sorted(onnx.TensorProto.DataType.items(), key=lambda item: item[1]):
        if name.lower() in spelled:
            yield name.lower(), number


def render():
    schemas = sorted(onnx.defs.get_all_schemas_with_history(),
                     key=lambda s: (s.domain, s.name, s.since_version))
    blocks = [HEADER]
    blocks.append("\n".join(f"DOMAIN({quoted(d)}, {v})" for d, v in sorted(newest_versions(schemas).items())))
    blocks.append("\n".join(f"DTYPE({name}, {number})" for name, number in dtype_names()))
    operators = [((s.domain, s.name, s.since_version), operator(s)) for s in schemas]
    operators += [(("", facts[0], 1), unlisted_operator(*facts)) for facts in UNLISTED]
    blocks += ["\n".join(rows) for _, rows in sorted(operators, key=lambda entry: entry[0])]
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n"


def main(arguments):
    if onnx.__version__ != PINNED:
        print(f"onnx {onnx.__version__} is installed; the pinned version is {PINNED}")
        return 1
    text = render()
    if "--check" not in arguments:
        TARGET.write_text(text)
        return 0
    stale = not TARGET.exists() or TARGET.read_text() != text
    print(f"{TARGET.name} is {'stale' if stale else 'up to date'}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
