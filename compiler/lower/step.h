/* Steps and buffers: what will run, and what it runs on. The result of lowering, the subject of
 * planning and checking, the source of emission. */
#ifndef ONNXC_LOWER_STEP_H
#define ONNXC_LOWER_STEP_H

#include "lower/row.h"

typedef enum BufferPlace {
  BUFFER_ARENA,  /* an offset in the arena */
  BUFFER_INPUT,  /* the caller's, read only */
  BUFFER_OUTPUT, /* the caller's */
  BUFFER_WEIGHT, /* constant data */
  BUFFER_STATE   /* an offset in the state, which the caller keeps from run to run */
} BufferPlace;

/* A stretch of memory. Views share buffers; operands say which part of one they mean. */
typedef struct Buffer {
  uint32_t id; /* index in Steps.buffers */
  BufferPlace place;
  DType dtype;
  const Dim *count; /* elements */
  size_t bytes;     /* at the upper bounds of all symbols: what is planned */
  uint32_t index;   /* of the graph's input or output, or in Steps.weights */
  const char *name; /* of the value that it was made for */
  Value *value;     /* that lies in it, densely; NULL: none, or not known */
  bool scratch;     /* used by one step only, for its inner needs */
  size_t offset;    /* ARENA, set by the plan, and STATE: multiple of ARENA_ALIGN */
} Buffer;

enum { ARENA_ALIGN = 64 };

/* Constant data as it goes into the output: borrowed from the model, or rearranged for a kernel. */
typedef struct Weight {
  const char *name;
  DType dtype;
  size_t count, bytes;
  const void *data;
} Weight;

/* A strided view of a buffer, in elements: element (i, j, ...) is at
 * offset + i * strides[0] + j * strides[1] + ... */
struct Operand {
  Buffer *buffer;
  DType dtype;
  int rank;
  const Dim *offset;             /* NULL: 0 */
  const Dim *dims[2 * MAX_RANK]; /* unused in row programs, whose extents say it */
  const Dim *strides[2 * MAX_RANK];
};

typedef enum StepKind {
  STEP_ROW,
  STEP_CONTRACTION,
  STEP_ATTENTION,
  STEP_COPY,
  STEP_CALL,
  STEP_IF,
  STEP_LOOP
} StepKind;

/* One member of a kernel's parameter structure. */
typedef enum FieldKind {
  FIELD_DIM,
  FIELD_DIMS,
  FIELD_FLOAT,
  FIELD_OPERAND,
  FIELD_SCRATCH
} FieldKind;

typedef struct Field {
  const char *name;
  FieldKind kind;
  int n;                     /* FIELD_DIMS */
  const Dim *dims[MAX_RANK]; /* FIELD_DIM: the first */
  float number;
  Operand operand; /* FIELD_OPERAND: its strides[l] is what one turn of loop l adds */
  bool written;    /* FIELD_OPERAND */
} Field;

/* A value of a member with which a kernel needs so much scratch. */
typedef struct Room {
  int64_t value;
  size_t bytes;
} Room;

/* A kernel of the runtime with a parameter structure, within loops: GEMM, convolution, pooling. */
typedef struct Kernel {
  const char *function; /* onnxc_rt_gemm_f32: `int function(const params *)` */
  const char *params;   /* onnxc_rt_gemm */
  Vec(Field) fields;
  int n_loops; /* loops around the call; the epilogue's row index goes on through them */
  const Dim *loops[MAX_RANK];
  const Dim *rows;      /* rows of one call: what a turn of the innermost loop adds to first_row */
  RowProgram *epilogue; /* NULL: the kernel stores its result itself */
  const char *roomy;    /* the member of `rooms` */
  Vec(Room) rooms;      /* faster ones than that it has, slowest first */
} Kernel;

/* A call of a reference kernel. Operands are dense; an absent one has no buffer. */
typedef struct Call {
  const Node *node;
  uint32_t n_in, n_out;
  Operand *in, *out;
  Buffer *scratch; /* NULL: none */
} Call;

typedef struct Steps Steps;

/* A size that the taken branch decides about. */
typedef struct BranchSize {
  const Dim *size; /* the symbol */
  const Dim *then_size, *else_size;
} BranchSize;

typedef struct Branches { /* If */
  Operand condition;
  Steps *then_steps, *else_steps;
  Vec(BranchSize) sizes;
} Branches;

/* A size that turns change: what it is before the first one, and what a turn makes of it. */
typedef struct TurnSize {
  const Dim *size; /* the symbol */
  const Dim *first, *next;
} TurnSize;

