/* Inside planning: the order of tasks that touch pieces of memory. */
#ifndef ONNXC_PLAN_TASKS_H
#define ONNXC_PLAN_TASKS_H

#include "lower/step.h"

typedef Vec(uint32_t) Numbers;

/* Piece `out` may begin where piece `in` ends, if that is so in the order at hand. */
typedef struct TaskOffer {
  uint32_t out, in;
} TaskOffer;

typedef struct Task {
  Numbers next;     /* tasks that wait for it; all come later in the given order */
  uint32_t waiting; /* tasks that it waits for */
  Numbers touches;  /* pieces, without repeats */
  Vec(TaskOffer) offers;
  size_t inner; /* what it needs while it runs, beside the pieces */
} Task;

/* A piece is live from the first task that touches it to the last one. */
typedef struct Piece {
  size_t bytes;
  uint32_t touches; /* tasks */
} Piece;

/* Tasks in an order in which they can run. */
typedef struct TaskList {
  const Task *tasks;
  const Piece *pieces;
  uint32_t n, n_pieces;
} TaskList;

/* Peaks are the largest sums of what is live at once; a piece that begins where another one ends is
 * counted after it. */
typedef struct TaskOrder {
  uint32_t *tasks;    /* in the order found, which is the given one unless that has a larger peak */
  size_t given, peak; /* of the given order and of this one */
  size_t least;       /* proven: no order has less */
} TaskOrder;

/* Looks for an order with the smallest peak, and among those for one near to the given order. Takes
 * from `budget` one for each task that it tries somewhere; with enough of it the peak is proven to
 * be the smallest. The same on every machine. */
TaskOrder order_tasks(Arena *arena, const TaskList *list, size_t *budget);

/* ---- for the search ----------------------------------------------------------------------------
 */

/* What the tasks from `begin` to before `end` need in every order that runs them after those before
 * them, which have touched each piece `touched` times, and before the others. Time and memory grow
 * with the square of their number. */
size_t least_peak(Arena *arena, const TaskList *list, uint32_t begin, uint32_t end,
                  const uint32_t *touched);

/* ---- for those who make tasks of steps ---------------------------------------------------------
 */

/* Whether no element of the buffer is written by both steps, as far as constant strides tell. */
bool writes_apart(Arena *arena, const Step *a, const Step *b, const Buffer *buffer);

#endif
