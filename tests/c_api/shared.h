/* What every server in C does here: failing, reading texts, finding an operation. PROGRAM names it in messages. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void fail(const char *what, const char *why) {
  fprintf(stderr, PROGRAM ": %s: %s\n", what, why);
  exit(1);
}

static void check(const char *what, const TF_Status *status) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static void read_all(void *to, size_t size) {
  if (size && fread(to, 1, size, stdin) != size) fail("input", "too short");
}

static void write_all(const void *from, size_t size) {
  if (size && fwrite(from, 1, size, stdout) != size) fail("output", "cannot write");
}

/* uint32 length, then the bytes. */
static void write_bytes(const void *from, size_t size) {
  uint32_t length = (uint32_t)size;
  write_all(&length, sizeof length);
  write_all(from, size);
}

/* The next batch, string [count]: uint32 count, then uint32 length and bytes of each. NULL at the end of the input. */
static TF_Tensor *read_texts(void) {
  uint32_t count;
  if (fread(&count, sizeof count, 1, stdin) != 1) return NULL;
  int64_t batch = count;
  TF_Tensor *texts = TF_AllocateTensor(TF_STRING, &batch, 1, count * sizeof(TF_TString));
  TF_TString *strings = TF_TensorData(texts);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t length;
    read_all(&length, sizeof length);
    char *bytes = malloc(length + 1);
    read_all(bytes, length);
    TF_TString_Init(&strings[i]);
    TF_TString_Copy(&strings[i], bytes, length);
    free(bytes);
  }
  return texts;
}

/* The strings of an answer, which has one for each text of the batch. */
static void write_strings(const char *what, const TF_Tensor *answer, int64_t batch) {
  if (TF_Dim(answer, 0) != batch) fail(what, "dimension 0 is not the batch");
  const TF_TString *lines = TF_TensorData(answer);
  for (int64_t i = 0; i < batch; i++) write_bytes(TF_TString_GetDataPointer(&lines[i]), TF_TString_GetSize(&lines[i]));
}

/* The operation and output of a name like "serving_tokenize:0". */
static TF_Output output_of(TF_Graph *graph, const char *name) {
  char operation[256];
  const char *colon = strchr(name, ':');
  size_t length = colon ? (size_t)(colon - name) : strlen(name);
  if (length >= sizeof operation) fail(name, "name too long");
  memcpy(operation, name, length);
  operation[length] = 0;
  TF_Output found = {TF_GraphOperationByName(graph, operation), colon ? atoi(colon + 1) : 0};
  if (!found.oper) fail(name, "no such operation in the graph");
  return found;
}

static TF_Session *load(const char *model, TF_Graph *graph, TF_Status *status) {
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(TF_NewSessionOptions(), NULL, model, tags, 1, graph, TF_NewBuffer(), status);
  check(model, status);
  return session;
}

static void close_session(TF_Session *session, TF_Graph *graph, TF_Status *status) {
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  check("close", status);
  TF_DeleteGraph(graph);
}
