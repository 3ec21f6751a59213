/* Inside lowering: groups of nodes that become one step, and the state of lowering a graph. */
#ifndef ONNXC_LOWER_GROUP_H
#define ONNXC_LOWER_GROUP_H

#include "lower/lower.h"

enum { GROUP_AXES = MAX_RANK + 1 }; /* complex elements are pairs: an axis of two more */

/* A space whose axes are walked over in parts, because a result is stored so. */
typedef struct Split {
  int rank;
  const Dim *dims[MAX_RANK];
  int first[GROUP_AXES +
            1]; /* of axis k, the first part; one more than the last one's at the end */
} Split;

/* What becomes one step: a row program over `shape`, the contraction `root` with an epilogue over
 * its result, or a single node of any other kind. */
typedef struct Group {
  Node *root;       /* the contraction, or the single node; NULL: a row program */
  Vec(Node *) rows; /* nodes of the row program, in topological order */
  int rank;
  const Dim *shape[GROUP_AXES]; /* iteration space, while still in the axes of the graph */
  bool inner[GROUP_AXES];       /* the axes that form the row, */
  bool has_axes;                /* once a node has said which */
  const Split *split;           /* NULL: axes are walked over as they are */
  uint32_t above, below;        /* the last search that met it on the way up, and down */
  bool placed;
} Group;

typedef struct Update Update;

struct Lowering {
  Graph *graph;
  Context *ctx;
  Steps *steps;
  Arena *scratch;
  bool fuse;
  uint32_t stamp;
  Group **groups;        /* by node id; NULL: not needed at run time */
  bool *lost;            /* by node id: refused, or in need of one that was */
  uint32_t *positions;   /* by node id: place in the graph's order */
  uint32_t *stretches;   /* by position: itself, or a later one in the same stretch (fuse.c) */
  bool *needed;          /* by value id */
  Operand *places;       /* by value id; no buffer: not lowered yet */
  uint32_t *outputs;     /* by value id: 1 + the graph output whose memory it is computed into */
  Operand *targets;      /* by value id: the part of something larger that it is computed into */
  Operand *dense;        /* by value id: a copy of such a part, for those who cannot read strides */
  Vec(Node *) joins;     /* concatenations met so far, while groups are formed */
  Vec(Update *) updates; /* in place, perhaps */
  Map *weights;          /* hash of data -> buffer of the latest such weight */
  Group *current;
};

/* Lowers all nodes of the graph that its outputs need. */
bool lower_nodes(Lowering *l);
/* A new buffer. */
Buffer *lower_buffer(Lowering *l, BufferPlace place, DType dtype, const Dim *count,
                     const char *name);
/* Finds what the options say is the state, and where it lives (state.c). False: reported. */
bool lower_states(Lowering *l);
/* A new place in the arena. */
Operand lower_temporary(Lowering *l, const Type *type, const char *name);

/* Drops steps that nobody reads from, numbers the others through nested lists, adds up traffic. */
void finish_steps(Steps *steps, Arena *scratch);

/* Groups of all needed nodes, in an order in which they can run (fuse.c). */
typedef Vec(Group *) Groups;
void fuse_nodes(Lowering *l, Groups *order);
/* Gives what concatenations are made of its place in their results, where its step can store it
 * there, and what is transposed for somebody who reads no strides that layout. Those that are parts
 * of others come later in the order, and find their place first. */
void place_parts(Lowering *l, const Groups *order);
void place_inputs_of(Lowering *l, const Node *concat);
/* Whether the concatenation may be an update in place, or is a part of one: its place is left open
 * until the row program that makes its parts is lowered (update.c). */
bool defer_update(Lowering *l, const Node *concat);
/* Decides about the updates that the group makes, before it is lowered. */
void place_updates(Lowering *l, const Group *g);

/* Whether the node's outputs show the memory of input 0, or part of it. */
bool is_movement(const Node *node);
/* The value whose memory `value` shows a part of: what is in front of the movement that makes it.
 */
Value *shown_value(Value *value);
/* What the value is with views of all of it taken off. */
Value *whole_value(Value *value);
/* Where the input of such a view has to be for its output to be at `place`; false: no strides say
 * it. The place may have more axes than the input, which are parts of those. */
bool place_input(DimTable *t, const Node *node, Operand *place);
/* The part of a concatenation that its input `i` is; `rest`, what follows the inputs before it,
 * loses it. */
Operand concat_part(DimTable *t, const Node *node, uint32_t i, Operand *rest);
/* Whether the axes of a place are parts of those of a shape, and how. */
bool split_axes(DimTable *t, const Operand *place, const Dim *const *dims, int rank, Split *split);
/* A tensor of that type without gaps. */
Operand dense_operand(Lowering *l, Buffer *buffer, const Type *type);
void take_shape(Operand *operand, const Type *type);
/* `from` as the Transpose shows it. */
void transposed_view(const Node *node, const Operand *from, Operand *view);
/* What such a view of `from` shows: false when only a copy can be shown. */
bool show_all(DimTable *t, const Node *node, const Operand *from, Operand *view);
/* `from` as a view of another shape; false when only a copy has it. */
bool reshape_view(DimTable *t, const Operand *from, const Type *to, Operand *view);
/* Which values and nodes are needed at run time. */
void find_needed(Lowering *l);
/* Whether the node reads input `i` when it runs: one that only decides about sizes is settled once
 * its contents are known, unless the node's kernel finds those sizes. */
bool needed_at_run_time(const Node *node, uint32_t i);

struct RowBuilder {
  Lowering *l; /* NULL: probing, nothing is kept */
  Arena *arena;
  Context *ctx;
  Group *group;
  RowProgram *program;
  Map refs; /* Value -> RowRef + 1, as (void *) */
};

RowBuilder row_builder(Lowering *l, Group *group, RowProgram *program);
/* What a row node walks over. */
const Type *node_space(const Node *node);
/* Whether the node's emit can do it. */
bool row_accepts(Lowering *l, const Node *node);
/* What one element takes, in additions (as in ROW_INSTRUCTIONS). */
int row_cost(Lowering *l, const Node *node);
/* `value` is what the contraction accumulates. */
void row_accumulators(RowBuilder *b, const Value *value);
/* Emits all nodes of the group and stores what is needed outside; finishes the program. */
void row_build(RowBuilder *b, Step *step);

/* Orders and merges axes, decides levels, phases and what is kept. */
void row_finish(RowProgram *p, Context *ctx, const Group *group);
/* Adds the pairs that may share memory. */
void row_in_place(const RowProgram *p, Context *ctx, Step *step);
/* A program that copies one operand to another, both over `dims`. */
void row_copy(RowProgram *p, Context *ctx, int rank, const Dim *const *dims, Operand from,
              Operand to);

#endif
