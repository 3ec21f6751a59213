"""Known faults of the peers, each with its smallest case and the reason why onnxc differs.

A draw that an entry covers is not compared with that peer, but with the next one.
"""
from dataclasses import dataclass


@dataclass
class Known:
    operators: str   # names, separated by spaces
    peer: str        # whose name begins with this
    when: object     # function of the drawing: whether it is such a case
    case: str        # the smallest one
    why: str


KNOWN = []


def explained(drawing, peer):
    """The entry that covers this draw."""
    return next((entry for entry in KNOWN if drawing.operator in entry.operators.split()
                 and peer.startswith(entry.peer) and entry.when(drawing)), None)
