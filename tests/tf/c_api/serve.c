/* What does a server do with the SavedModel? The same calls, from C: no Python, no gpt2tok.
 *
 * serve MODEL [OP_LIBRARY ...] < input > output
 *
 * Loads the op libraries, then the model; runs `tokenize` on a batch of texts, writes the ids, runs `detokenize` on
 * them and writes the bytes; then asks `detokenize` for an id that does not exist and writes the code of the error.
 * Input: uint32 count, then uint32 length and bytes of each text. Output, little-endian like the machine: int64 rows,
 * int64 columns, int32 ids, int32 mask; for each text uint32 length and bytes; int32 code, uint32 length and message.
 * Any failure before that: a message on stderr, status 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static void fail(const char *what, const char *why) {
  fprintf(stderr, "serve: %s: %s\n", what, why);
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

/* A client reads the names of a signature's tensors from the MetaGraphDef. C has no protobuf: the driver reads them from
 * saved_model.pb and passes them in the environment. */
static const char *name_of(const char *variable) {
  const char *name = getenv(variable);
  if (!name) fail(variable, "not set");
  return name;
}

static void run(TF_Session *session, TF_Output *inputs, TF_Tensor **given, int n_inputs, TF_Output *outputs,
                TF_Tensor **results, int n_outputs, TF_Status *status) {
  TF_SessionRun(session, NULL, inputs, given, n_inputs, outputs, results, n_outputs, NULL, 0, NULL, status);
}

int main(int argc, char **argv) {
  if (argc < 2) fail("usage", "serve MODEL [OP_LIBRARY ...]");
  TF_Status *status = TF_NewStatus();
  for (int i = 2; i < argc; i++) {
    TF_LoadLibrary(argv[i], status);
    check(argv[i], status);
  }

  TF_SessionOptions *options = TF_NewSessionOptions();
  TF_Graph *graph = TF_NewGraph();
  const char *tags[] = {"serve"};
  TF_Buffer *meta_graph = TF_NewBuffer();
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, meta_graph, status);
  check(argv[1], status);

  uint32_t count;
  read_all(&count, sizeof count);
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

  TF_Output text = output_of(graph, name_of("TOKENIZE_TEXT"));
  TF_Output rows[] = {output_of(graph, name_of("TOKENIZE_INPUT_IDS")), output_of(graph, name_of("TOKENIZE_ATTENTION_MASK"))};
  TF_Tensor *ids_and_mask[2] = {NULL, NULL};
  run(session, &text, &texts, 1, rows, ids_and_mask, 2, status);
  check("tokenize", status);
  int64_t shape[] = {TF_Dim(ids_and_mask[0], 0), TF_Dim(ids_and_mask[0], 1)};
  write_all(shape, sizeof shape);
  for (int i = 0; i < 2; i++) write_all(TF_TensorData(ids_and_mask[i]), TF_TensorByteSize(ids_and_mask[i]));

  TF_Output given[] = {output_of(graph, name_of("DETOKENIZE_INPUT_IDS")), output_of(graph, name_of("DETOKENIZE_ATTENTION_MASK"))};
  TF_Output bytes = output_of(graph, name_of("DETOKENIZE_TEXT_BYTES"));
  TF_Tensor *spelt = NULL;
  run(session, given, ids_and_mask, 2, &bytes, &spelt, 1, status);
  check("detokenize", status);
  if (TF_Dim(spelt, 0) != batch) fail("detokenize", "dimension 0 is not the batch");
  const TF_TString *lines = TF_TensorData(spelt);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t length = (uint32_t)TF_TString_GetSize(&lines[i]);
    write_all(&length, sizeof length);
    write_all(TF_TString_GetDataPointer(&lines[i]), length);
  }

  /* A bad request must come back as an error, and leave the session alive for the next one. */
  int64_t one[] = {1, 1};
  TF_Tensor *bad[] = {TF_AllocateTensor(TF_INT32, one, 2, sizeof(int32_t)), TF_AllocateTensor(TF_INT32, one, 2, sizeof(int32_t))};
  *(int32_t *)TF_TensorData(bad[0]) = 1 << 30;
  *(int32_t *)TF_TensorData(bad[1]) = 1;
  TF_Tensor *nothing = NULL;
  run(session, given, bad, 2, &bytes, &nothing, 1, status);
  int32_t code = TF_GetCode(status);
  uint32_t length = (uint32_t)strlen(TF_Message(status));
  write_all(&code, sizeof code);
  write_all(&length, sizeof length);
  write_all(TF_Message(status), length);
  TF_Tensor *again[2] = {NULL, NULL};
  run(session, &text, &texts, 1, rows, again, 2, status);
  check("tokenize after an error", status);

  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  check("close", status);
  TF_DeleteGraph(graph);
  return 0;
}