/* A size that each turn finds, the same in all of them. */
typedef struct SharedSize {
  const Dim *size; /* the symbol outside of the loop */
  const Dim *found, *turn;
} SharedSize;

/* Loop and Scan. Absent operands have no buffer. */
typedef struct Turns {
  const Dim *turn;    /* the symbol that is the number of the turn */
  const Dim *trips;   /* turns to make; NULL: */
  Operand trip_count; /* so many; absent: no limit */
  Operand first;      /* whether to make the first turn; absent: yes */
  Operand condition;  /* set from `first`, then by the body: whether to go on; absent: always */
  Operand counter;    /* the number of the turn as an i64 that the body reads; absent: not read */
  const Dim *most;    /* turns that results have room for; NULL: any number */
  Vec(const Dim *) counts; /* symbols that the number of turns made becomes */
  Vec(TurnSize) carried;
  Vec(const Dim *) shared; /* symbols of sizes that the first turn finds */
  Steps *body;
} Turns;

/* Output buffer `out` may share the memory of input buffer `in` when that is not read later. Where
 * it is the only such pair of its step it may be larger. */
typedef struct InPlace {
  Buffer *out, *in;
  bool grows;
} InPlace;

/* A size that must not be over the room that there is for it. */
typedef struct SizeLimit {
  const Dim *size;
  int64_t most;
} SizeLimit;

typedef struct Step {
  uint32_t id;
  StepKind kind;
  const char *const *ops; /* canonical operators fused into it, in topological order */
  uint32_t n_ops;
  const char *const *nodes; /* names of the ONNX nodes it came from */
  uint32_t n_nodes;
  const Dim *macs;      /* multiply-accumulates */
  const Dim *bytes;     /* memory traffic: all operands once */
  Vec(Buffer *) reads;  /* without repeats */
  Vec(Buffer *) writes; /* scratch included */
  Vec(InPlace) in_place;
  Vec(SharedSize) shared; /* taken, or checked, before anything else is done */
  Vec(SizeLimit) limits;  /* checked then */
  bool reference;         /* CALL: of a reference kernel */
  union {
    RowProgram row; /* ROW, COPY */
    Kernel kernel;  /* CONTRACTION, CALL */
    Call call;      /* CALL when `reference` is set */
    Branches branches;
    Turns turns; /* LOOP */
  };
} Step;

/* How an input becomes its next value.
 *
 * One that is appended to lies in a buffer with room for the longest, and the output is the input
 * with more behind it along an axis. One that is replaced has a buffer of two halves that change
 * places with each run. So a run that fails has changed nothing of these.
 *
 * One that is updated has elements of it changed where they are, by the only step that reads what
 * there was before. A run that fails behind such a step leaves a state that needs a reset. */
typedef enum StateKind { STATE_REPLACED, STATE_APPENDED, STATE_UPDATED } StateKind;

/* An input and the output that takes its place in the next run; neither is the caller's. */
typedef struct State {
  uint32_t input, output; /* positions in the graph's lists */
  Value *past, *present;
  StateKind kind;
  Value *updated;    /* UPDATED: what the step makes, which `present` is a view of, */
  int axis;          /* APPENDED: the one that grows, */
  const Dim *length; /* the symbol along it, */
  const Dim *grown;  /* what it is after the run, */
  int64_t capacity;  /* and the most that there is room for */
  Operand from, to;  /* where they live */
} State;

/* A size that the state knows: what it is in the next run. A size that stays is the caller's, and
 * the first run decides about it. */
typedef struct StateSize {
  const Dim *size, *next;
  int64_t most; /* that `next` may be */
} StateSize;

/* The state begins with 64-bit numbers: the layout, the turn, the sizes. */
typedef struct StateBlock {
  Vec(State) states;
  Vec(StateSize) sizes;
  uint64_t layout;    /* a hash of all this */
  const Dim *turn;    /* the symbol that is 0 and 1 in turns: which half is the input */
  size_t clear_bytes; /* at the beginning: what a state without history has as zeros */
  size_t bytes;       /* 0: there is no state */
} StateBlock;

struct Steps {
  Context *ctx;
  const Graph *graph;
  Steps *outer;      /* of a nested list: the list that holds it, whose buffers it shares */
  Vec(Step *) steps; /* in the order in which they run */
  Vec(Buffer *) buffers;
  Vec(Weight) weights;
  StateBlock state;
};

/* The state that the graph's input or output `i` is part of; NULL: none. */
const State *state_of_input(const Steps *steps, size_t i);
const State *state_of_output(const Steps *steps, size_t i);

/* The lists nested in a step, in the order of their positions in time; their number, at most 2. */
uint32_t step_bodies(const Step *step, Steps **bodies);

#endif
