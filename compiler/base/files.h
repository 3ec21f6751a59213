/* Files that appear all together or not at all: each is written beside its place under a temporary
 * name, and renamed when all are complete. */
#ifndef ONNXC_BASE_FILES_H
#define ONNXC_BASE_FILES_H

#include "base/diag.h"
#include "base/text.h"

typedef struct Files Files;

Files *files_new(Arena *arena, Diag *diag);
/* `path` is an input: files_open refuses to replace it, under whatever name. */
void files_protect(Files *files, const char *path);
/* A writer for the future file `path`, open until files_commit; NULL: reported. Folders on the way
 * are made. */
Out *files_open(Files *files, const char *path);
/* Puts all files in place. False: reported, and what was there before is intact. */
bool files_commit(Files *files);
/* Removes the temporary files of an unfinished set; nothing after files_commit. */
void files_abandon(Files *files);

/* Makes a folder and those above it. False with errno set. */
bool files_make_folder(Arena *arena, const char *path);
/* Removes a folder with all that is in it, following no links. */
void files_remove_tree(Arena *arena, const char *path);
/* `folder/name`; `name` alone when `folder` is empty. */
const char *files_join(Arena *arena, const char *folder, const char *name);

#endif
